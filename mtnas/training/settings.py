"""How a supernetwork is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mtnas.errors import TrainingError
from mtnas.limits import check_number


@dataclass(frozen=True)
class TrainingSettings:
    """All that can be chosen about training a supernetwork.

    Args:
        epochs: passes over the training data.
        learning_rate: peak rate of AdamW on the weights; warmed up linearly, then cosine to zero.
        weight_decay: of AdamW on the weights.
        warmup_share: share of all steps over which the learning rate rises.
        gradient_clip: largest norm of the gradient of one step; 0: not clipped.
        sandwich: whether each step trains the largest sub-network of a tree and the smallest of all, besides random
            ones.
        random_networks: random sub-networks that each step trains; gradients are averaged over all of a step.
        distillation: share of a sub-network's loss that is its distance to the outputs of the step's largest one;
            0: labels only. Needs ``sandwich``, and tasks with a `distillation`.
        random_trees: probability that a sub-network's tree is drawn uniformly, not from the branch points. It keeps all
            candidates usable, not just the mode of the learned distribution.
        shared_warmup: share of the epochs that train hard sharing only, with random options. Its nodes are then copied
            to all branches, so that every branch starts as a good one and the branch points start with equal choices.
        branch_learning_rate: rate of Adam on the branch logits.
        branch_every: training steps between two steps of the branch points.
        temperature_start: Gumbel-softmax temperature when the branch points begin to learn.
        temperature_end: temperature at the end; falls exponentially.
        target_cost: expected params that the branch points are steered to, as a share of the fully split network's.
        resource_weight: weight of the squared distance to ``target_cost``.
        threads: CPU threads of torch; 0: torch's default. Small networks gain nothing from several, and suffer badly
            when other programs want the cores.
        device: ``auto`` (CUDA if there is one, else CPU) or a torch device.
    """

    epochs: int = 30
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    gradient_clip: float = 5.0
    sandwich: bool = True
    random_networks: int = 1
    distillation: float = 0.5
    random_trees: float = 0.5
    shared_warmup: float = 0.4
    branch_learning_rate: float = 0.02
    branch_every: int = 4
    temperature_start: float = 5.0
    temperature_end: float = 0.5
    target_cost: float = 0.5
    resource_weight: float = 10.0
    threads: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "branch_every"):
            check_number(TrainingError, name, getattr(self, name), at_least=1, whole=True)
        for name in ("threads", "random_networks"):
            check_number(TrainingError, name, getattr(self, name), at_least=0, whole=True)
        for name in ("learning_rate", "branch_learning_rate", "temperature_start", "temperature_end"):
            check_number(TrainingError, name, getattr(self, name), above=0)
        for name in ("distillation", "warmup_share", "random_trees", "shared_warmup", "target_cost"):
            check_number(TrainingError, name, getattr(self, name), at_least=0, at_most=1)
        for name in ("weight_decay", "gradient_clip", "resource_weight"):
            check_number(TrainingError, name, getattr(self, name), at_least=0)
        if not self.sandwich and self.random_networks == 0:
            raise TrainingError(
                "random_networks must be at least 1 without sandwich, but is 0: nothing would be trained"
            )

    def to_json(self) -> dict[str, Any]:
        """All settings that determine the result; the device and its threads do not."""
        value = asdict(self)
        del value["threads"]
        del value["device"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainingSettings:
        """Inverse of `to_json`."""
        try:
            return cls(**value)
        except TypeError as error:
            raise TrainingError(f"not training settings: {error}") from error
