"""How chosen candidates are trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mtnas.errors import TrainingError
from mtnas.limits import check_number


@dataclass(frozen=True)
class RefineSettings:
    """All that can be chosen about training a single candidate.

    Args:
        epochs: largest number of passes over the training data.
        patience: epochs without a lower mean validation error before training stops.
        learning_rate: peak rate of AdamW; warmed up linearly, then cosine to zero. None: 0.002 from inherited weights,
            and from new ones the rate that the supernetwork was trained at.
        weight_decay: of AdamW.
        warmup_share: share of all steps over which the learning rate rises.
        gradient_clip: largest norm of the gradient of one step; 0: not clipped.
        from_scratch: start from new weights instead of the inherited ones.
        quantized_epochs: largest number of passes for a candidate with a quantization policy, after those in float;
            0: the float network is rounded as it is.
        quantized_learning_rate: peak rate of these.
        threads: CPU threads of torch; 0: torch's default, or the CPUs of a container or job if fewer.
        device: ``auto`` (CUDA if there is one, else CPU) or a torch device.
    """

    epochs: int = 30
    patience: int = 10
    learning_rate: float | None = None
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    gradient_clip: float = 5.0
    from_scratch: bool = False
    quantized_epochs: int = 5
    quantized_learning_rate: float = 2e-4
    threads: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "patience"):
            check_number(TrainingError, name, getattr(self, name), at_least=1, whole=True)
        for name in ("threads", "quantized_epochs"):
            check_number(TrainingError, name, getattr(self, name), at_least=0, whole=True)
        for name, rate in (("learning_rate", self.rate), ("quantized_learning_rate", self.quantized_learning_rate)):
            check_number(TrainingError, name, rate, above=0)
        check_number(TrainingError, "warmup_share", self.warmup_share, at_least=0, at_most=1)
        for name in ("weight_decay", "gradient_clip"):
            check_number(TrainingError, name, getattr(self, name), at_least=0)

    @property
    def rate(self) -> float:
        """Peak rate from inherited weights, and from all where one is named."""
        return 2e-3 if self.learning_rate is None else self.learning_rate

    def to_json(self, *, quantized: bool = False) -> dict[str, Any]:
        """All settings that determine the result; the device and its threads do not.

        Args:
            quantized: of a candidate with a quantization policy: the others do without those named for it.
        """
        value = asdict(self)
        del value["threads"], value["device"]
        if not quantized:
            del value["quantized_epochs"], value["quantized_learning_rate"]
        return value
