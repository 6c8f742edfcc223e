"""LINAS (Cummings et al. 2022, arXiv 2205.10358) as DyNAS-T does it, with its two kinds of predictors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVR

from benchmarks.search_quality.genes import Genes, Indices
from benchmarks.search_quality.inner_nsga2 import inner_search
from benchmarks.search_quality.problem import Outcome, Problem
from benchmarks.search_quality.rival import Rival, Search
from mtnas.results.front import Points

POPULATION = 50
INNER_EVALUATIONS = 10_000


def linas(make: Callable[[], Any]) -> Search:
    """Rounds of: measure 50, fit a predictor per objective, search on the predictors alone for the next 50.

    The final population of the inner search is the next batch, less what was measured before; if nothing is left, a
    batch is drawn. Constraints get predictors as well.
    """

    def search(problem: Problem, evaluations: int, seed: int) -> list[Outcome]:
        rng = np.random.default_rng(seed)
        outcomes: list[Outcome] = []
        batch = problem.genes.draw(rng, POPULATION)
        while True:
            known = {outcome.genes for outcome in outcomes}
            fresh = [genes for genes in dict.fromkeys(map(tuple, batch.tolist())) if genes not in known]
            for genes in fresh[: evaluations - len(outcomes)]:
                outcomes.append(problem.evaluate(problem.genes.decode(genes)))
            if len(outcomes) >= evaluations:
                return outcomes
            if not fresh:
                batch = problem.genes.draw(rng, POPULATION)
                continue
            judge = _fitted(problem, outcomes, make)
            batch = inner_search(problem.genes, judge, rng, POPULATION, INNER_EVALUATIONS)
            batch = rng.permutation(batch)

    return search


def _fitted(
    problem: Problem, outcomes: list[Outcome], make: Callable[[], Any]
) -> Callable[[Indices], tuple[Points, NDArray[np.float64]]]:
    features = one_hot(problem.genes, np.array([outcome.genes for outcome in outcomes]))
    targets = np.array([(*outcome.costs, *outcome.constraints) for outcome in outcomes])
    predictors = [make().fit(features, column) for column in targets.T]
    objectives = problem.objectives

    def judge(indices: Indices) -> tuple[Points, NDArray[np.float64]]:
        inputs = one_hot(problem.genes, indices)
        predicted = np.stack([predictor.predict(inputs) for predictor in predictors], 1)
        return predicted[:, :objectives], np.maximum(predicted[:, objectives:], 0).sum(1)

    return judge


def one_hot(genes: Genes, indices: Indices) -> NDArray[np.float64]:
    """(n, sum of sizes), one where a gene has a value."""
    return np.concatenate([np.eye(size)[indices[:, gene]] for gene, size in enumerate(genes.sizes)], 1)


def ridge() -> RidgeCV:
    """Penalty between 0.1 and 10 as in DyNAS-T, by leave-one-out."""
    return RidgeCV(alphas=np.geomspace(0.1, 10, 15))


def svr() -> GridSearchCV:
    """RBF kernel as in DyNAS-T, its cost between 1 and 100 by five folds.

    Judged by absolute errors: relative ones, as there, mean nothing for costs that reach zero.
    """
    machine = SVR(kernel="rbf", gamma="auto", epsilon=0.0)
    return GridSearchCV(machine, {"C": [1.0, 3.0, 10.0, 30.0, 100.0]}, scoring="neg_mean_absolute_error")


LINAS_RIVALS = (Rival("LINAS ridge", linas(ridge)), Rival("LINAS SVR", linas(svr)))
