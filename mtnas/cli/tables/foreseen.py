"""Latencies that were foreseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from mtnas.cli.tables.console import console
from mtnas.cli.tables.error_text import error_text
from mtnas.results import MEAN_ERROR

if TYPE_CHECKING:
    from mtnas.searching import ForeseenLatency


def print_foreseen(found: ForeseenLatency, top: int) -> None:
    """Print the front of mean error and foreseen latency, and how far to trust it.

    Args:
        top: most members to print, spread over the front.
    """
    front, where, quality = found.front(), found.target, found.quality
    about = f"{where['runtime']} {where['version']}, {where['threads']} thread(s), batch {where['batch']}"
    table = Table(title=f"Latency as foreseen: {about}, {where['hardware']}", title_justify="left")
    for heading in ("id", "mean error", "latency", "90 % interval"):
        table.add_column(heading, justify="left" if heading == "id" else "right")
    last = max(1, min(top, len(front)) - 1)
    for place in sorted({round(number * (len(front) - 1) / last) for number in range(last + 1)}):
        one = front[place]
        between = f"{one.low:#.3g} to {one.high:#.3g} ms"
        table.add_row(one.row.id, error_text(one.row.costs[MEAN_ERROR]), f"{one.ms:#.3g} ms", between)
    to = console()
    to.print(table)
    to.print(
        f"From {quality.rows} networks that were measured; of these, held out, it is {quality.mape:.1f} % off, tau"
        f" {quality.tau:.2f}, and {100 * quality.coverage:.0f} % lie inside their intervals. These figures are"
        " foreseen: measure the candidates that you choose (--candidate)."
    )
