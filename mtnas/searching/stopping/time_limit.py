"""A search that has had its time."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.errors import SearchError
from mtnas.limits import check_number
from mtnas.searching.stopping.rule import SearchProgress, StopRule


@dataclass(frozen=True)
class TimeLimit(StopRule):
    """Ends a search by the clock.

    An evaluation that has begun is finished, so the search may take one evaluation longer. The same call again goes on
    for as many minutes.

    Args:
        minutes: wall time of one call of `search`, from when it began to propose: training, loading and the start of
            the pool are not included.
    """

    minutes: float

    def __post_init__(self) -> None:
        check_number(SearchError, "minutes of TimeLimit", self.minutes, above=0)

    def reason(self, progress: SearchProgress) -> str | None:
        return f"the time limit of {self.minutes:g} minutes is over" if progress.seconds >= 60 * self.minutes else None
