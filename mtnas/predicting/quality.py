"""How good a predictor is, on rows that it has not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mtnas.predicting.genetics import Floats

HeldOut = tuple[Floats, Floats, Floats]
"""Of every row, what was predicted without it: the mean, and the ends one standard deviation away. (n,) each."""

NORMAL_90 = NormalDist().inv_cdf(0.95)
"""Standard deviations to either side that hold 90 % of a normal distribution."""


@dataclass(frozen=True)
class Quality:
    """Figures of a predictor on held-out rows.

    Attributes:
        model: its name.
        rows: number of rows.
        tau: Kendall's tau-b of predicted against measured; 0 where it is not defined.
        mape: mean absolute percentage error; rows of cost zero are left out.
        coverage: share of the rows inside their 90 % intervals.
        width: standard deviations to either side of those intervals.
    """

    model: str
    rows: int
    tau: float
    mape: float
    coverage: float
    width: float

    def is_below(self, tau: float, errors: float) -> bool:
        """Whether the rows show that tau is less than this: by so many of its standard errors (Kendall 1938)."""
        count = max(2, self.rows)
        error = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
        return self.tau + errors * error < tau


def quality(name: str, predicted: HeldOut, measured: Floats) -> Quality:
    """Quality of what was predicted for held-out rows, with conformal intervals.

    Each half of the rows settles the width of the intervals of the other (split conformal prediction, arXiv
    2107.07511), so that the coverage is that of rows which had no say in it; the width of new intervals comes from all
    rows.
    """
    mean, low, high = predicted
    off = _deviations(measured, mean, low, high)
    even = np.arange(len(measured)) % 2 == 0
    inside = np.concatenate([off[even] <= conformal_width(off[~even]), off[~even] <= conformal_width(off[even])])
    there = measured != 0
    mape = float(np.mean(np.abs(mean[there] / measured[there] - 1)) * 100) if there.any() else float("nan")
    return Quality(
        name, len(measured), rank_agreement(mean, measured), mape, float(inside.mean()), conformal_width(off)
    )


def log_density(predicted: HeldOut, measured: Floats) -> float:
    """Mean logarithm of the density that held-out rows had, as normal to either side; up to a constant."""
    mean, low, high = predicted
    off = np.minimum(_deviations(measured, mean, low, high), 6.0)  # one outlier must not decide
    return float(np.mean(-0.5 * off**2 - np.log(np.maximum(high - low, 1e-12))))


def rank_agreement(one: Floats, other: Floats) -> float:
    """Kendall's tau-b of predicted and measured values; 0 where one side is constant.

    Predictions that differ by less than a thousandth of the measured spread are ties: a predictor that has learned
    nothing differs from its mean by rounding alone.
    """
    grain = 1e-3 * float(other.std()) or 1.0
    rounded = np.round(one / grain)
    # All pairs at once: for hundreds of rows that takes a tenth of scipy's time, and every plan asks.
    above, truly = rounded[:, None] > rounded, other[:, None] > other
    pairs = math.sqrt(np.count_nonzero(above) * np.count_nonzero(truly))
    agree, differ = np.count_nonzero(above & truly), np.count_nonzero(above & truly.T)
    return (agree - differ) / pairs if pairs else 0.0


def conformal_width(deviations: Floats, share: float = 0.9) -> float:
    """Standard deviations that hold ``share`` of new rows: that quantile of the ones seen, corrected for their number.

    With fewer rows than the quantile needs, that of a normal distribution or the largest seen, whichever is larger.
    """
    count = len(deviations)
    rank = int(np.ceil((count + 1) * share))
    if rank > count:
        return max(NORMAL_90, float(deviations.max(initial=0.0)))
    return float(np.sort(deviations)[rank - 1])


def _deviations(measured: Floats, mean: Floats, low: Floats, high: Floats) -> Floats:
    """How many standard deviations off each row is; they may differ upwards and downwards."""
    spread = np.where(measured < mean, mean - low, high - mean)
    return np.abs(measured - mean) / np.maximum(spread, 1e-12)
