"""Delta_m, and whether a lead is beyond chance over the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import ttest_1samp


def delta_m(errors: Mapping[str, float], base: Mapping[str, float]) -> float:
    """Mean relative gain in error over other networks: above zero is better.

        Delta_m = 1/T sum_t (E_t,base - E_t) / E_t,base

    (arXiv 1904.08918, for errors.) NaN where an error of the others is zero.
    """
    if not all(base.values()):
        return math.nan
    return fmean((base[task] - errors[task]) / base[task] for task in base)


@dataclass(frozen=True)
class Spread:
    """Values of several seeds.

    Attributes:
        mean: of the values.
        sd: of a sample (n - 1); NaN for one value.
        p: of a two-sided t-test that their mean is zero; of differences within seeds that is the paired t-test. NaN for
            one value, and where none differs from the other.
        count: number of values.
    """

    mean: float
    sd: float
    p: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        several = len(values) > 1
        sd = stdev(values) if several else math.nan
        p = float(ttest_1samp(values, 0.0).pvalue) if several and sd > 0 else math.nan
        return cls(fmean(values), sd, p, len(values))

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + ("" if math.isnan(self.sd) else f" ± {self.sd:.2g}")
