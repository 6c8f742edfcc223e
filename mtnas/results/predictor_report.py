"""How good the predictors of a search were when they planned a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtnas.architecture import EXACT_COSTS, SIZE
from mtnas.architecture.space import LONGEST_NAME
from mtnas.json_values import finite, text, truth, whole
from mtnas.latency import LATENCY
from mtnas.results.cost_names import MEAN_ERROR

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
        if not isinstance(value, dict) or not isinstance(value["figures"], dict):
            raise TypeError("figures of predictors are no objects")
        figures = {
            objectives[int(cost)] if cost.isdecimal() else f"{BUDGET}{_budget(cost)}": _figures(found)
            for cost, found in value["figures"].items()
        }
        measured = whole(value.get("measured", before))
        if not 0 <= measured <= before:
            raise ValueError(f"predictors are said to have seen {measured} of {before} rows")
        return cls(measured, figures, text(value["note"]))


def _figures(value: Mapping[str, Any]) -> PredictorFigures:
    found = PredictorFigures(
        text(value["model"]),
        whole(value["rows"]),
        float(finite(value["tau"])),
        _percent(value["mape"]),
        float(finite(value["coverage"])),
        truth(value["trusted"]),
    )
    if len(found.model) > LONGEST_NAME or not found.model.isprintable():
        raise ValueError("the name of a predictor cannot be printed")
    possible = abs(found.tau) <= 1.001 and 0 <= found.coverage <= 1.001 and found.rows >= 0
    if not possible or found.mape < 0:
        raise ValueError("a predictor has figures that cannot be")
    return found


def _percent(value: Any) -> float:
    """A number that may be NaN, where all that was measured is 0."""
    return value if isinstance(value, float) else float(finite(value))


def _budget(cost: str) -> str:
    """The name of a cost that has a budget."""
    if cost not in (MEAN_ERROR, *EXACT_COSTS, SIZE, LATENCY) and not cost.startswith("error/"):
        raise ValueError(f"there is no cost '{cost}'")
    return cost
