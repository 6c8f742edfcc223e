"""What became of one damage."""

from __future__ import annotations

import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.readers import READERS
from mtnas.errors import MtnasError, SearchError

LIMIT_S = 20
"""Seconds after which a reader hangs."""

LONGEST = 700
"""Characters of a sentence, the path of the run among them."""

ORDER = ("same", "refused", "valid edit", "unclear", "silent wrong", "crash", "hang")
"""Outcomes from the best to the worst; of several readers the worst counts."""

BAD = ORDER[3:]


class _HangError(BaseException):
    """A reader has taken too long."""


@dataclass(frozen=True)
class Outcome:
    """What became of a damage.

    Attributes:
        kind: one of `ORDER`.
        reader: that it is the outcome of.
        told: what the reader said.
        seconds: that all readers took.
    """

    kind: str
    reader: str
    told: str
    seconds: float


def read(path: Path, readers: Sequence[str]) -> dict[str, str]:
    """What readers give of an undamaged run."""
    return {name: repr(READERS[name](path)) for name in readers}


def outcome(
    path: Path,
    readers: Sequence[str],
    before: Mapping[str, str],
    explained: Callable[[], bool],
    *,
    draws: bool,
    draws_edits: bool,
) -> Outcome:
    """What readers make of a damaged run.

    Args:
        path: of the run.
        readers: names in `READERS`.
        before: what they gave before the damage.
        explained: whether what is read now is something that no check could tell from the truth.
        draws: whether pictures are drawn, too, where all is as before.
        draws_edits: whether they are drawn where a change went unnoticed.
    """
    begin = time.perf_counter()
    worst = ("same", "", "")
    for name in readers:
        worst = max(worst, _one(path, name, before[name], explained), key=_place)
    if (worst[0] == "valid edit" and draws_edits) or (worst[0] == "same" and draws):
        found = _one(path, "plot", None, explained)
        worst = max(worst, found, key=_place)
    return Outcome(*worst, time.perf_counter() - begin)


def _place(found: tuple[str, str, str]) -> int:
    return ORDER.index(found[0])


def _one(path: Path, name: str, before: str | None, explained: Callable[[], bool]) -> tuple[str, str, str]:
    try:
        with _limited(), warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            value: Any = READERS[name](path)
            now = repr(value)
    except _HangError:
        return "hang", name, f"more than {LIMIT_S} s"
    except MtnasError as error:
        return ("refused" if is_clear(error, path) else "unclear"), name, str(error)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = next((f"{frame.filename.rpartition('mtnas/')[2]}:{frame.lineno}" for frame in reversed(where)
                     if "/mtnas/" in frame.filename and "site-packages" not in frame.filename), "")  # fmt: skip
        return "crash", name, f"{type(error).__name__} at {ours}: {str(error)[:200]!r}"
    if isinstance(value, str) and not value.replace("\n", "").isprintable():
        return "unclear", name, "prints control characters"
    if before is None or now == before:
        return "same", name, ""
    try:
        kind = "valid edit" if explained() else "silent wrong"
    except MtnasError:  # another reader sees the contradiction
        kind = "refused"
    return kind, name, _difference(before, now)


def is_clear(error: MtnasError, path: Path) -> bool:
    """Whether an error is one sentence that names the run, or answers a question about its results."""
    text = str(error)
    names = str(path) in text or isinstance(error, SearchError) or "measured" in text
    return text.isprintable() and len(text) <= LONGEST and names


def _difference(before: str, now: str) -> str:
    first = next((i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
    return f"{before[max(0, first - 40) : first + 40]!r} is {now[max(0, first - 40) : first + 40]!r}"


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
