"""Candidates that were trained on their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import print_fitting
from mtnas.cli.tables.error_text import error_text
from mtnas.results import MEAN_ERROR, Results

if TYPE_CHECKING:
    from mtnas.refining import RefinedRows


def refined_json(refined: RefinedRows, results: Results, left_behind: Sequence[str]) -> dict[str, Any]:
    """The lines of refined.csv, each with the mean error that its candidate had inherited.

    Args:
        left_behind: trainings that were ended since others were better.
    """
    inherited = {row.candidate: row.costs[MEAN_ERROR] for row in results.rows}
    lines = refined.to_frame().to_dict("records")
    return {
        "tasks": list(refined.space.tasks),
        "rows": [
            {**line, "inherited": inherited.get(row.candidate, math.nan)}
            for row, line in zip(refined.rows, lines, strict=True)
        ],
        "left_behind": list(left_behind),
    }


def print_refined(told: dict[str, Any]) -> None:
    """Print what `refined_json` tells of those that came to their end."""
    title = "Refined candidates: mean errors, and those of each task in the test"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("id", "network", "trained"):
        table.add_column(column, no_wrap=True)
    for column in ("params", "macs", "inherited", "valid", "test", *map(escape, told["tasks"]), "Delta_m %"):
        table.add_column(column, justify="right")
    for line in told["rows"]:
        errors = [line["inherited"], line["valid/mean"], line["test/mean"]]
        errors += [line.get(f"test/{task}", math.nan) for task in told["tasks"]]
        shown = [*map(error_text, errors), f"{100 * line['delta_m']:.2f}"]
        name = line["corner"] or line["tree"]
        name += f", {line['integer_nodes']} nodes int" if line["integer_nodes"] else ""
        table.add_row(line["id"], name, line["how"], f"{line['params']:,}", f"{line['macs']:,}", *shown)
    tasks = list(map(escape, told["tasks"]))
    print_fitting(table, [["macs"], ["inherited"], ["trained"], tasks, ["params"]])
