"""The front, the corner networks, and the row that was picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from mtnas.architecture import FLOAT_BITS, SIZE, Candidate
from mtnas.cli.choosing import by_mean_error, spread
from mtnas.cli.tables.console import console, print_fitting
from mtnas.cli.tables.error_text import error_text
from mtnas.latency import LATENCY
from mtnas.results import MEAN_ERROR, Results, Row, weighted_error


def row_json(row: Row) -> dict[str, Any]:
    """A row: id, number, tree, nodes, costs and candidate."""
    tree = row.candidate.architecture.tree
    return {
        "id": row.id,
        "number": row.number,
        "tree": str(tree),
        "nodes": tree.node_count,
        "costs": dict(row.costs),
        "candidate": row.candidate.to_json(),
    }


def results_json(results: Results, rows: int | None = None) -> dict[str, Any]:
    """What `print_results` shows.

    Args:
        rows: largest number of front members; None: all.
    """
    front = by_mean_error(results.front())
    return {
        "tasks": list(results.space.tasks),
        "objectives": list(results.objectives),
        "budgets": dict(results.budgets),
        "measured": len(results.rows),
        "within_budgets": int(results.feasible.sum()),
        "on_front": len(front),
        "hypervolume": _hypervolume(results),
        "reference": dict(results.reference),
        "front": [row_json(row) for row in (front if rows is None else spread(front, rows))],
        "corners": {
            name: {**row_json(row), "within_budgets": _within(results, row)}
            for name, row in results.corner_rows().items()
        },
    }


def print_results(results: Results, rows: int) -> None:
    """Print the front, the corner networks, and what the search amounts to.

    Args:
        results: to print.
        rows: largest number of front members; of more, ones spread evenly over the mean error are shown.
    """
    front = by_mean_error(results.front())
    shown = spread(front, rows)
    budgets = ", ".join(f"{name} <= {limit:,g}" for name, limit in results.budgets.items())
    more = f", {len(shown)} of {len(front)} shown" if len(shown) < len(front) else ""
    to = console()
    title, spare = escape(f"Pareto front{f' within {budgets}' if budgets else ''}{more}"), _spare(results)
    print_fitting(_table(title, results, shown), spare, to)
    corners = results.corner_rows()
    if corners:
        corner_table = _table("Corner networks, for comparison", results, list(corners.values()), list(corners))
        print_fitting(corner_table, spare, to)
    if results.rows:
        to.print(
            f"{len(results.rows)} candidates measured, {int(results.feasible.sum())} within the budgets,"
            f" {len(front)} on the front"
        )
    hypervolume = _hypervolume(results)
    if hypervolume is not None:
        to.print(escape(f"hypervolume {hypervolume:.4f} of the box up to {_reference(results)}"))
    if len(shown) < len(front):
        to.print("All of them are in results.csv (front = True); --rows prints more.")


def picked_json(row: Row, weights: Mapping[str, float]) -> dict[str, Any]:
    """What `print_picked` shows."""
    return {**row_json(row), "weights": dict(weights), "weighted_error": weighted_error(row, weights)}


def print_picked(row: Row, weights: Mapping[str, float]) -> None:
    """Print one row with its weighted error.

    Args:
        row: to print.
        weights: of every task.
    """
    stated = ", ".join(f"{task} {weight:g}" for task, weight in weights.items())
    table = Table(title=escape(f"Picked with the weights {stated}"), title_justify="left", title_style="bold")
    table.add_column("id", no_wrap=True)
    for column in (*(escape(f"error {task}") for task in weights), "mean", "weighted", "params", "macs"):
        table.add_column(column, justify="right")
    latency = [f"{row.costs[LATENCY]:#.3g} ms"] if LATENCY in row.costs else []
    if latency:
        table.add_column("latency", justify="right")
    table.add_column("tree", no_wrap=True)
    errors = [*(row.costs[f"error/{task}"] for task in weights), row.costs[MEAN_ERROR], weighted_error(row, weights)]
    shown = [*map(error_text, errors), *(f"{row.costs[name]:,.0f}" for name in ("params", "macs"))]
    table.add_row(row.id, *shown, *latency, str(row.candidate.architecture.tree))
    print_fitting(table, [["macs"], [escape(f"error {task}") for task in weights], ["tree"]])


def _spare(results: Results) -> list[list[str]]:
    """Columns of `_table` that are missed least come first."""
    return [["nodes"], ["macs"], [escape(f"error {task}") for task in results.space.tasks], ["tree"]]


def _table(title: str, results: Results, rows: Sequence[Row], names: Sequence[str] | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("network" if names else "id", no_wrap=True)
    table.add_column("tree" if not names else "id", no_wrap=True)
    table.add_column("nodes", justify="right")
    for task in results.space.tasks:
        table.add_column(escape(f"error {task}"), justify="right")
    table.add_column("mean", justify="right")
    device = [name for name in (LATENCY, SIZE) if rows and all(name in row.costs for row in rows)]
    for name in ("params", "macs", *(_heading(name) for name in device)):
        table.add_column(name, justify="right")
    bits = any(row.candidate.policy.nodes for row in results.rows)
    if bits:
        table.add_column("weight bits", justify="right")
    for index, row in enumerate(rows):
        tree = row.candidate.architecture.tree
        over = "" if _within(results, row) else " (over budget)"
        first = [names[index] + over, row.id] if names else [row.id, str(tree)]
        errors = [error_text(row.costs[f"error/{task}"]) for task in results.space.tasks]
        exact = [f"{row.costs[name]:,.0f}" for name in ("params", "macs")]
        exact += [f"{row.costs[name]:#.4g}".rstrip(".") for name in device]
        exact += [_policy(row.candidate)] if bits else []
        table.add_row(*first, str(tree.node_count), *errors, error_text(row.costs[MEAN_ERROR]), *exact)
    return table


def _within(results: Results, row: Row) -> bool:
    """Whether a row meets the budgets."""
    return all(row.costs[name] <= limit for name, limit in results.budgets.items())


def _hypervolume(results: Results) -> float | None:
    """None as long as it has no reference point."""
    return results.hypervolume() if results.rows and results.has_reference else None


def _reference(results: Results) -> str:
    return ", ".join(
        f"{name} {results.reference[name]:,.4g}" for name in results.objectives if name in results.reference
    )


def _policy(candidate: Candidate) -> str:
    """Bits of every node's weights, block after block, in the order of the tree's groups: ``-|8|8.4``; -: float."""
    tree, policy = candidate.architecture.tree, candidate.policy
    bits = [[policy.bits(block, group[0])[0] for group in tree.groups(block)] for block in range(tree.blocks)]
    blocks = [".".join("-" if one == FLOAT_BITS else str(one) for one in row) for row in bits]
    return "|".join(blocks) if policy.nodes else "float"


def _heading(cost: str) -> str:
    """``latency_ms`` -> ``latency ms``"""
    return cost.replace("_", " ").replace("kib", "KiB")
