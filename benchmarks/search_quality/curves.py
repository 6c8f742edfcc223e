"""Hypervolume after every so many evaluations."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.search_quality.problem import Outcome, Problem
from benchmarks.search_quality.runs import Finished
from mtnas.atomic import write_text
from mtnas.results.front import hypervolume

BUDGETS = (25, 50, 100, 150, 200, 250, 300)
"""Evaluations at which the table tells the share."""


@dataclass(frozen=True)
class Curve:
    """Share of the best hypervolume by evaluations, of one run."""

    problem: str
    rival: str
    seed: int
    shares: dict[int, float]
    repeats: float
    feasible: float
    seconds: float


def curves(problem: Problem, runs: Sequence[Finished]) -> list[Curve]:
    """One for every run, as shares of the exact front's hypervolume or of `best_known`."""
    best = problem.exact if problem.exact is not None else best_known(problem, runs)
    return [
        Curve(
            problem.name,
            run.job.rival,
            run.job.seed,
            {k: _of_first(problem, run.outcomes, k) / best if best > 0 else 0.0 for k in grid(len(run.outcomes))},
            1 - len({outcome.genes for outcome in run.outcomes}) / len(run.outcomes),
            float(np.mean([outcome.feasible for outcome in run.outcomes])),
            run.seconds,
        )
        for run in runs
    ]


def grid(evaluations: int) -> list[int]:
    """Every ten evaluations, and the budgets of the table."""
    return sorted({*range(10, evaluations + 1, 10), *(budget for budget in BUDGETS if budget <= evaluations)})


def best_known(problem: Problem, runs: Iterable[Finished]) -> float:
    """Hypervolume of all that anybody found, taken together."""
    everything = [outcome for run in runs for outcome in run.outcomes]
    return _of_first(problem, everything, len(everything))


def write_csv(path: Path, found: Iterable[Curve]) -> None:
    """All curves in one table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("problem", "rival", "seed", "evaluations", "share"))
    for curve in found:
        for evaluations, share in curve.shares.items():
            writer.writerow((curve.problem, curve.rival, curve.seed, evaluations, f"{share:.8f}"))
    write_text(path, text.getvalue())


def _of_first(problem: Problem, outcomes: Sequence[Outcome], count: int) -> float:
    costs = [outcome.costs for outcome in outcomes[:count] if outcome.feasible]
    return hypervolume(np.array(costs), problem.reference) if costs else 0.0
