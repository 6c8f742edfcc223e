"""How good the predictors of a search were when they planned a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREDICTORS = "mtnas:predictors"
"""System attribute of the first trial of every batch: figures of the predictors that planned it."""

BUDGET = "budget "
"""Begins the name of a predictor of what a cost is over its budget, which ends with the cost's name."""


@dataclass(frozen=True)
class PredictorFigures:
    """Figures of one predictor on held-out rows.

    Attributes:
        model: its name.
        rows: number of held-out rows.
        tau: Kendall's tau-b of predicted against measured, -1 to 1.
        mape: mean absolute error in percent of what was measured; NaN where all of that is 0. Of a budget that is
            percent of the distance to the limit.
        coverage: share of the rows inside their 90 % intervals, 0 to 1.
        trusted: whether it had a say in the batch.
    """

    model: str
    rows: int
    tau: float
    mape: float
    coverage: float
    trusted: bool


@dataclass(frozen=True)
class PredictorReport:
    """What the predictors that planned one batch were worth.

    Attributes:
        measured: number of rows that were measured when the batch was planned.
        figures: by cost name, and by "budget " and the cost name for what is over a budget. Costs that are computed
            have none.
        note: why the batch was planned without predictors; empty if it was not.
    """

    measured: int
    figures: Mapping[str, PredictorFigures]
    note: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any], objectives: Sequence[str], before: int) -> PredictorReport:
        """The report that a trial's attribute `PREDICTORS` holds.

        Args:
            value: of the attribute; objectives are numbers there, and budgets the names of their costs.
            objectives: names of the study's objectives.
            before: rows measured before the trial, for reports that do not say after how many they were made.

        Raises:
            ValueError, KeyError, IndexError or TypeError: if that is no report.
        """
        figures = {
            objectives[int(cost)] if cost.isdecimal() else f"{BUDGET}{cost}": PredictorFigures(
                str(found["model"]),
                int(found["rows"]),
                float(found["tau"]),
                float(found["mape"]),
                float(found["coverage"]),
                bool(found["trusted"]),
            )
            for cost, found in dict(value["figures"]).items()
        }
        return cls(int(value.get("measured", before)), figures, str(value["note"]))
