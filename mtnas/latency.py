"""A measured latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mtnas.errors import TargetError, brief
from mtnas.json_values import finite, text, truth, whole
from mtnas.limits import check_number

LATENCY = "latency_ms"
"""Name of the cost."""


@dataclass(frozen=True)
class Latency:
    """How long one run takes.

    Attributes:
        ms: milliseconds of one run of the whole batch.
        noise: relative standard deviation of ``ms`` within the call that measured it; a floor, see `split_half_noise`.
            Networks that differ by less are equally fast as far as is known.
        rounds: how many rounds it was measured in.
        clock: name of the clock.
        busy: whether other work ran on the machine meanwhile.
    """

    ms: float
    noise: float
    rounds: int
    clock: str
    busy: bool

    def __post_init__(self) -> None:
        check_number(TargetError, "ms of a latency", self.ms, above=0)
        check_number(TargetError, "noise of a latency", self.noise, at_least=0)
        check_number(TargetError, "rounds of a latency", self.rounds, at_least=1, whole=True)

    def __str__(self) -> str:
        ms = f"{self.ms:.0f}" if self.ms >= 1000 else f"{self.ms:#.3g}".rstrip(".")
        busy = ", busy machine" if self.busy else ""
        return f"{ms} ms ± {100 * self.noise:.1f} % ({self.clock}, {self.rounds} rounds{busy})"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Latency:
        try:
            return cls(
                float(finite(value["ms"])),
                float(finite(value["noise"])),
                whole(value["rounds"]),
                brief(text(value["clock"])),
                truth(value["busy"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TargetError(f"not a latency: {brief(str(value)[:80])}") from error
