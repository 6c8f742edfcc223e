"""How a supernetwork is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from mtnas.errors import TrainingError
from mtnas.limits import check_number
from mtnas.training.weighting import EqualWeighting, TaskWeighting, weighting_from_json

Precision = Literal["float32", "bfloat16"]

_NOT_OF_THE_RESULT = ("threads", "device", "compile", "tensorboard")
"""Settings that may change from call to call."""


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
        smallest_share: share of the steps of a sandwich that train the smallest; in the others one more random one
            takes its place. With 1, as is usual, the smallest gets better than it is alone and the others worse, which
            spoils their ranking; with less, small networks of weak options, 1x1 kernels say, may be left behind. Which
            matters more depends on the space: `search_spaces/multifashion.py` has 0.25.
        random_networks: random sub-networks that each step trains; gradients are averaged over all of a step.
        distillation: share of a sub-network's loss that is its distance to the outputs of the step's largest one;
            0: labels only. Needs ``sandwich``, and tasks with a `distillation`.
        random_trees: probability that a sub-network's tree is drawn uniformly, not from the branch points. It keeps all
            candidates usable, not just the mode of the learned distribution.
        shared_warmup: share of the epochs that train hard sharing only, with random options. Its nodes are then copied
            to all branches, so that every branch starts as a good one.
        parting: share of the epochs, after that and if any are left, in which the tasks share all blocks before one
            branch point and part there, at another one in every step: what each task makes of its own nodes tells which
            tasks get along. Affinities are measured at its end and teach the branch points; the weights are then put
            back. 0, or a space without a branch point: trees are drawn evenly throughout.
        tree_budgets: for each the branch points learn a distribution over trees whose params are within it, as a share
            of the way from hard sharing, 0, to the fully split network, 1. Trees of the rest of the training are drawn
            from all of them.
        affinity_samples: training samples, and samples kept for the branch points, that affinities are measured on.
        weighting: how the losses of the tasks become one step; see `mtnas.training.weighting`.
        ema_decay: of the exponential moving average of the weights, which is then what training gives: about the last
            1 / (1 - ema_decay) steps count. 0: the weights themselves.
        precision: ``bfloat16`` computes stem, operators and heads in mixed precision (torch.autocast); weights and
            losses stay in float32.
        accumulate: batches for one optimizer step, which then goes by the mean over all their labelled samples, as one
            batch as large would, but for batch norm.
        compile: whether to compile stem, operators and heads with torch.compile. Pays for long trainings only: every
            operator takes seconds at first. The last digits of the result may differ.
        tensorboard: whether to write scalars for TensorBoard into ``tensorboard/`` of the run; needs the package
            tensorboard.
        threads: CPU threads of torch; 0: torch's default, or the CPUs of a container or job if fewer. Small networks
            gain nothing from several, and suffer badly when other programs want the cores.
        device: ``auto`` (CUDA if there is one, else CPU) or a torch device.
    """

    epochs: int = 30
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    gradient_clip: float = 5.0
    sandwich: bool = True
    smallest_share: float = 1.0
    random_networks: int = 1
    distillation: float = 0.5
    random_trees: float = 0.5
    shared_warmup: float = 0.4
    parting: float = 0.05
    tree_budgets: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
    affinity_samples: int = 4096
    weighting: TaskWeighting = field(default_factory=EqualWeighting)
    ema_decay: float = 0.0
    precision: Precision = "float32"
    accumulate: int = 1
    compile: bool = False
    tensorboard: bool = False
    threads: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "affinity_samples", "accumulate"):
            check_number(TrainingError, name, getattr(self, name), at_least=1, whole=True)
        for name in ("threads", "random_networks"):
            check_number(TrainingError, name, getattr(self, name), at_least=0, whole=True)
        for name in ("learning_rate",):
            check_number(TrainingError, name, getattr(self, name), above=0)
        for name in ("smallest_share", "distillation", "warmup_share", "random_trees", "shared_warmup", "parting"):
            check_number(TrainingError, name, getattr(self, name), at_least=0, at_most=1)
        for name in ("weight_decay", "gradient_clip", "ema_decay"):
            check_number(TrainingError, name, getattr(self, name), at_least=0)
        object.__setattr__(self, "tree_budgets", tuple(self.tree_budgets))
        if not self.tree_budgets:
            raise TrainingError("tree_budgets is empty; give at least one share, 0 for hard sharing to 1 for all split")
        for share in self.tree_budgets:
            check_number(TrainingError, "tree_budgets", share, at_least=0, at_most=1)
        if not self.sandwich and self.random_networks == 0:
            raise TrainingError(
                "random_networks must be at least 1 without sandwich, but is 0: nothing would be trained"
            )
        if self.ema_decay >= 1:
            raise TrainingError(
                f"ema_decay must be below 1, but is {self.ema_decay}; 0.99 averages about the last 100 steps"
            )
        if self.precision not in get_args(Precision):
            raise TrainingError(f"precision must be float32 or bfloat16, but is {self.precision!r}")
        for name in ("compile", "tensorboard"):
            if not isinstance(getattr(self, name), bool):
                raise TrainingError(f"{name} must be True or False, but is {getattr(self, name)!r}")
        self._check_weighting()

    def _check_weighting(self) -> None:
        if not isinstance(self.weighting, TaskWeighting):
            raise TrainingError(
                f"weighting must be a TaskWeighting such as EqualWeighting() or PCGrad(), but is {self.weighting!r}"
            )
        try:
            json.dumps(self.weighting.to_json())
        except TypeError as error:
            raise TrainingError(
                f"the settings of the weighting {type(self.weighting).__name__} cannot be kept as JSON ({error});"
                " give it a to_json of numbers and texts"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """All settings that determine the result; the device, its threads, compiling and TensorBoard do not."""
        names = [each.name for each in fields(self) if each.name not in _NOT_OF_THE_RESULT]
        value = {name: getattr(self, name) for name in names}
        if self.smallest_share == 1:
            del value["smallest_share"]  # as in all runs that began before it could be chosen: they go on
        return {**value, "tree_budgets": list(self.tree_budgets), "weighting": self.weighting.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainingSettings:
        """Inverse of `to_json`.

        Raises:
            TrainingError: for a weighting that only the code which defines it can make.
        """
        settings = dict(value)
        if "weighting" in settings:
            settings["weighting"] = weighting_from_json(settings["weighting"])
        try:
            return cls(**settings)
        except TypeError as error:
            raise TrainingError(f"not training settings: {error}") from error
