"""From a seed to trained networks, by the product's own functions; what a run holds already is not done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.realdata.case import Case
from benchmarks.realdata.choosing import HARD_SHARING, SINGLE_TASK
from benchmarks.realdata.narrower import at_narrower
from benchmarks.realdata.outcome import Outcome, Trained
from mtnas.architecture import Candidate, Tree
from mtnas.refining import Comparison, RefinedRows, RefineSettings, compare, refine
from mtnas.runs import Run
from mtnas.searching import search
from mtnas.training import train


def outcome_of(case: Case, seed: int, folder: Path) -> Outcome:
    """Train, search, choose, and train what was chosen beside plain networks."""
    run, space = Run(folder, seed), case.widened(1)
    supernet = train(space, case.data, run, case.training)
    limit = case.rule.limit(space.architectures, supernet.found.costs)
    searching = replace(case.searching, budgets={case.rule.cost: limit})
    results = search(space, case.data, run, searching, supernet=supernet)
    member = case.rule.choose(results).candidate
    comparison = compare(case.widened, case.data, run, member, case.alone, seeds=1)
    hard, single = (Candidate(results.corners[name]) for name in (HARD_SHARING, SINGLE_TASK))
    refine(space, case.data, run, [hard, single], case.alone)
    rows = refine(space, case.data, run, [member, hard, single], case.fine_tuning)
    by_name, (first, *plain) = _compared(comparison), comparison.networks
    shared = Tree.shared(len(space.tasks), len(space.blocks))
    return Outcome(
        seed,
        member=by_name[first.name],
        hard_equal=tuple(by_name[one.name] for one in plain if one.candidate.architecture.tree == shared),
        single_equal=by_name[comparison.single],
        hard=_refined(rows, hard, case.alone, "hard sharing, full width"),
        single=_refined(rows, single, case.alone, "single-task, full width"),
        hard_narrow=at_narrower(case, run, hard),
        fine_tuned=_refined(rows, member, case.fine_tuning, "front member, fine-tuned"),
        hard_tuned=_refined(rows, hard, case.fine_tuning, "hard sharing, full width, fine-tuned"),
        single_tuned=_refined(rows, single, case.fine_tuning, "single-task, full width, fine-tuned"),
    )


def _compared(comparison: Comparison) -> dict[str, Trained]:
    """The networks of a comparison by their names there."""
    runs = {run.network: run for run in comparison.runs}
    first = comparison.networks[0]
    return {
        network.name: Trained(
            "front member" if network == first else f"{network.name}, equal params",
            str(network.candidate.architecture.tree),
            network.params,
            network.macs,
            runs[network.name].valid,
            runs[network.name].test,
        )
        for network in comparison.networks
    }


def _refined(rows: RefinedRows, candidate: Candidate, settings: RefineSettings, name: str) -> Trained:
    """A network that was trained with these settings."""
    how = "from scratch" if settings.from_scratch else "fine-tuned"
    row = next(row for row in rows.rows if row.candidate == candidate and row.how == how)
    costs = rows.cost_table.of(rows.space, candidate.architecture)
    tree = str(candidate.architecture.tree)
    return Trained(name, tree, int(costs["params"]), int(costs["macs"]), row.valid, row.test)
