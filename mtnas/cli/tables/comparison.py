"""A candidate beside plain networks of its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import console, print_fitting
from mtnas.cli.tables.error_text import error_text

if TYPE_CHECKING:
    from mtnas.refining import Comparison


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The lines of compared.csv: one for each network, errors as mean and standard deviation over its trainings."""
    return {
        "candidate": comparison.candidate.id,
        "tree": str(comparison.candidate.architecture.tree),
        "tasks": list(comparison.tasks),
        "networks": comparison.to_frame().to_dict("records"),
    }


def print_comparison(told: dict[str, Any]) -> None:
    """Print what `comparison_json` tells."""
    tasks = told["tasks"]
    title = f"Candidate {told['candidate']} beside plain networks of its size"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("network", no_wrap=True)
    for column in ("widths x", "params", "macs", "runs", "valid", "test", *map(escape, tasks), "Delta_m %"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in told["networks"]:
        names = ["valid/mean", "test/mean", *(f"test/{task}" for task in tasks)]
        errors = [_spread_text(line[name], line[f"{name}/sd"]) for name in names]
        costs = [f"{line['factor']:.3f}", f"{line['params']:,}", f"{line['macs']:,}", str(line["runs"])]
        table.add_row(line["network"], *costs, *errors, f"{100 * line['delta_m']:.2f}")
    print_fitting(table, [["macs"], ["runs"], ["widths x"], list(map(escape, tasks)), ["params"]])
    console().print(
        f"The candidate's tree is {told['tree']}; all were trained from scratch alike, test measured once each."
    )


def _spread_text(mean: float, deviation: float) -> str:
    """``mean +- sd``; the mean alone where there is no deviation."""
    return error_text(mean) + ("" if deviation != deviation else f" +- {error_text(deviation)}")
