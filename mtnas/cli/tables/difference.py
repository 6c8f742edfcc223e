"""Two candidates side by side."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from mtnas.architecture import notation
from mtnas.cli.tables.console import console, titled_table
from mtnas.cli.tables.error_text import error_text
from mtnas.cli.tables.results import row_json
from mtnas.results.difference import Difference


def difference_json(found: Difference) -> dict[str, Any]:
    """Both rows, and what `print_difference` shows."""
    return {"a": row_json(found.a), "b": row_json(found.b), **found.to_json()}


def print_difference(found: Difference) -> None:
    """Print where the groups of tasks differ, then operators and bits, then what both cost."""
    to, told = console(), found.to_json()
    one, other = (f"{name}: {row.id}" for name, row in (("A", found.a), ("B", found.b)))
    if told["groups"]:
        to.print(_groups(told["groups"], one, other))
    if told["nodes"]:
        to.print(_nodes(told["nodes"], one, other))
    if not (told["groups"] or told["nodes"]):
        to.print(f"{found.a.id} and {found.b.id} are the same network")
    to.print(_costs(told["costs"], one, other))


def _groups(lines: list[dict[str, Any]], one: str, other: str) -> Table:
    table = titled_table("Which tasks share a node", "block", one, other)
    for line in lines:
        cells = (" | ".join(map(_together, line[name])) for name in ("a", "b"))
        table.add_row(*map(escape, (line["block"], *cells)))
    return table


def _nodes(lines: list[dict[str, Any]], one: str, other: str) -> Table:
    """Bits are told where one of the two is not float; of a node that more tasks share, these are told, too."""
    table = titled_table("Operators", "block", "tasks", one, other)
    bits = any(_bits(line[name]) != "float" for line in lines for name in ("a", "b"))
    for line in lines:
        cells = []
        for use in (line["a"], line["b"]):
            others = [task for task in use["group"] if task not in line["tasks"]]
            precision = f", {_bits(use)}" if bits else ""
            cells.append(use["operator"] + precision + (f" (with {_together(others)})" if others else ""))
        table.add_row(*map(escape, (line["block"], _together(line["tasks"]), *cells)))
    return table


def _costs(costs: dict[str, dict[str, float]], one: str, other: str) -> Table:
    table = Table(title="Costs", title_justify="left", title_style="bold")
    table.add_column("cost", no_wrap=True)
    for column in (one, other, "B - A", "%"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, line in costs.items():
        a, b, more = line["a"], line["b"], line["difference"]
        share = f"{100 * more / a:+.1f}" if a else "-"
        table.add_row(escape(name), *(_number(name, value) for value in (a, b)), _number(name, more, "+"), share)
    return table


def _together(tasks: list[str]) -> str:
    return " + ".join(tasks)


def _bits(use: dict[str, Any]) -> str:
    return notation((use["weight_bits"], use["activation_bits"]))


def _number(cost: str, value: float, sign: str = "") -> str:
    """Errors as everywhere, whole numbers whole, others with four digits."""
    if cost.startswith("error/"):
        return error_text(value, sign=sign)
    return f"{value:{sign},.0f}" if cost in ("params", "macs") else f"{value:{sign}.4g}"
