"""Progress of long work: a bar in a terminal, a line now and then elsewhere, both with an estimate."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[str], None]
"""Call once per finished step with a short text on the state."""


@contextmanager
def progress(name: str, total: int, done: int = 0, *, show: bool = True, every_s: float = 10.0) -> Iterator[Advance]:
    """Show the progress of ``total`` steps of which ``done`` were finished before.

    Args:
        name: what is being done.
        show: False: nothing is printed.
        every_s: seconds between lines where standard error is not a terminal; the last step always gets one.
    """
    if not show:
        yield lambda text: None
    elif sys.stderr.isatty():
        with _bar(name, total, done) as advance:
            yield advance
    else:
        yield _lines(name, total, done, every_s)


@contextmanager
def _bar(name: str, total: int, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total, completed=done, text="")
        yield lambda text: bar.update(task, advance=1, text=text)


def _lines(name: str, total: int, done: int, every_s: float) -> Advance:
    start = last = time.monotonic()
    count = 0

    def advance(text: str) -> None:
        nonlocal count, last
        count += 1
        now = time.monotonic()
        if now - last >= every_s or done + count == total:
            last = now
            left = (now - start) / count * (total - done - count)
            print(
                f"{name} {done + count}/{total}  {now - start:.0f} s, {left:.0f} s left  {text}",
                file=sys.stderr,
                flush=True,
            )

    return advance
