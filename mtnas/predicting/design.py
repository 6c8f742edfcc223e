"""Which networks to measure next so that all others are foreseen best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.evolution import new_ones
from mtnas.predicting.genetics import Floats, Genes, Genetics, fingerprints
from mtnas.predicting.grouped_ridge import FittedRidge


def most_telling(
    fitted: FittedRidge,
    genetics: Genetics,
    view: int,
    start: Genes,
    wanted: Floats,
    rng: np.random.Generator,
    *,
    count: int,
    known: NDArray[np.uint64],
    rounds: int = 10,
    children: int = 100,
    keep: int = 20,
) -> Genes:
    """Genomes that tell the most about what is wanted, the best first; at most ``count``, (n, genes).

    One after the other, each the one after which the mean variance of what is wanted is the least (greedy I-optimality;
    Atkinson, Donev and Tobias, Optimum Experimental Designs, chapter 10). What a row is like does not depend on what it
    will be measured as, so that many can be chosen before any is measured. Where costs err by percentages, variances
    count in relation to the costs. The best of the start are varied for some rounds, for what tells most is seldom
    among those that are drawn: small networks in which one node takes much of the time, large ones with many alike.

    Args:
        fitted: what is known so far.
        genetics: what the genomes mean.
        view: its view that is fitted.
        start: genomes to start from, (n, genes).
        wanted: features of what is to be foreseen, (m, features).
        rng: of the variation.
        count: at most so many, each once.
        known: fingerprints of what is not to be chosen.
        rounds: of variation, for each that is chosen; 0: they are chosen from the start only.
        children: of every round.
        keep: genomes that survive a round.
    """
    design = _Design(fitted, wanted)
    taken = set(known.tolist())
    pool, prints = new_ones(genetics, start, set(taken))
    units = _in_units(fitted, genetics.features(pool, view))
    found: list[Genes] = []
    for _ in range(count):
        free = np.flatnonzero(~np.isin(prints, np.array([*taken], dtype=np.uint64)))
        if not len(free):
            break
        gains = design.gains(units[free])
        best = np.argsort(-gains, kind="stable")[:keep]
        genes, gains = pool[free[best]], gains[best]
        met = {*taken, *prints[free[best]].tolist()}
        for _ in range(rounds):
            first, second = genes[rng.integers(0, len(genes), size=(2, children))]
            made, _ = new_ones(genetics, genetics.vary(first, second, rng), met)
            genes = np.concatenate([genes, made])
            gains = np.concatenate([gains, design.gains(_in_units(fitted, genetics.features(made, view)))])
            kept = np.argsort(-gains, kind="stable")[:keep]
            genes, gains = genes[kept], gains[kept]
        found.append(genes[0])
        taken.update(fingerprints(genetics.identity(genes[:1])).tolist())
        design.take(_in_units(fitted, genetics.features(genes[:1], view))[0])
    return np.array(found, dtype=np.int64).reshape(len(found), start.shape[1])


class _Design:
    """What measuring would tell about what is wanted.

    Args:
        fitted: what is known so far.
        wanted: features of what is to be foreseen, (m, features).
    """

    def __init__(self, fitted: FittedRidge, wanted: Floats) -> None:
        self.noise, self.spread = fitted.noise, fitted.covariance.copy()
        units = _in_units(fitted, wanted)
        self.square = units.T @ units / len(units)

    def gains(self, units: Floats) -> Floats:
        """By how much measuring each would lessen the mean variance of what is wanted, (n, features) -> (n,)."""
        moved = units @ self.spread
        told = np.einsum("nf,nf->n", moved @ self.square, moved)
        found: Floats = told / (self.noise + np.einsum("nf,nf->n", moved, units))
        return found

    def take(self, unit: Floats) -> None:
        """Count one as measured, (features,)."""
        step = self.spread @ unit
        self.spread -= np.outer(step, step) / (self.noise + unit @ step)


def _in_units(fitted: FittedRidge, X: Floats) -> Floats:
    """Features about those of the mean row, in units in which every row has the same noise."""
    found: Floats = (X - fitted.rows.x_mean) / fitted.level(X, 0.1)[:, None]  # a far-off line may fall to zero
    return found
