"""Progress of long work: a bar with figures in a terminal, a line now and then elsewhere, both with an estimate."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Figures = Callable[[], Mapping[str, float]]
"""Gives figures by name when they are to be shown, which is not after every step."""

BARS = "▁▂▃▄▅▆▇█"


class Advance(Protocol):
    """Call once per finished step, with a short text on the state and what else there is to tell."""

    def __call__(self, text: str, figures: Figures | None = None) -> None: ...


@contextmanager
def progress(name: str, total: int, done: int = 0, *, show: bool = True, every_s: float = 10.0) -> Iterator[Advance]:
    """Show the progress of ``total`` steps of which ``done`` were finished before.

    Args:
        name: what is being done.
        show: False: nothing is printed.
        every_s: seconds between lines where standard error is not a terminal; the last step always gets one.
    """
    if not show:
        yield lambda text, figures=None: None
    elif sys.stderr.isatty():
        from rich.console import Console

        with live(name, total, done, Console(stderr=True)) as advance:
            yield advance
    else:
        yield _lines(name, total, done, every_s)


# In a terminal ----------------------------------------------------------------------------------------------------


@contextmanager
def live(name: str, total: int, done: int, console: Console, *, every_s: float = 0.25) -> Iterator[Advance]:
    """A bar, the text below it, and a row for each figure with how it went since this process began.

    Args:
        every_s: seconds between looks at the figures.
    """
    from rich.console import Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    task, last, count = bar.add_task(name, total=total, completed=done), -every_s, done
    courses: dict[str, list[float]] = {}
    with Live(bar, console=console, refresh_per_second=4) as shown:

        def advance(text: str, figures: Figures | None = None) -> None:
            nonlocal last, count
            count += 1
            bar.advance(task)
            now = time.monotonic()
            if now - last >= every_s or count == total:
                last = now
                for key, value in (figures() if figures else {}).items():
                    courses.setdefault(key, []).append(value)
                shown.update(Group(bar, Text(f"  {text}", overflow="ellipsis", no_wrap=True), _table(courses)))

        yield advance


def _table(courses: Mapping[str, Sequence[float]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left"):
        table.add_column(justify=justify)
    for key, values in courses.items():
        table.add_row(Text(f"  {key}"), Text(number(values[-1]), style="bold"), Text(sparkline(values), style="cyan"))
    return table


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The last of some values as bars between their least and their largest."""
    seen = list(values)[-width:]
    low, high = min(seen), max(seen)
    steps = [round((value - low) / (high - low) * (len(BARS) - 1)) if high > low else 0 for value in seen]
    return "".join(BARS[step] for step in steps)


def number(value: float) -> str:
    """Whole numbers with commas, others with four digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:#.4g}"


# Elsewhere --------------------------------------------------------------------------------------------------------


def _lines(name: str, total: int, done: int, every_s: float) -> Advance:
    start = last = time.monotonic()
    count = 0

    def advance(text: str, figures: Figures | None = None) -> None:
        nonlocal count, last
        count += 1
        now = time.monotonic()
        if now - last >= every_s or done + count == total:
            last = now
            left = (now - start) / count * (total - done - count)
            told = [f"{key} {number(value)}" for key, value in (figures() if figures else {}).items()]
            print(
                "  ".join([f"{name} {done + count}/{total}", f"{now - start:.0f} s, {left:.0f} s left", text, *told]),
                file=sys.stderr,
                flush=True,
            )

    return advance
