"""How long and how often to measure."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.errors import TargetError
from mtnas.limits import check_number


@dataclass(frozen=True)
class MeasureSettings:
    """How long and how often to measure.

    Args:
        rounds: how often everything is timed; at least 4, so that either half of them has a middle.
        block_ms: milliseconds that one timing lasts at least: as many runs as that takes.
        warmup_ms: milliseconds of wall time that everything runs before it is timed.
        seed: of the order within the rounds.
        target_noise: relative noise to reach, e.g. 0.02: ``rounds`` more are measured until all are as steady as that;
            None: ``rounds`` and no more.
        most_rounds: where to stop even if that noise is not reached; of no effect without one.
    """

    rounds: int = 30
    block_ms: float = 5
    warmup_ms: float = 50
    seed: int = 0
    target_noise: float | None = None
    most_rounds: int = 300

    def __post_init__(self) -> None:
        check_number(TargetError, "rounds", self.rounds, at_least=4, whole=True)
        check_number(TargetError, "block_ms", self.block_ms, above=0)
        check_number(TargetError, "warmup_ms", self.warmup_ms, at_least=0)
        check_number(TargetError, "seed", self.seed, at_least=0, whole=True)
        if self.target_noise is not None:
            check_number(TargetError, "target_noise", self.target_noise, above=0)
            check_number(TargetError, "most_rounds", self.most_rounds, at_least=self.rounds, whole=True)
