"""Several candidates trained at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mtnas.errors import TrainingError
from mtnas.json_values import read_json, whole
from mtnas.pools import Halving, Pool, RayPool, run_trials, train_in
from mtnas.pools.failures import reason
from mtnas.progress import Advance, progress
from mtnas.refining.job import ROW, STOPPED
from mtnas.refining.trainings import Trainings
from mtnas.runs import Run, write_text


def train_several(
    trainings: Trainings, folder: Path, epochs: int, pool: Pool, halving: Halving | None, *, show_progress: bool
) -> None:
    """Have the workers of a pool do trainings.

    Args:
        trainings: what to do; those that are done only tell the others how they went, where there is halving.
        folder: where refined candidates are.
        epochs: of a training in float, at most.
        pool: whose workers.
        halving: ends trainings that are behind.
        show_progress: False: nothing is printed.

    Raises:
        TrainingError: at the end, if some failed.
    """
    parts = {name: trainings.jobs(name, folder) for name in trainings.names}
    unfinished = {name: [job for job in jobs if not job.finished()] for name, jobs in parts.items()}
    if not any(unfinished.values()):
        return
    names = [name for name in trainings.names if halving is not None or unfinished[name]]
    with progress(f"refining {len(names)} candidates", len(names) * epochs, show=show_progress) as advance:
        shown = _Shown(advance, epochs)
        if isinstance(pool, RayPool):
            failures = run_trials(pool, trainings, folder, names, halving=halving, epochs=epochs, watch=shown)
        else:
            failures = train_in(pool, trainings, folder, names, shown)
    if halving is not None:
        for name in names:
            in_float = parts[name][0].folder
            if name not in failures and not (in_float / ROW).exists():
                # One that had been ended before tells the others how it went, and may be sent away earlier this time.
                epoch = max(shown.epochs.get(name, 0), _epoch_of(in_float / STOPPED))
                write_text(in_float / STOPPED, json.dumps({"epoch": epoch, "halving": halving.to_json()}))
    if failures:
        name, failure = next(iter(failures.items()))
        raise TrainingError(
            f"{len(failures)} of {len(names)} trainings failed, what the others reached is kept; candidate {name}:"
            f" {reason(failure)}"
        )


def _epoch_of(stopped: Path) -> int:
    """The epoch after which a training was ended; 0 if it was not, or the file does not say so."""
    try:
        return whole(read_json(stopped)["epoch"])
    except (KeyError, OSError, TypeError, ValueError):
        return 0


def left_behind(run: Run) -> list[str]:
    """Names of the folders in ``refined/`` whose trainings were ended by halving and have not gone on."""
    return sorted(path.parent.name for path in (run.path / "refined").glob(f"*/{STOPPED}"))


class _Shown:
    """How trainings go, on a progress line: a step for every epoch, and all that are left of one that has ended."""

    def __init__(self, advance: Advance, most: int) -> None:
        self.epochs: dict[str, int] = {}
        self._advance, self._most, self._ended = advance, most, 0

    def reached(self, name: str, epoch: int, costs: Mapping[str, float]) -> None:
        if epoch > self.epochs.get(name, 0):
            self._step(name, epoch, f"candidate {name}: epoch {epoch}, mean error {costs['error/mean']:.4f}")

    def ended(self, name: str) -> None:
        self._ended += 1
        reached = self.epochs.get(name, 0)
        self._step(name, self._most, f"{self._ended} ended")
        self.epochs[name] = reached

    def _step(self, name: str, epoch: int, text: str) -> None:
        for _ in range(self.epochs.get(name, 0), epoch):
            self._advance(text)
        self.epochs[name] = epoch
