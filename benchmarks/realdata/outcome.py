"""What one seed gives: a front member and the plain networks beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.realdata.figures import delta_m
from mtnas.results import mean_error


@dataclass(frozen=True)
class Trained:
    """One network after training.

    Attributes:
        name: in the table.
        tree: who shares what.
        params: exact number.
        macs: exact number for a sample.
        valid: errors by task, at the epoch that was kept.
        test: errors by task, measured once.
    """

    name: str
    tree: str
    params: int
    macs: int
    valid: Mapping[str, float]
    test: Mapping[str, float]


@dataclass(frozen=True)
class Outcome:
    """All networks of one seed, from scratch and alike but for those that are tuned.

    Attributes:
        seed: of the run.
        member: chosen from the front.
        hard_equal: hard sharing re-widthed to the member's params; with the largest operators, then with the member's,
            where that is another network.
        single_equal: single-task networks re-widthed to the member's params.
        hard: hard sharing as wide as the space, largest operators.
        single: single-task networks as wide as the space, largest operators.
        hard_narrow: hard sharing at other widths, largest operators.
        fine_tuned: the member gone on with from inherited weights.
        hard_tuned: hard sharing as wide as the space, likewise.
        single_tuned: single-task networks as wide as the space, likewise.
    """

    seed: int
    member: Trained
    hard_equal: tuple[Trained, ...]
    single_equal: Trained
    hard: Trained
    single: Trained
    hard_narrow: tuple[Trained, ...]
    fine_tuned: Trained
    hard_tuned: Trained
    single_tuned: Trained

    @property
    def networks(self) -> tuple[Trained, ...]:
        """All, in the order of the table."""
        from_scratch = (self.member, *self.hard_equal, self.single_equal, self.hard, self.single, *self.hard_narrow)
        return (*from_scratch, self.fine_tuned, self.hard_tuned, self.single_tuned)

    @property
    def rival(self) -> Trained:
        """Hard sharing at equal params; where there are two, the one of lower validation error.

        The member itself, where it shares everything and has the largest operators: then there is no other.
        """
        return min(self.hard_equal, key=lambda one: mean_error(one.valid), default=self.member)

    def gain(self, network: Trained) -> float:
        """Delta_m of a network in test errors, over the single-task networks as wide as the space."""
        return delta_m(network.test, self.single.test)

    def lead(self, network: Trained) -> float:
        """By how much the member's Delta_m is above another network's."""
        return self.gain(self.member) - self.gain(network)

    @property
    def refined_gain(self) -> float:
        """Delta_m of the fine-tuned member over the single-task networks of full width, in their better training."""
        return delta_m(self.fine_tuned.test, _best(self.single, self.single_tuned).test)

    @property
    def refined_lead(self) -> float:
        """By how much that is above the Delta_m of hard sharing at its best: of equal params or full width."""
        hard, single = _best(*self.hard_equal, self.hard, self.hard_tuned), _best(self.single, self.single_tuned)
        return self.refined_gain - delta_m(hard.test, single.test)

    def shared_bottom(self, tolerance: float) -> Trained:
        """The cheapest hard-sharing network in MACs whose mean validation error is about the member's, or lower.

        Args:
            tolerance: by which it may be higher. The full width counts whatever it reaches.
        """
        limit = mean_error(self.member.valid) + tolerance
        fitting = [one for one in (*self.hard_equal, *self.hard_narrow) if mean_error(one.valid) <= limit]
        return min((*fitting, self.hard), key=lambda one: one.macs)


def _best(*networks: Trained) -> Trained:
    """The network of lowest mean validation error."""
    return min(networks, key=lambda one: mean_error(one.valid))
