"""Latencies that were measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from mtnas.architecture import FLOAT, notation
from mtnas.cli.tables.console import console
from mtnas.cli.tables.error_text import error_text
from mtnas.results import MEAN_ERROR, Row

if TYPE_CHECKING:
    from mtnas.architecture import Candidate
    from mtnas.targets import Latency


def latencies_json(found: Sequence[tuple[Row, Candidate, Latency]], where: Mapping[str, Any]) -> dict[str, Any]:
    """Latencies beside errors, fastest first.

    Args:
        found: rows, the candidate as it was measured, and its latency.
        where: the target's description of itself.
    """
    return {
        "target": dict(where),
        "latencies": [
            {
                "id": row.id,
                "number": row.number,
                "integer_nodes": len(candidate.policy.nodes),
                MEAN_ERROR: row.costs[MEAN_ERROR],
                "params": row.costs["params"],
                **latency.to_json(),
                "candidate": candidate.to_json(),
            }
            for row, candidate, latency in sorted(found, key=lambda one: one[2].ms)
        ],
    }


def print_latencies(told: dict[str, Any]) -> None:
    """Print what `latencies_json` tells."""
    where, lines = told["target"], told["latencies"]
    about = f"{where['runtime']} {where['version']}, {where['threads']} thread(s), batch {where['batch']}"
    table = Table(title=f"Latency: {about}, {where['hardware']}", title_justify="left")
    for heading in ("id", "precision", "mean error (float)", "params", "latency", "noise"):
        table.add_column(heading, justify="left" if heading in ("id", "precision") else "right")
    for one in lines:
        kinds = Counter(notation((node["weights"], node["activations"])) for node in one["candidate"].get("policy", []))
        precision = ", ".join(f"{count} nodes {bits}" for bits, count in kinds.items()) or notation(FLOAT)
        error, params = error_text(one[MEAN_ERROR]), f"{one['params']:,.0f}"
        table.add_row(one["id"], precision, error, params, f"{one['ms']:#.3g} ms", f"{100 * one['noise']:.1f} %")
    to = console()
    to.print(table)
    busy = " Other work ran on the machine meanwhile." if any(one["busy"] for one in lines) else ""
    clock, counts = lines[0]["clock"], sorted(line["rounds"] for line in lines)
    rounds = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    to.print(f"Noise: within this measurement. {clock}, {rounds} rounds, interleaved.{busy}")
