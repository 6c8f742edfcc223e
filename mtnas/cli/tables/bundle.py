"""A network that was exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import console
from mtnas.cli.tables.error_text import error_text

if TYPE_CHECKING:
    from mtnas.exporting import Bundle


def bundle_json(bundle: Bundle) -> dict[str, Any]:
    """Where it is, and the content of its model.json."""
    return {"directory": str(bundle.directory), **bundle.about}


def print_bundle(bundle: Bundle) -> None:
    """Print what an exported file amounts to."""
    about = bundle.about
    table = Table(title=f"{about['id']}, weights {about['weights']}", title_justify="left")
    for heading in ("task", "error of the file"):
        table.add_column(heading, justify="left" if heading == "task" else "right")
    for task, error in about["errors"].items():
        table.add_row(escape(task), error_text(error))
    to = console()
    to.print(table)
    checked = about["checked"]
    to.print(
        f"The float file equals torch within {checked['largest_difference']:.1e} of the largest output on"
        f" {checked['samples']:,} validation samples"
    )
    for latency in about["latency"]:
        beside = f" (in float {latency['in_float_ms']:#.3g} ms)" if "in_float_ms" in latency else ""
        noise, runtime = 100 * latency["noise"], latency["target"]["runtime"]
        to.print(f"{latency['ms']:#.3g} ms{beside}, noise {noise:.1f} %, {runtime}")
    if about["policy"]:
        to.print(
            f"{len(about['integer_operators'])} operators run in integers, exactly those of the policy;"
            f" outputs differ from the simulation by {about['checked_integer']['mean_difference']:.1e} on average"
        )
    beside = f"; in float {about['in_float']['file_kib']:,.1f}" if about["in_float"] else ""
    to.print(
        escape(
            f"wrote {bundle.directory}: model.onnx ({about['costs']['file_kib']:,.1f} KiB{beside}), model.json,"
            " README.md, tree.png"
        )
    )
