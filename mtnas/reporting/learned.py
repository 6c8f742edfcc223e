"""What a training left for a report: curves, and what it says about branching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mtnas.architecture import ArchitectureSpace, CostTable
from mtnas.branching import Advice, Branching, advise
from mtnas.runs import Run, load_checkpoint
from mtnas.seeds import derive_seed
from mtnas.training.phases import Phases
from mtnas.training.stored import branching_of, epoch_of


@dataclass(frozen=True)
class Learned:
    """Of one training.

    Attributes:
        history: one entry an epoch.
        phases: in which phase the epochs were; None: the run does not say.
        branching: affinities and branch points; None: it did not come to that.
        advice: what that says about each budget.
        points: names of the blocks where tasks may part.
    """

    history: list[dict[str, Any]]
    phases: Phases | None
    branching: Branching | None
    advice: tuple[Advice, ...]
    points: tuple[str, ...]
    space: ArchitectureSpace

    def to_json(self) -> dict[str, Any]:
        curves = [{"epoch": entry["epoch"], "losses": entry["losses"]} for entry in self.history]
        found: dict[str, Any] = {"history": curves, "phases": None, "branching": None}
        if self.phases is not None:
            found["phases"] = [self.phases.shared, self.phases.parted, self.phases.epochs]
        if self.branching is not None:
            figures = self.branching.figures()
            found["branching"] = {
                "points": list(self.points),
                "budgets": [
                    {
                        "share": share,
                        "entropy": entropy,
                        "probabilities": labels,
                        "course": course.to_json(),
                        **advice.to_json(self.space),
                    }
                    for share, entropy, labels, course, advice in zip(
                        figures["budgets"],
                        figures["entropy"],
                        figures["probabilities"],
                        self.branching.courses,
                        self.advice,
                        strict=True,
                    )
                ],
            }
        return found


def learned(run: Run, space: ArchitectureSpace, table: CostTable, *, trees: int = 5) -> Learned:
    """Read it from the checkpoint; nothing if there is none.

    Args:
        trees: to tell of for every budget.

    Raises:
        RunError: if the checkpoint is damaged.
    """
    points = tuple(block.name for block in space.blocks if block.branching)
    if not run.checkpoint.exists():
        return Learned([], None, None, (), points, space)
    _, note = load_checkpoint(run.checkpoint)
    epoch_of(note, run.checkpoint)
    branching = branching_of(note, space, run.checkpoint)
    advice: tuple[Advice, ...] = ()
    if branching is not None:
        seed = derive_seed(run.seed, "trees")
        advice = tuple(advise(space, table, branching, share, seed, count=trees) for share in branching.shares)
    return Learned(list(note["history"]), _phases(run, space), branching, advice, points, space)


def _phases(run: Run, space: ArchitectureSpace) -> Phases | None:
    asked = run.manifest.read().get("training", {})
    try:
        return Phases.between(asked["epochs"], asked["shared_warmup"], asked["parting"], space)
    except (KeyError, TypeError):
        return None
