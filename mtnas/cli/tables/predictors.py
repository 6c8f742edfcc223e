"""What the predictors of a search were worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import console, print_fitting
from mtnas.results import PredictorReport
from mtnas.results.predictor_report import BUDGET


def predictors_json(reports: Sequence[PredictorReport]) -> dict[str, Any] | None:
    """What `print_predictors` shows: the latest figures, and how many batches went without; None without reports."""
    if not reports:
        return None
    latest = reports[-1]
    return {
        "measured": latest.measured,
        "figures": {cost: vars(found) for cost, found in latest.figures.items()},
        "batches": len(reports),
        "batches_without": sum(bool(report.note) for report in reports),
    }


def print_predictors(reports: Sequence[PredictorReport]) -> None:
    """Print the latest figures of a search's predictors, and how many batches went without; nothing if there are none.

    A budget has no MAPE: percent of the distance to a limit mean nothing near it.

    Args:
        reports: of every batch, the latest last.
    """
    if not reports:
        return
    latest = reports[-1]
    if latest.figures:
        title = f"Predictors after {latest.measured} rows, on held-out rows (coverage of 90 % intervals)"
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in ("cost", "model"):
            table.add_column(column, no_wrap=True)
        for column in ("held out", "tau", "MAPE %", "coverage %"):
            table.add_column(column, justify="right")
        table.add_column("")
        for cost, found in latest.figures.items():
            mape = "-" if cost.startswith(BUDGET) or math.isnan(found.mape) else f"{found.mape:.1f}"
            figures = [str(found.rows), f"{found.tau:.2f}", mape, f"{100 * found.coverage:.0f}"]
            table.add_row(escape(cost), escape(found.model), *figures, "trusted" if found.trusted else "not trusted")
        print_fitting(table, [["model"], ["held out"]])
    without = sum(bool(report.note) for report in reports)
    if without:
        console().print(
            f"{without} of {len(reports)} batches were planned without predictors, which ranked too poorly."
        )
