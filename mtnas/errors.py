"""Errors that a user can cause. Each message is one sentence: the value, the limit, the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 200
"""Characters of what a file holds that a sentence quotes."""


class MtnasError(Exception):
    """Base class of every error that this package raises on purpose."""


class ArchitectureError(MtnasError, ValueError):
    """A tree, architecture, policy or candidate that cannot exist."""


class SpaceError(MtnasError, ValueError):
    """A search space or space file that cannot be used."""


class DataError(MtnasError, ValueError):
    """Data that is missing, empty, or does not fit the tasks."""


class RunError(MtnasError, RuntimeError):
    """A run directory that is damaged, locked, or belongs to something else."""


class TrainingError(MtnasError, RuntimeError):
    """Training that cannot go on."""


class SearchError(MtnasError, ValueError):
    """A search that cannot be done as asked."""


class TargetError(MtnasError, RuntimeError):
    """A latency that cannot be measured as asked, or a target that does not keep its promises."""


class PoolError(MtnasError, RuntimeError):
    """Workers that cannot be started, or that are lost for good."""


class QuantizationError(MtnasError, ValueError):
    """A policy that a network cannot be quantized by, or ranges that do not fit it."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Sentence for a name that is not known, with the nearest known one.

    >>> unknown_name("task", "dept", ["depth", "normals"])
    "there is no task 'dept', did you mean 'depth'? Known: depth, normals"
    """
    names = list(known)
    name = brief(name)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f", did you mean '{near[0]}'?" if near else "."
    return f"there is no {kind} '{name}'{hint} Known: {', '.join(names)}"


def brief(value: object) -> str:
    """A value for a sentence, where it may come from a file: one short line without control characters.

    >>> brief(3), brief("a\\x1b[31m\\nb"), len(brief("a" * 10_000))
    ('3', 'a\\\\x1b[31m b', 204)
    """
    try:
        told = str(value)
    except (ValueError, RecursionError):  # digits beyond Python's limit, lists within lists within lists
        return f"a {type(value).__name__}"
    line = " ".join(told[: 5 * _LONGEST].split())
    cut = line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


class ExportError(MtnasError, RuntimeError):
    """A network that cannot be written as asked, or a file that does not do what it should."""
