"""All problems by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from benchmarks.search_quality.constrained import constrained
from benchmarks.search_quality.landscapes import additive, interactions, two_errors
from benchmarks.search_quality.macro import NAME, nas_bench_macro
from benchmarks.search_quality.problem import Problem
from benchmarks.search_quality.two_fronts import two_fronts

PROBLEMS: dict[str, Callable[[Path | None], Problem]] = {
    NAME: nas_bench_macro,
    "interactions 24": lambda data_dir: interactions(),
    "interactions 60": lambda data_dir: two_errors(),
    "two fronts": lambda data_dir: two_fronts(),
    "constrained": lambda data_dir: constrained(),
    "additive 24": lambda data_dir: additive(),
}


@lru_cache
def problem_named(name: str, data_dir: Path | None = None) -> Problem:
    """A problem; made once per process.

    Raises:
        DataError: if it needs a data file that is not there.
    """
    return PROBLEMS[name](data_dir)
