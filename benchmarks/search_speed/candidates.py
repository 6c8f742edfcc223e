"""Predicted candidates per second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.report import Bar
from benchmarks.search_quality.landscapes import two_errors
from benchmarks.search_quality.problem import Problem
from benchmarks.search_speed.engines import Engine, genetics_of, optuna_trials, ours, pymoo, reading
from benchmarks.search_speed.row import Reading, median, row
from mtnas.predicting import Model, PlanSettings, Predictors, RegressorModel, Rows, Tuned
from mtnas.progress import progress

GENES = 40
BAR_ROWS = 250
OURS, RIDGE = "ours", "ours, ridge regression"
PYMOO, PYMOO_MANY = "NSGA-II (pymoo)", "NSGA-II (pymoo), 400 children"
OPTUNA, OPTUNA_ALONE = "NSGA-II (Optuna)", "NSGA-II (Optuna), predictor not counted"


@dataclass(frozen=True)
class Sizes:
    """How many candidates every search judges, rows that predictors are fitted on, and rounds for each seed."""

    ours: int
    pymoo: int
    optuna: int
    rows: tuple[int, ...]
    rounds: int


FULL = Sizes(ours=20_000, pymoo=20_000, optuna=1_500, rows=(50, 250, 600), rounds=3)
QUICK = Sizes(ours=4_000, pymoo=2_000, optuna=150, rows=(50, 250), rounds=1)


def measure_candidates(sizes: Sizes, seeds: Sequence[int]) -> tuple[list[dict[str, Any]], list[Bar], str]:
    """Rows, bars, and what was left out."""
    engines = _engines(sizes)
    found: dict[tuple[int, str], list[Reading]] = defaultdict(list)
    with progress("predicted candidates", len(seeds) * len(sizes.rows)) as advance:
        for seed in seeds:
            problem = two_errors(GENES, seed)
            for rows in sizes.rows:
                shipped = _predictors(problem, rows, seed, PlanSettings().models)
                cheapest = _predictors(problem, rows, seed, (RegressorModel(Ridge()),))
                for engine, _ in engines.values():
                    reading(engine, problem, shipped.likely, 100, seed)  # so that no search pays for what is due once
                for name, (engine, candidates) in sizes.rounds * list(engines.items()):
                    judge = (cheapest if name == RIDGE else shipped).likely
                    found[rows, name].append(reading(engine, problem, judge, candidates, seed))
                    if name == OPTUNA:
                        found[rows, OPTUNA_ALONE].append(_without_predictor(found[rows, OPTUNA][-1]))
                advance(f"seed {seed}, {rows} rows")
    table = [
        row("predicted candidate", rows, name, readings, found[rows, OURS]) for (rows, name), readings in found.items()
    ]
    table.sort(key=lambda line: line["rows"])
    each = median(found[BAR_ROWS, OURS])
    bars = [Bar.at_least(f"{BAR_ROWS} rows: predicted candidates per second", 1 / each, 100_000)]
    for name in (OPTUNA, OPTUNA_ALONE):
        ratio = median(found[BAR_ROWS, name]) / each
        bars.append(Bar.at_least(f"{BAR_ROWS} rows: times faster than {name}", ratio, 300))
    return table, bars, "" if PYMOO in engines else "\npymoo left out: it needs pymoo; install with pip"


def _engines(sizes: Sizes) -> dict[str, tuple[Engine, int]]:
    """Searches by name, with the number of their candidates."""
    found: dict[str, tuple[Engine, int]] = {OURS: (ours, sizes.ours), RIDGE: (ours, sizes.ours)}
    if find_spec("pymoo") is not None:
        found[PYMOO] = pymoo(100), sizes.pymoo
        found[PYMOO_MANY] = pymoo(PlanSettings().children), sizes.pymoo
    return {**found, OPTUNA: (optuna_trials, sizes.optuna)}


def _predictors(problem: Problem, count: int, seed: int, models: Sequence[Model]) -> Predictors:
    """Fitted on so many random rows; all are trusted, however good they are, as others would cost nothing."""
    genes = problem.genes.draw(np.random.default_rng(seed), count)
    rows, genetics = Rows(genes, problem.costs_of(genes), {}), genetics_of(problem)
    return Predictors(rows, genetics, Tuned.on(rows, genetics, models), least_tau=-1.0, errors=0.0, most_rows=count)


def _without_predictor(whole: Reading) -> Reading:
    return Reading(whole.each - whole.within, 0.0, whole.distinct)
