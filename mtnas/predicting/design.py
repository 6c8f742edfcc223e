"""Which rows to measure next so that all others are foreseen best."""

from __future__ import annotations

import numpy as np

from mtnas.predicting.genetics import Floats
from mtnas.predicting.grouped_ridge import FittedRidge


def most_telling(fitted: FittedRidge, candidates: Floats, wanted: Floats, count: int) -> list[int]:
    """Numbers of the candidates that tell the most about what is wanted, the best first.

    One after the other, each the one after which the mean variance of what is wanted is the least (greedy I-optimality;
    Atkinson, Donev and Tobias, Optimum Experimental Designs, chapter 10). What a row is like does not depend on what it
    will be measured as, so that many can be chosen before any is measured. Where costs err by percentages, variances
    count in relation to the costs.

    Args:
        fitted: what is known so far.
        candidates: features of what may be measured, (n, features).
        wanted: features of what is to be foreseen, (m, features).
        count: at most so many, each candidate once.
    """
    noise, spread = fitted.noise, fitted.covariance.copy()
    can, want = _in_units(fitted, candidates), _in_units(fitted, wanted)
    square = want.T @ want / len(want)
    free = np.ones(len(can), dtype=bool)
    found: list[int] = []
    for _ in range(min(count, len(can))):
        moved = can @ spread
        gain = np.einsum("nf,fg,ng->n", moved, square, moved) / (noise + np.einsum("nf,nf->n", moved, can))
        best = int(np.argmax(np.where(free, gain, -1.0)))
        free[best] = False
        found.append(best)
        step = spread @ can[best]
        spread -= np.outer(step, step) / (noise + can[best] @ step)
    return found


def _in_units(fitted: FittedRidge, X: Floats) -> Floats:
    """Features about those of the mean row, in units in which every row has the same noise."""
    found: Floats = (X - fitted.rows.x_mean) / fitted.level(X, 0.1)[:, None]  # a far-off line may fall to zero
    return found
