"""The runs below a directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from mtnas.cli.tables.console import console
from mtnas.cli.tables.error_text import error_text
from mtnas.results import MEAN_ERROR
from mtnas.runs.listing import ListedRun


def runs_json(directory: Path, runs: Sequence[ListedRun]) -> dict[str, Any]:
    """What `print_runs` shows, and more."""
    return {"directory": str(directory), "runs": [run.to_json() for run in runs]}


def print_runs(directory: Path, runs: Sequence[ListedRun]) -> None:
    """Print a line for each run, and a sentence for whatever is damaged."""
    to = console()
    if not runs:
        to.print(
            escape(f"there are no runs in {directory}; start one with: mtnas run SPACE --run {directory / 'NAME'}")
        )
        return
    table = Table(title=escape(f"Runs in {directory}"), title_justify="left", title_style="bold")
    for column in ("run", "state", "objectives"):
        table.add_column(column)
    for column in ("best mean error", "hypervolume", "changed"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        best, hypervolume = run.best, run.hypervolume
        figures = [
            "-" if best is None else f"{error_text(best.costs[MEAN_ERROR])} ({best.id})",
            "-" if hypervolume is None else f"{hypervolume:.4f}",
            f"{run.changed.astimezone():%Y-%m-%d %H:%M}",
        ]
        table.add_row(*map(escape, (_place(run.path, directory), run.state, _objectives(run))), *figures)
    to.print(table)
    for run in runs:
        for problem in run.problems:
            to.print(escape(f"{_place(run.path, directory)}: {problem}"), highlight=False, soft_wrap=True)


def _place(path: Path, directory: Path) -> str:
    """The directory of a run as it is seen from the one that is listed."""
    return str(path.relative_to(directory)) if path != directory else str(path)


def _objectives(run: ListedRun) -> str:
    """Names of costs; errors are counted where there is one of each of several tasks."""
    if run.results is None:
        return "-"
    names = list(run.results.objectives)
    errors = [f"error/{task}" for task in run.tasks]
    if len(errors) > 2 and set(errors) <= set(names):
        return ", ".join([f"{len(errors)} errors", *(name for name in names if name not in errors)])
    return ", ".join(names)
