"""How long and how often to measure."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.errors import TargetError
from mtnas.limits import check_number


@dataclass(frozen=True)
class MeasureSettings:
    """How long and how often to measure.

    Args:
        rounds: how often everything takes its turn; at least 4, so that either half of them says something.
        block_ms: milliseconds that a turn lasts at least: as many timings as that takes.
        timing_ms: milliseconds that one timing lasts at least: as many runs as that takes. Short ones find the moments
            between the disturbances; too short ones see the clock, which takes up to a microsecond to be read.
        quantile: of all timings that is told. The median, 0.5, tells what is usual on the machine in the state that it
            is in.
        warmup_ms: milliseconds of wall time that everything runs before it is timed.
        seed: of the order within the rounds.
        target_noise: relative noise to reach, e.g. 0.02: ``rounds`` more are measured until all are as steady as that;
            None: any noise will do.
        most_slowed: share by which the reference may be slower than it should: while it is slower, ``rounds`` more are
            measured. A neighbour on the same core seldom works for longer than a second without a pause. None: however
            slow it is.
        most_rounds: where to stop even if either is not reached; None: eight times ``rounds``.
    """

    rounds: int = 30
    block_ms: float = 5
    timing_ms: float = 0.2
    quantile: float = 0.05
    warmup_ms: float = 50
    seed: int = 0
    target_noise: float | None = None
    most_slowed: float | None = 0.02
    most_rounds: int | None = None

    def __post_init__(self) -> None:
        check_number(TargetError, "rounds", self.rounds, at_least=4, whole=True)
        check_number(TargetError, "block_ms", self.block_ms, above=0)
        check_number(TargetError, "timing_ms", self.timing_ms, above=0)
        check_number(TargetError, "quantile", self.quantile, at_least=0, at_most=1)
        check_number(TargetError, "warmup_ms", self.warmup_ms, at_least=0)
        check_number(TargetError, "seed", self.seed, at_least=0, whole=True)
        if self.target_noise is not None:
            check_number(TargetError, "target_noise", self.target_noise, above=0)
        if self.most_slowed is not None:
            check_number(TargetError, "most_slowed", self.most_slowed, at_least=0)
        if self.most_rounds is not None:
            check_number(TargetError, "most_rounds", self.most_rounds, at_least=self.rounds, whole=True)

    @property
    def limit(self) -> int:
        """``most_rounds``, settled."""
        return 8 * self.rounds if self.most_rounds is None else self.most_rounds
