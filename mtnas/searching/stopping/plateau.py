"""A search that no longer finds anything."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.errors import SearchError
from mtnas.limits import check_number
from mtnas.searching.stopping.rule import SearchProgress, StopRule


@dataclass(frozen=True)
class Plateau(StopRule):
    """Ends a search whose hypervolume hardly grew over the last evaluations.

    It never ends a search that had nothing within the budgets and the reference point that long ago: what has not begun
    to grow has not levelled off.

    Args:
        evaluations: how far to look back.
        gain: the search ends when the hypervolume is less than this share above what it was then: at 0.001, less
            than a thousandth.
    """

    evaluations: int = 50
    gain: float = 0.001

    def __post_init__(self) -> None:
        check_number(SearchError, "evaluations of Plateau", self.evaluations, at_least=1, whole=True)
        check_number(SearchError, "gain of Plateau", self.gain, above=0)

    def reason(self, progress: SearchProgress) -> str | None:
        if progress.evaluations <= self.evaluations:
            return None
        before, now = progress.hypervolume[-1 - self.evaluations], progress.hypervolume[-1]
        if not before > 0 or now - before >= self.gain * before:  # not above 0: also where it is not known yet
            return None
        return (
            f"the hypervolume grew by {(now - before) / before:.3%} over the last {self.evaluations} evaluations,"
            f" less than {self.gain:.3%}"
        )
