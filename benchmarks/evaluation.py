"""How fast candidates are judged: shared prefixes and known paths against extracting and evaluating one by one."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import Architecture, ArchitectureSpace, crossover, mutate
from mtnas.errors import DataError
from mtnas.evaluation import InheritedErrors, extract, task_errors
from mtnas.space.data import Data
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork

ABOUT = (
    "Baseline: extract the network, recalibrate it on the same samples, evaluate it on the same samples; timed on every"
    " k-th candidate in between, and scaled to all. One thread; unit: seconds. The weights are untrained: time does not"
    " depend on them. Candidates: a search's, that is random ones first, then children of earlier ones by crossover and"
    " mutation; all distinct."
)


def candidates(space: ArchitectureSpace, count: int, seed: int) -> list[Architecture]:
    """Distinct architectures as an evolutionary search would ask for them: parents are the last 50."""
    rng = random.Random(seed)
    found: dict[Architecture, None] = {}
    while len(found) < count:
        pool = list(found)[-50:]
        if len(found) < 50 or rng.random() < 0.1:
            found.setdefault(space.draw(rng))
        else:
            found.setdefault(mutate(space, crossover(rng.choice(pool), rng.choice(pool), rng), rng))
    return list(found)


@dataclass(frozen=True)
class Case:
    name: str
    space: SearchSpace
    data: Data


def compare(case: Case, counts: list[int], every: int, seed: int) -> list[dict[str, Any]]:
    """Seconds for the first ``counts`` candidates, and the baseline's."""
    supernet = SuperNetwork(case.space, case.data.example()[0], seed).eval()
    baseline = SuperNetwork(case.space, case.data.example()[0], seed).eval()
    shared = InheritedErrors(supernet, case.data)
    batches = list(case.data.valid_batches())
    ours = theirs = 0.0
    measured, worst, rows = 0, 0.0, []
    for number, architecture in enumerate(candidates(case.space.architectures, max(counts), seed), 1):
        start = time.perf_counter()
        errors = shared(architecture)
        ours += time.perf_counter() - start
        if number % every == 1 or every == 1:
            start = time.perf_counter()
            alone = task_errors(extract(baseline, architecture, case.data), case.space.tasks, batches)
            theirs += time.perf_counter() - start
            measured += 1
            worst = max(worst, *(abs(errors[name] - alone[name]) for name in errors))
        if number in counts:
            scaled = theirs / measured * number
            rows.append(
                {
                    "data": case.name,
                    "candidates": number,
                    "seconds": ours,
                    "one by one": scaled,
                    "ratio": scaled / ours,
                    "per minute": 60 * number / ours,
                    "largest difference": worst,
                }
            )
    return rows


def _space_file(name: str) -> Path:
    return Path(__file__).parent.parent / "search_spaces" / f"{name}.py"


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    digits = load_space_file(_space_file("digits"))
    cases = [Case("digits", digits.space, digits.data(None))]
    try:
        if options.quick:
            raise DataError("--quick measures digits only")
        fashion = load_space_file(_space_file("multifashion"))
        cases.append(Case("multifashion", fashion.space, fashion.data(options.data_dir)))
    except DataError as error:
        report.about += f"\nMultiFashion left out: {error}"
    counts = [10, 20] if options.quick else [40, 200, 1000]
    for case in cases:
        for seed in options.seeds:
            report.rows += compare(case, counts, 5 if options.quick else 20, seed)
    aims = dict(zip(counts, (1.0, 1.0) if options.quick else (3.0, 10.0, 50.0), strict=True))
    for row in report.rows:
        name = f"{row['data']}, {row['candidates']} candidates: times faster"
        report.bars.append(Bar.at_least(name, row["ratio"], aims[row["candidates"]]))
        report.bars.append(
            Bar.at_most(f"{row['data']}: largest difference of an error", row["largest difference"], 0.0)
        )
    return report


if __name__ == "__main__":
    main("evaluation", ABOUT, measure)
