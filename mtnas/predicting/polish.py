"""Candidates that promise the most hypervolume, found by climbing that promise itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from mtnas.predicting.evolution import new_ones
from mtnas.predicting.genetics import Floats, Genes, Genetics, fingerprints
from mtnas.predicting.improvement import Improvement
from mtnas.predicting.predictors import Predictors


def polished(
    genetics: Genetics,
    predictors: Predictors,
    improvement: Improvement,
    unit: tuple[Floats, Floats],
    start: Genes,
    rng: np.random.Generator,
    *,
    known: NDArray[np.uint64],
    count: int,
    rounds: int,
    children: int,
    keep: int = 100,
    parents: int = 50,
    worlds: int = 16,
) -> Genes:
    """Candidates of large expected gain, the best few for each of a batch, (n, genes).

    An inner search on likely costs finds what is probably good. What might be very good, and what would tell most, lies
    elsewhere; there the expected gain of hypervolume is large, too (arXiv 2006.04655). For every candidate of the batch
    the gain is climbed by an evolution of its own, in which those found before count as measured. Costs are taken to
    move together in a world: all candidates are at the same quantile of each, which is quick, and near enough for
    finding candidates. They are picked by worlds drawn for all of them jointly.

    Args:
        improvement: with the rows that are measured, in units.
        unit: what is taken from costs, and what they are then divided by, (objectives,) each.
        start: candidates to start from.
        known: fingerprints of what is not wanted.
        count: of the batch.
        rounds: of every evolution.
        children: of every round.
        keep: candidates that survive a round.
        parents: of them, those that children are made of.
        worlds: quantiles of the costs.
    """
    low, scale = unit
    objectives, constraints = len(low), len(predictors.constraints)
    drawn = qmc.Sobol(objectives + constraints, rng=rng).random(worlds)
    quantiles = norm.ppf(np.clip(drawn, 1e-6, 1 - 1e-6))

    def reach(genes: Genes) -> NDArray[np.float32]:
        costs, values = predictors.quantiles(genes, quantiles)
        return improvement.reach((costs - low) / scale, np.asarray((values <= 0).all(-1)))

    prints = fingerprints(genetics.identity(start))
    met = {*known.tolist(), *prints.tolist()}
    genes, reached = start, reach(start)
    best = np.broadcast_to(improvement.best, (worlds, len(improvement.best))).copy()
    pool = []
    for _ in range(count):
        gains = improvement.gains(reached, best)
        for _ in range(rounds):
            kept = np.argsort(-gains, kind="stable")[:keep]
            genes, reached, gains = genes[kept], reached[:, kept], gains[kept]
            # The lower of two places wins a tournament.
            places = (rng.random((2, 2, children)) * min(parents, len(genes))).astype(np.int64).min(1)
            made, _ = new_ones(genetics, genetics.vary(genes[places[0]], genes[places[1]], rng), met)
            if len(made):
                more = reach(made)
                genes, reached = np.concatenate([genes, made]), np.concatenate([reached, more], axis=1)
                gains = np.concatenate([gains, improvement.gains(more, best)])
        order = np.argsort(-gains, kind="stable")
        pool.append(genes[order[: max(2, keep // count)]])
        best = np.maximum(best, reached[:, order[0]])
    return np.concatenate(pool)
