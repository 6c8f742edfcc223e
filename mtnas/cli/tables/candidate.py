"""One measured candidate: its tree node by node, and what it costs."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from mtnas.architecture import notation
from mtnas.cli.tables.console import console, titled_table
from mtnas.cli.tables.error_text import error_text
from mtnas.cli.tables.results import row_json
from mtnas.results import Results, Row


def candidate_json(results: Results, row: Row) -> dict[str, Any]:
    """What `print_candidate` shows."""
    number = results.rows.index(row)
    return {
        **row_json(row),
        "within_budgets": bool(results.feasible[number]),
        "on_front": bool(results.on_front[number]),
        "node_list": _nodes(results, row),
    }


def print_candidate(results: Results, row: Row) -> None:
    """Print the nodes of a row's tree, block by block, then its costs."""
    to, told = console(), candidate_json(results, row)
    standing = "on the front" if told["on_front"] else "not on the front"
    standing += "" if told["within_budgets"] else ", over a budget"
    title = f"{row.id}, number {row.number}, {standing}: {told['tree']}"
    to.print(_tree(escape(title), told["node_list"]))
    costs = Table(title="Costs", title_justify="left", title_style="bold")
    costs.add_column("cost", no_wrap=True)
    for column in ("value", "budget"):
        costs.add_column(column, justify="right", no_wrap=True)
    for name, value in row.costs.items():
        budget = results.budgets.get(name)
        costs.add_row(escape(name), _number(name, value), "" if budget is None else _number(name, budget))
    to.print(costs)


def _nodes(results: Results, row: Row) -> list[dict[str, Any]]:
    """Block, tasks, option, bits, params and macs of every node."""
    space, candidate = results.space, row.candidate
    costs = results.cost_table.nodes(space, candidate.architecture)
    found = []
    for block, group, option in candidate.architecture.nodes():
        weights, activations = candidate.policy.bits(block, group[0])
        found.append(
            {
                "block": space.blocks[block].name,
                "tasks": [space.tasks[task] for task in group],
                "option": option,
                "weight_bits": weights,
                "activation_bits": activations,
                **dict(zip(results.cost_table.names, costs[block, group[0]], strict=True)),
            }
        )
    return found


def _tree(title: str, nodes: list[dict[str, Any]]) -> Table:
    table = titled_table(title, "block", "tasks", "option", "bits")
    for column in ("params", "macs"):
        table.add_column(column, justify="right")
    for node in nodes:
        bits = notation((node["weight_bits"], node["activation_bits"]))
        words = (node["block"], " + ".join(node["tasks"]), node["option"], bits)
        table.add_row(*map(escape, words), *(f"{node[name]:,.0f}" for name in ("params", "macs")))
    return table


def _number(cost: str, value: float) -> str:
    if cost.startswith("error/"):
        return error_text(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
