"""What a rule knows, and what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is.

    Attributes:
        evaluations: candidates measured so far, at least 1; those of earlier calls on the same run included.
        hypervolume: after each of these evaluations, as many numbers: the share, 0 to 1, of the box between zero and
            the run's reference point that the rows dominate which meet all budgets, over the run's objectives. It never
            falls. All are NaN as long as the reference point is not settled, which it is once the corner networks are
            measured.
        seconds: wall time of this call, from when the search began to propose. Earlier calls on the same run do not
            count.
    """

    evaluations: int
    hypervolume: Sequence[float]
    seconds: float


class StopRule(ABC):
    """Ends a search early. Subclass it and pass an instance in `SearchSettings.stop_when`: nothing to register.

    A rule is asked after each evaluation, and once before the first one of a search that goes on. If what it says
    depends on `SearchProgress.evaluations` and `SearchProgress.hypervolume` alone, then a search that it has ended ends
    at once when it is called again.
    """

    @abstractmethod
    def reason(self, progress: SearchProgress) -> str | None:
        """Why the search should end now, in a few words for people; None if it should go on."""
