"""What all benchmarks share: options, bars, the table and the JSON file."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Bar:
    """An aim and the true figure. ``holds`` says whether it was reached."""

    name: str
    value: float
    bar: str
    holds: bool

    @classmethod
    def at_least(cls, name: str, value: float, limit: float) -> Bar:
        return cls(name, float(value), f">= {limit:g}", bool(value >= limit))

    @classmethod
    def at_most(cls, name: str, value: float, limit: float) -> Bar:
        return cls(name, float(value), f"<= {limit:g}", bool(value <= limit))


@dataclass
class Report:
    """Rows of one form, bars, and what they were measured against."""

    about: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """Options of a benchmark's command line; ``own`` has those that no other benchmark has, too."""

    quick: bool
    data_dir: Path | None
    seeds: Sequence[int]
    work_dir: Path
    own: argparse.Namespace = field(default_factory=argparse.Namespace)


def main(
    name: str,
    about: str,
    measure: Callable[[Options], Report],
    seeds: Sequence[int] = (0,),
    *,
    add_own: Callable[[argparse.ArgumentParser], None] | None = None,
) -> None:
    """Parse the options, measure, write the JSON file, and print the table last.

    Args:
        add_own: adds options that other benchmarks do not have.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about.replace("%", "%%"))
    parser.add_argument("--quick", action="store_true", help="a small version that ends within a minute")
    parser.add_argument("--json", type=Path, help="write rows and bars to this file")
    parser.add_argument("--data-dir", type=Path, help="folder with the data sets; default: MTNAS_DATA")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument(
        "--work-dir",
        type=Path,
        default=Path("runs/benchmarks"),
        help="where finished trainings are kept for a benchmark that trains long; --quick uses a temporary folder",
    )
    if add_own is not None:
        add_own(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work_dir = Path(temporary) if given.quick else given.work_dir
        report = measure(Options(given.quick, given.data_dir, given.seeds, work_dir, given))
    try:
        if given.json is not None:
            given.json.write_text(as_json(report), encoding="utf-8")
    finally:  # a file that cannot be written is no reason to lose what took hours
        _print(report)


def as_json(report: Report) -> str:
    """Rows and bars; numbers of numpy become plain ones."""
    value = {"about": report.about, "rows": report.rows, "bars": [asdict(bar) for bar in report.bars]}
    return json.dumps(value, indent=1, default=lambda number: number.item())


def _print(report: Report) -> None:
    console = Console(width=160)
    console.print(report.about)
    if report.rows:
        table = Table()
        for column in report.rows[0]:
            table.add_column(column, justify="left" if isinstance(report.rows[0][column], str) else "right")
        for row in report.rows:
            table.add_row(*(_text(value) for value in row.values()))
        console.print(table)
    for bar in report.bars:
        console.print(f"{'holds ' if bar.holds else 'MISSED'}  {bar.name}: {_text(bar.value)} ({bar.bar})")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
