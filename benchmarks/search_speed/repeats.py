"""Whether trials that run side by side repeat networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import Trial

from benchmarks.report import Bar
from benchmarks.search_quality.landscapes import two_errors
from benchmarks.search_speed.row import Reading, row
from mtnas.progress import progress
from mtnas.searching.predictor_sampler import PredictorSampler

GENES, THREADS = 12, 4


def measure_repeats(evaluations: int, seeds: Sequence[int]) -> tuple[list[dict[str, Any]], list[Bar]]:
    """A row, and a bar for each seed."""
    readings, bars = [], []
    with progress("repeats", len(seeds)) as advance:
        for seed in seeds:
            start = time.process_time()
            repeats = _repeats(evaluations, seed)
            each = (time.process_time() - start) / evaluations
            readings.append(Reading(each, distinct=1 - repeats / evaluations))
            name = f"seed {seed}: repeats in {evaluations} evaluations by {THREADS} threads"
            bars.append(Bar.at_most(name, repeats, 0))
            advance(f"seed {seed}")
    note = f"{THREADS} threads, {GENES} genes, from an empty study"
    return [row("trial of a study", evaluations, "ours, n_jobs=4", readings, readings, note)], bars


def _repeats(evaluations: int, seed: int) -> int:
    """Evaluations of networks that had been evaluated, or were being so."""
    problem = two_errors(GENES, seed)
    naps = np.random.default_rng(seed).uniform(1e-3, 3e-3, evaluations).tolist()

    def objective(trial: Trial) -> tuple[float, ...]:
        for name, values in zip(problem.genes.names, problem.genes.values, strict=True):
            trial.suggest_categorical(name, values)
        time.sleep(naps[trial.number])
        return problem.evaluate(trial.params).costs

    study = optuna.create_study(sampler=PredictorSampler(seed=seed), directions=["minimize"] * problem.objectives)
    study.optimize(objective, n_trials=evaluations, n_jobs=THREADS)
    networks = {tuple(trial.params.values()) for trial in study.get_trials(deepcopy=False)}
    return evaluations - len(networks)
