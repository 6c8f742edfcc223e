"""Evolutionary searches on a predictor: ours, pymoo's, and Optuna's with a trial for every candidate."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.samplers import NSGAIISampler

from benchmarks.search_quality.problem import Problem
from benchmarks.search_speed.row import Reading
from mtnas.predicting import IndependentGenes, PlanSettings, evolve
from mtnas.predicting.evolution import Judge
from mtnas.predicting.genetics import Floats, Genes

Engine = Callable[[Problem, Judge, int, int], object]
"""Search (problem, predictor, candidates, seed)."""

OPTUNA_POPULATION = 50


def genetics_of(problem: Problem) -> IndependentGenes:
    """What our search knows of a problem's genes; as the sampler makes it."""
    return IndependentGenes(problem.genes.sizes, problem.genes.ordered)


def ours(problem: Problem, judge: Judge, candidates: int, seed: int) -> None:
    """The search that plans a batch, with its population and children as shipped."""
    rng, genetics, settings = np.random.default_rng(seed), genetics_of(problem), PlanSettings()
    start = genetics.draw(settings.population, rng)
    evolve(
        genetics,
        start,
        judge,
        rng,
        population=settings.population,
        children=settings.children,
        evaluations=candidates,
    )


def pymoo(children: int) -> Engine:
    """NSGA-II of pymoo with a population of 100, a whole generation to the predictor at once.

    Genes are its integers, which it handles in arrays; its mixed variables are several times slower.
    """

    def search(problem: Problem, judge: Judge, candidates: int, seed: int) -> None:
        sizes = np.asarray(problem.genes.sizes)
        inner = _of("core.problem", "Problem")(
            n_var=len(sizes), n_obj=problem.objectives, xl=np.zeros(len(sizes), int), xu=sizes - 1, vtype=int
        )
        rounding = _of("operators.repair.rounding", "RoundingRepair")()
        algorithm = _of("algorithms.moo.nsga2", "NSGA2")(
            pop_size=100,
            n_offsprings=children,
            sampling=_of("operators.sampling.rnd", "IntegerRandomSampling")(),
            crossover=_of("operators.crossover.ux", "UniformCrossover")(),
            mutation=_of("operators.mutation.pm", "PM")(prob=1.0, eta=3.0, vtype=float, repair=rounding),
        )
        algorithm.setup(inner, termination=_of("core.termination", "NoTermination")(), seed=seed)
        done = 0
        while done < candidates:
            asked = algorithm.ask()
            costs, _ = judge(np.asarray(asked.get("X")).astype(np.int64))
            _of("core.evaluator", "Evaluator")().eval(_of("problems.static", "StaticProblem")(inner, F=costs), asked)
            algorithm.tell(infills=asked)
            done += len(asked)

    return search


def optuna_trials(problem: Problem, judge: Judge, candidates: int, seed: int) -> None:
    """NSGA-II of Optuna in memory, one trial for every candidate."""
    sampler = NSGAIISampler(population_size=OPTUNA_POPULATION, seed=seed)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * problem.objectives)
    for _ in range(candidates):
        trial = study.ask(dict(problem.distributions))
        costs, _ = judge(problem.genes.encode(trial.params)[None])
        study.tell(trial, costs[0].tolist())


class WatchedJudge:
    """A predictor that notes what it was asked, and the CPU seconds it took."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.seconds = 0.0
        self.asked: list[Genes] = []

    def __call__(self, genes: Genes) -> tuple[Floats, Floats]:
        start = time.process_time()
        found = self.judge(genes)
        self.seconds += time.process_time() - start
        self.asked.append(genes)
        return found


def reading(engine: Engine, problem: Problem, judge: Judge, candidates: int, seed: int) -> Reading:
    """CPU seconds for each different candidate of a search, and those of them that the predictor takes."""
    watched = WatchedJudge(judge)
    start = time.process_time()
    engine(problem, watched, candidates, seed)
    seconds = time.process_time() - start
    asked = np.concatenate(watched.asked)
    distinct = len(np.unique(asked, axis=0))
    return Reading(seconds / distinct, watched.seconds / distinct, distinct / len(asked))


def _of(module: str, name: str) -> Any:
    """A name of pymoo, which is not needed for anything else."""
    return getattr(importlib.import_module(f"pymoo.{module}"), name)
