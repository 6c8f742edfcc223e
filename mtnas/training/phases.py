"""The three phases of a supernetwork training."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.architecture import ArchitectureSpace
from mtnas.training.settings import TrainingSettings


@dataclass(frozen=True)
class Phases:
    """Hard sharing first, then all tasks part, then trees of all kinds.

    Attributes:
        shared: epochs at the end of the first phase.
        parted: epochs at the end of the second, equal to ``shared`` if there is none.
        epochs: in all.
    """

    shared: int
    parted: int
    epochs: int

    @classmethod
    def of(cls, settings: TrainingSettings, space: ArchitectureSpace) -> Phases:
        """Those of a training: any share for parting is an epoch or more, if one is left and tasks can part."""
        return cls.between(settings.epochs, settings.shared_warmup, settings.parting, space)

    @classmethod
    def between(cls, epochs: int, shared_warmup: float, parting: float, space: ArchitectureSpace) -> Phases:
        """Those of the numbers of a training's settings."""
        shared = round(epochs * shared_warmup)
        parts = len(space.tasks) > 1 and len(space.split_depths) > 1
        parted = max(1, round(epochs * parting)) if parting and parts else 0
        return cls(shared, min(epochs, shared + parted), epochs)

    def around(self, epoch: int) -> tuple[int, int]:
        """Begin and end of the phase that an epoch is in."""
        begin = max(at for at in (0, self.shared, self.parted) if at <= epoch)
        return begin, min(at for at in (self.shared, self.parted, self.epochs) if at > epoch)

    def name(self, epoch: int) -> str:
        """Of the phase that an epoch is in."""
        return "hard sharing" if epoch < self.shared else "parting" if epoch < self.parted else "all trees"
