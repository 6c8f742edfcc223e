"""What is told of candidates that could not be measured."""

from __future__ import annotations

from collections.abc import Mapping

from mtnas.architecture import Candidate
from mtnas.pools.failures import last_line


def remark(failures: Mapping[Candidate, str]) -> str:
    """How many there are, and why the last one is among them, on one line; empty if there are none."""
    if not failures:
        return ""
    candidate, failure = list(failures.items())[-1]
    what = "1 candidate" if len(failures) == 1 else f"{len(failures)} candidates"
    text = last_line(failure).removeprefix("mtnas.errors.")
    return f"{what} could not be measured; the last one, {candidate.id}: {text}"
