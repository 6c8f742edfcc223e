"""A row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Reading:
    """CPU seconds for one candidate or trial.

    Attributes:
        each: all of it.
        within: the share of ``each`` that the table names: of the predictor, or of the predictors' re-fits.
        distinct: share of the candidates or trials that differ from each other.
    """

    each: float
    within: float = 0.0
    distinct: float = 1.0


def median(readings: Sequence[Reading]) -> float:
    """Of the CPU seconds for each."""
    return float(np.median([reading.each for reading in readings]))


def row(
    unit: str, rows: int, who: str, readings: Sequence[Reading], ours: Sequence[Reading], note: str = ""
) -> dict[str, Any]:
    """All rows have the same columns.

    Args:
        unit: what ``readings`` are for one of.
        rows: number of rows or trials that were there before.
        ours: what to compare with.
    """
    low, middle, high = (1e6 * np.quantile([reading.each for reading in readings], [0.1, 0.5, 0.9])).tolist()
    return {
        "unit": unit,
        "rows": rows,
        "who": who,
        "µs": middle,
        "10%": low,
        "90%": high,
        "within": 1e6 * float(np.median([reading.within for reading in readings])),
        "per second": 1e6 / middle,
        "x ours": median(readings) / median(ours),
        "distinct": float(np.median([reading.distinct for reading in readings])),
        "note": note,
    }
