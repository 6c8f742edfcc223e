"""What a searcher must offer to be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from benchmarks.search_quality.problem import Outcome, Problem

Search = Callable[[Problem, int, int], list[Outcome]]
"""(problem, evaluations, seed) -> outcomes in the order of evaluation."""


@dataclass(frozen=True)
class Rival:
    """A searcher.

    Attributes:
        at_most: it is run for no more evaluations than this.
        few_seeds: it is so slow that only the first few seeds are run.
        needs: packages that are not among those of mtnas.
        version: to be raised when the search changes, so that kept runs are done again.
    """

    name: str
    search: Search
    at_most: int | None = None
    few_seeds: bool = False
    needs: tuple[str, ...] = ()
    version: int = 1

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [package for package in self.needs if find_spec(package) is None]
