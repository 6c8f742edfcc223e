"""Optuna's samplers and ours, all through one loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from benchmarks.search_quality.problem import Outcome, Problem
from benchmarks.search_quality.rival import Rival, Search

OURS = "PredictorSampler (ours)"
THOROUGH = "PredictorSampler, thorough (ours)"


def through_optuna(make: Callable[[int], BaseSampler]) -> Search:
    """A search that asks a study for one trial after the other; constraints are those of `Trial.set_constraint`."""

    def search(problem: Problem, evaluations: int, seed: int) -> list[Outcome]:
        outcomes = []
        with _quiet():
            study = optuna.create_study(sampler=make(seed), directions=["minimize"] * problem.objectives)
            for _ in range(evaluations):
                trial = study.ask(dict(problem.distributions))
                outcome = problem.evaluate(trial.params)
                for index, value in enumerate(outcome.constraints):
                    trial.set_constraint(f"limit{index}", value)
                study.tell(trial, outcome.costs)
                outcomes.append(outcome)
        return outcomes

    return search


def predictor_sampler(seed: int) -> BaseSampler:
    """Ours."""
    from mtnas import PredictorSampler

    sampler: BaseSampler = PredictorSampler(seed=seed)
    return sampler


def thorough_sampler(seed: int) -> BaseSampler:
    """Ours, for trials that take long."""
    from mtnas import PredictorSampler

    sampler: BaseSampler = PredictorSampler.thorough(seed)
    return sampler


@contextmanager
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


OPTUNA_RIVALS = (
    Rival("random", through_optuna(lambda seed: RandomSampler(seed=seed))),
    Rival("NSGA-II 20 (Optuna)", through_optuna(lambda seed: NSGAIISampler(population_size=20, seed=seed))),
    Rival("NSGA-II 50 (Optuna)", through_optuna(lambda seed: NSGAIISampler(population_size=50, seed=seed))),
    Rival("TPE (Optuna)", through_optuna(lambda seed: TPESampler(seed=seed))),
    Rival("TPE multivariate (Optuna)", through_optuna(lambda seed: TPESampler(multivariate=True, seed=seed))),
    Rival(
        "GP (Optuna)",
        through_optuna(lambda seed: GPSampler(deterministic_objective=True, seed=seed)),
        at_most=100,
        few_seeds=True,
    ),
)

OURS_RIVALS = (
    Rival(THOROUGH, through_optuna(thorough_sampler), at_most=250),
    Rival(OURS, through_optuna(predictor_sampler)),
)
