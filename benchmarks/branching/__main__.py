"""Does a method find the tree that made the labels, and at what cost? And does ours say when there is none to find?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean, median
from typing import Any

import torch

from benchmarks.branching import ours
from benchmarks.branching.measures import exact, pair_accuracy, rank
from benchmarks.branching.problem import Problem, Teacher, identical, make_problem, pairs, unrelated
from benchmarks.branching.rivals import bmtas, ceiling, ltb, one_shot, pairwise, random_trees
from benchmarks.branching.rivals.found import Found
from benchmarks.branching.scale import expected_nodes_rows
from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import Tree
from mtnas.branching import cheapest_tied
from mtnas.progress import progress

ABOUT = (
    "P-Tree: labels of 4 tasks made by a teacher 0123|01.23|01.23 with tasks in an order of every seed, 16 inputs,"
    " 1,280 samples to train on, 320 to choose by; students of width 10. exact: the true tree is what the method"
    " settles on, of all trees of at most its 5 nodes where the method can be asked so. rank: of the true tree among"
    " those that the method puts in order, by seed (-: not among them). pairs: share of task pairs rightly together or"
    " apart, by block. units: compute in trainings of the true tree. All seeds are reported, none is chosen. Also: 8"
    " tasks in four pairs from the first block on (4 blocks, 16 nodes), the same task four times (with every budget the"
    " shared tree is right), and four unrelated teachers (all apart is right)."
)

Method = Callable[[Problem, int, int], Found]
WIDTH = 10
ALONE, TRAINED = "mtnas, affinities alone", "mtnas, 3 trees trained"
FRESH = range(100, 130)
"""Seeds on which nothing about the method was chosen."""
EIGHT = Teacher(Tree((tuple(task - task % 2 for task in range(8)),) * 4))


def methods(steps: int, seeds: Sequence[int]) -> dict[str, Method]:
    """The methods on four tasks, by name. ``steps``: of one training; the full benchmark has 2,500."""
    short = max(50, round(steps * 0.4))
    found: dict[str, Method] = {
        ALONE: partial(ours.find, steps=short, finalists=1),
        TRAINED: partial(ours.find, steps=short, finalists=3, trained_steps=steps),
        "every tree trained (ceiling)": partial(ceiling.find, steps=steps),
        "pairs of tasks": partial(pairwise.find, steps=steps),
        "one-shot, random trees": partial(one_shot.find, units=6.0 * steps / 2500),
        "Learning to Branch": partial(ltb.find, steps=steps),
        "4 random trees trained": partial(random_trees.find, trees=4, steps=steps),
        "12 random trees trained": partial(random_trees.find, trees=12, steps=steps),
    }
    for weight in bmtas.RESOURCE_WEIGHTS:
        found[f"BMTAS, lambda {weight:g}"] = partial(bmtas.find, resource_weight=weight, steps=steps)
    return found


def row_of(
    name: str, problems: Mapping[int, Problem], method: Method, advance: Callable[[str], None]
) -> dict[str, Any]:
    """One method on all seeds."""
    found, ranks, begun = {}, [], time.perf_counter()
    for seed, problem in problems.items():
        found[seed] = method(problem, seed, WIDTH)
        ranks.append(rank(found[seed], problem.truth))
        advance(f"{name}, seed {seed}: {found[seed].tree}")
    truths = [(found[seed].tree, problem.truth) for seed, problem in problems.items()]
    accuracy = [pair_accuracy(*both) for both in truths]
    known = [one for one in ranks if one is not None]
    count = max(1, len(problems))
    return {
        "method": name,
        "exact": f"{sum(exact(*both) for both in truths)} of {len(truths)}",
        "rank": " ".join("-" if one is None else str(one) for one in ranks),
        "median rank": median(known) if known else "-",
        "pairs": " ".join(f"{fmean(column):.2f}" for column in zip(*accuracy, strict=True)),
        "units": sum(one.units for one in found.values()) / count,
        "s": (time.perf_counter() - begun) / count,
        "trees": " ".join(str(one.tree) for one in found.values()),
    }


def controls(seeds: Sequence[int], steps: int) -> list[dict[str, Any]]:
    """What is settled on when there is nothing to part, or nothing to share."""
    rows = []
    for name, teacher in (("one task four times", identical()), ("unrelated teachers", unrelated())):
        trees, right, sure, begun = [], 0, 0, time.perf_counter()
        for seed in seeds:
            problem = make_problem(seed, teacher)
            learned = ours.learn(problem, seed, WIDTH, steps=steps)
            ranked = learned.leading(12, seed, 50)
            space, affinities = learned.space.architectures, learned.branching.affinities
            trees.append(cheapest_tied(space, affinities, learned.costs, ranked[0].tree, seed))
            right += trees[-1] == problem.truth
            sure += ranked[0].sure
        rows.append(
            {
                "method": f"{name}: mtnas, cheapest tree within 2 standard errors of the best one of at most 12 nodes",
                "exact": f"{right} of {len(seeds)}",
                "rank": f"sure of the best: {sure} of {len(seeds)}",
                "median rank": "",
                "pairs": "",
                "units": learned.units,
                "s": (time.perf_counter() - begun) / len(seeds),
                "trees": " ".join(map(str, trees)),
            }
        )
    return rows


def budgets(seed: int, steps: int) -> dict[str, Any]:
    """Trees of four budgets from one training."""
    begun = time.perf_counter()
    learned = ours.learn(make_problem(seed), seed, WIDTH, steps=steps)
    best = {nodes: learned.leading(nodes, seed, 20)[0] for nodes in (4, 5, 6, 8)}
    told = "; ".join(f"{nodes}: {one.tree} ({one.confidence:.0%})" for nodes, one in best.items())
    return {
        "method": f"seed {seed}: budgets of 4, 5, 6, 8 nodes from one training (confidence)",
        "exact": f"{len({one.tree for one in best.values()})} trees",
        "rank": "",
        "median rank": "",
        "pairs": "",
        "units": learned.units,
        "s": time.perf_counter() - begun,
        "trees": told,
    }


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    seeds = options.seeds[:1] if options.quick else options.seeds
    steps = 100 if options.quick else 2500
    short = max(50, round(steps * 0.4))
    report = Report(ABOUT)
    four = {seed: make_problem(seed) for seed in seeds}
    eight = {seed: make_problem(seed, EIGHT) for seed in seeds}
    three = {seed: make_problem(seed, pairs(8)) for seed in seeds}
    all_methods = methods(steps, seeds)
    total = len(seeds) * (len(all_methods) + 2) + (0 if options.quick else len(FRESH))
    with progress("branching", total, 0, show=True) as advance:
        rows = {name: row_of(name, four, method, advance) for name, method in all_methods.items()}
        alone = partial(ours.find, steps=2 * short, finalists=1)
        fresh = {seed: make_problem(seed) for seed in (() if options.quick else FRESH)}
        fresh_row = row_of(f"mtnas, affinities alone, {len(fresh)} other seeds", fresh, all_methods[ALONE], advance)
        eight_row = row_of("8 tasks in four pairs, 16 nodes: mtnas, affinities alone", eight, alone, advance)
        three_row = row_of("8 tasks, shared then four pairs, 9 nodes: mtnas, affinities alone", three, alone, advance)
    null = controls(seeds, short)
    told = [budgets(seed, short) for seed in seeds[:2]]
    report.rows = [*rows.values(), *([fresh_row] if fresh else []), eight_row, three_row, *null, *told]
    report.rows += expected_nodes_rows()
    for name in (ALONE, TRAINED):
        share = int(rows[name]["exact"].split()[0]) / len(seeds)
        report.bars.append(Bar.at_least(f"{name}: share of seeds with the exact tree", share, 0.8))
        report.bars.append(Bar.at_most(f"{name}: units", rows[name]["units"], 12))
    best = rows[TRAINED]
    report.bars.append(Bar.at_least("aim: exact tree in all seeds", int(best["exact"].split()[0]) / len(seeds), 1.0))
    report.bars.append(Bar.at_most("aim: units", best["units"], 6))
    for row, name in zip(null, ("identical tasks share all", "unrelated tasks part at once"), strict=True):
        report.bars.append(Bar.at_least(f"{name}: share of seeds", int(row["exact"].split()[0]) / len(seeds), 0.9))
    last = float(eight_row["pairs"].split()[-1])
    report.bars.append(Bar.at_least("8 tasks in four pairs: pairs right at the last block", last, 0.95))
    if fresh:
        share = int(fresh_row["exact"].split()[0]) / len(fresh)
        report.bars.append(Bar.at_least("other seeds, affinities alone: share with the exact tree", share, 0.8))
    trees = min(int(row["exact"].split()[0]) for row in told)
    report.bars.append(Bar.at_least("different trees of four budgets from one training", trees, 4))
    return report


if __name__ == "__main__":
    main("branching", ABOUT, measure, seeds=range(10))
