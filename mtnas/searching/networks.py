"""Networks that are known, however their trees are written."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable

from mtnas.architecture import Candidate
from mtnas.quantizing import JointCosts


class Networks(Container[Candidate]):
    """Candidates by what they compute: one that differs from another in idle nodes alone is the same network.

    Args:
        joint: the space of the candidates.
        candidates: known from the beginning.
    """

    def __init__(self, joint: JointCosts, candidates: Iterable[Candidate] = ()) -> None:
        self.joint = joint
        self._known: set[Hashable] = set(map(joint.same, candidates))

    def __contains__(self, candidate: object) -> bool:
        return isinstance(candidate, Candidate) and self.joint.same(candidate) in self._known

    def add(self, candidate: Candidate) -> None:
        """One more is known."""
        self._known.add(self.joint.same(candidate))

    def with_others(self, candidates: Iterable[Candidate]) -> Networks:
        """These, and others."""
        found = Networks(self.joint, candidates)
        found._known |= self._known
        return found
