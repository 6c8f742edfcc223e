"""Ways to train and judge with a supernetwork, each leaving out or adding one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.ranking.norms import NormPerGroup
from mtnas.architecture import Candidate
from mtnas.evaluation import InheritedErrors, extract, task_errors
from mtnas.runs import Run
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train

Judge = Callable[[Candidate], dict[str, float]]


def by_path(supernet: SuperNetwork, data: Data) -> Judge:
    """As a search judges: recalibrated statistics, kept by task and path."""
    errors = InheritedErrors(supernet, data)
    return lambda candidate: errors(candidate.architecture)


def whole(supernet: SuperNetwork, data: Data) -> Judge:
    """Each candidate extracted and recalibrated as a whole."""
    tasks = supernet.space.tasks
    return lambda candidate: task_errors(extract(supernet, candidate, data), tasks, data.valid_batches())


def as_trained(supernet: SuperNetwork, data: Data) -> Judge:
    """With the running statistics of the training: those of all sub-networks that met in a node."""
    tasks = supernet.space.tasks
    return lambda candidate: task_errors(supernet.extract(candidate).eval(), tasks, data.valid_batches())


@dataclass(frozen=True)
class Variant:
    """One way.

    Attributes:
        name: what is different.
        change: of the training settings.
        judge: how candidates are judged.
        supernetwork: class of the supernetwork.
        like: name of the variant whose training it shares; None: its own.
    """

    name: str
    change: Callable[[TrainingSettings], TrainingSettings]
    judge: Callable[[SuperNetwork, Data], Judge] = by_path
    supernetwork: type[SuperNetwork] = SuperNetwork
    like: str | None = None


def _as_shipped(settings: TrainingSettings) -> TrainingSettings:
    return settings


def _other_share_of_the_smallest(settings: TrainingSettings) -> TrainingSettings:
    """In all steps where the space says fewer, and in a quarter of them where it says all."""
    return replace(settings, smallest_share=1.0 if settings.smallest_share < 1 else 0.25)


VARIANTS = (
    Variant("as shipped", _as_shipped),
    Variant("no recalibration", _as_shipped, as_trained, like="as shipped"),
    Variant("no distillation", lambda settings: replace(settings, distillation=0.0)),
    Variant("no random trees", lambda settings: replace(settings, random_trees=0.0)),
    Variant("no sandwich", lambda settings: replace(settings, sandwich=False, random_networks=3, distillation=0.0)),
    Variant("smallest more or less often", _other_share_of_the_smallest),
    Variant("norms per group", _as_shipped, whole, NormPerGroup),
)


def trained(
    variant: Variant, space: SearchSpace, data: Data, run: Run, settings: TrainingSettings, *, show_progress: bool
) -> SuperNetwork:
    """The variant's supernetwork, from its run directory if it is there."""
    changed = variant.change(settings)
    return train(space, data, run, changed, supernetwork=variant.supernetwork, show_progress=show_progress)
