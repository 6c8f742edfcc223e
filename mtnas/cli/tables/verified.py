"""Rows that were measured again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from mtnas.cli.tables.console import console

if TYPE_CHECKING:
    from mtnas.searching import Verified


def verified_json(found: Sequence[Verified], tolerance: float) -> dict[str, Any]:
    """How many rows were measured again, and every cost that differs from what was measured.

    Args:
        tolerance: difference that counts as none, as `Verified.differences` has them.
    """
    different = [one for one in found if one.difference > tolerance]
    return {
        "rows": len(found),
        "different": len(different),
        "largest_difference": max(one.difference for one in found),
        "tolerance": tolerance,
        "differences": [
            {"number": one.row.number, "id": one.row.id, "cost": name, "measured": one.row.costs[name], "now": value}
            for one in different
            for name, value in one.again.items()
            if one.differences[name] > tolerance
        ],
    }


def print_verified(told: dict[str, Any]) -> None:
    """Print what `verified_json` tells."""
    to = console()
    if told["different"]:
        table = Table(title="Rows that differ", title_justify="left", title_style="bold")
        for column in ("row", "id", "cost", "measured", "now"):
            table.add_column(column, justify="left" if column in ("id", "cost") else "right")
        for one in told["differences"]:
            table.add_row(str(one["number"]), one["id"], one["cost"], f"{one['measured']:.6g}", f"{one['now']:.6g}")
        to.print(table)
    to.print(
        f"{told['rows']} rows measured again, {told['different']} differ; largest difference"
        f" {told['largest_difference']:.3g}"
    )
