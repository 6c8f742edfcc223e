"""What a proposal costs, by the number of trials that a study holds already."""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study

from benchmarks.report import Bar
from benchmarks.search_quality.landscapes import two_errors
from benchmarks.search_quality.problem import Problem
from benchmarks.search_speed.candidates import GENES
from benchmarks.search_speed.engines import OPTUNA_POPULATION, genetics_of
from benchmarks.search_speed.row import Reading, median, row
from mtnas.predicting import Rows, Tuned
from mtnas.progress import progress
from mtnas.searching.predictor_sampler import PREDICTORS, PredictorSampler

EVALUATION = 0.5
"""Seconds of an evaluation that proposals are compared with."""

OURS, TPE, NSGA2, RANDOM = "ours", "TPE, multivariate (Optuna)", "NSGA-II (Optuna)", "random (Optuna)"


@dataclass(frozen=True)
class Sizes:
    """Finished trials, rounds of plans of ours that go on from each other, and trials of others, measured at each."""

    finished: tuple[int, ...]
    rounds: int
    others: int


FULL = Sizes(finished=(25, 50, 250, 1_000, 5_000), rounds=2, others=5)
QUICK = Sizes(finished=(50, 250), rounds=1, others=2)


def measure_proposals(sizes: Sizes, seeds: Sequence[int]) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Rows and bars."""
    found: dict[tuple[int, str], list[Reading]] = defaultdict(list)
    with progress("proposed trials", len(seeds) * (len(sizes.finished) + 1)) as advance:
        for seed in seeds:
            problem = two_errors(GENES, seed)
            for finished in sizes.finished:
                found[finished, OURS].append(_ours(problem, finished, seed, sizes.rounds))
                tpe = TPESampler(multivariate=True, seed=seed)
                found[finished, TPE].append(_other(problem, finished, seed, tpe, sizes.others))
                found[finished, RANDOM].append(_other(problem, finished, seed, RandomSampler(seed=seed), 20))
                advance(f"seed {seed}, {finished} trials")
            for finished, reading in _nsga2(problem, sizes.finished, seed):
                found[finished, NSGA2].append(reading)
            advance(f"seed {seed}, NSGA-II")
    table = [
        row("proposed trial", finished, name, readings, found[finished, OURS], _share(readings))
        for (finished, name), readings in found.items()
    ]
    table.sort(key=lambda line: line["rows"])
    bars = [
        Bar.at_most(
            f"{finished} trials: % of a {EVALUATION:g} s evaluation for a proposal",
            100 * median(found[finished, OURS]) / EVALUATION,
            2.0,
        )
        for finished in sizes.finished
    ]
    return table, bars


def _ours(problem: Problem, finished: int, seed: int, rounds: int) -> Reading:
    """Plan, ask and tell over whole batches, and the part of a re-fit of the predictors that falls on one trial."""
    # Fitted on all finished trials and then no more: what re-fits take is measured by itself.
    sampler = PredictorSampler(seed=seed, startup=finished, refit=1e9)
    study, rows = _study(problem, finished, seed, sampler)
    genetics = genetics_of(problem)
    start = time.process_time()
    Tuned.on(rows, genetics, sampler.settings.models)
    refit = (time.process_time() - start) / (round(finished * PredictorSampler().refit) - finished)
    gc.collect()  # what other measurements have left is not swept up within these
    planned = float(np.mean(list(_batches(study, problem, rounds * sampler.settings.anew))))
    return Reading(planned + refit, refit)


def _batches(study: Study, problem: Problem, count: int) -> Iterator[float]:
    """CPU seconds for a trial, the mean over every batch.

    The batch that a study is in when it is loaded is not counted: reading the study and fitting the predictors are due
    once. A batch ends before the trial that the next is planned for, which is known by the figures it leaves.
    """
    seconds: list[float] = []
    begun = 0
    while len(seconds) <= len(study.get_trials(deepcopy=False)) // 2:
        taken, begins = _trial(study, problem)
        if begins:
            if begun > 1:
                yield float(np.mean(seconds))
            if begun > count:
                return
            begun, seconds = begun + 1, []
        seconds.append(taken)
    raise RuntimeError(f"no batch began within {len(seconds)} trials: they are not marked by {PREDICTORS} any more")


def _other(problem: Problem, finished: int, seed: int, sampler: BaseSampler, count: int) -> Reading:
    """Ask and tell; the first trial reads the study, and is not counted."""
    study, _ = _study(problem, finished, seed, sampler)
    return Reading(float(np.mean([_trial(study, problem)[0] for _ in range(count + 1)][1:])))


def _nsga2(problem: Problem, finished: Sequence[int], seed: int) -> Iterator[tuple[int, Reading]]:
    """Ask and tell over a generation from each number of trials on; it ignores trials that are not its own."""
    study, _ = _study(problem, 0, seed, NSGAIISampler(population_size=OPTUNA_POPULATION, seed=seed))
    seconds = [_trial(study, problem)[0] for _ in range(max(finished) + OPTUNA_POPULATION)]
    for number in finished:
        yield number, Reading(float(np.mean(seconds[number : number + OPTUNA_POPULATION])))


def _study(problem: Problem, finished: int, seed: int, sampler: BaseSampler) -> tuple[Study, Rows]:
    """A study in memory with finished trials at random, and these as rows."""
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * problem.objectives)
    genes = problem.genes.draw(np.random.default_rng(seed), finished)
    costs = problem.costs_of(genes)
    distributions = dict(problem.distributions)
    study.add_trials(
        optuna.create_trial(params=problem.genes.decode(one), distributions=distributions, values=values)
        for one, values in zip(genes.tolist(), costs.tolist(), strict=True)
    )
    return study, Rows(genes, costs, {})


def _trial(study: Study, problem: Problem) -> tuple[float, bool]:
    """CPU seconds to ask for a trial and to tell its costs, and whether a batch of ours begins with it."""
    start = time.process_time()
    trial = study.ask(dict(problem.distributions))
    asked = time.process_time() - start
    costs = problem.evaluate(trial.params).costs
    start = time.process_time()
    study.tell(trial, costs)
    told = time.process_time() - start
    return asked + told, PREDICTORS in study.get_trials(deepcopy=False)[trial.number].system_attrs


def _share(readings: Sequence[Reading]) -> str:
    return f"{100 * median(readings) / EVALUATION:.2f} % of {EVALUATION:g} s"
