"""Errors of candidates with the weights that they inherit from the supernetwork."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from mtnas.architecture import Architecture, TaskPath
from mtnas.errors import SearchError
from mtnas.evaluation.calibration import recalibrate
from mtnas.evaluation.errors import task_errors
from mtnas.space.data import Batch, Data
from mtnas.supernet import SuperNetwork


class InheritedErrors:
    """Judges architectures by their inherited weights, with batch-norm statistics of their own.

    A task's error depends on its own path only (the nodes from stem to head), so errors are kept per (task, path): an
    architecture whose paths are all known costs a look-up, otherwise only the unknown tasks' nodes are run.

    Args:
        supernet: trained; its batch-norm buffers are overwritten, its weights are not.
        data: calibration uses training samples, judging the validation samples.
        keep_mib: calibration and validation batches are kept in memory up to this size each; beyond it they are read
            anew for each candidate.
    """

    def __init__(self, supernet: SuperNetwork, data: Data, *, keep_mib: float = 1024) -> None:
        self.supernet = supernet
        self._calibration = _kept(data.calibration_batches(), keep_mib) or data.calibration_batches
        self._valid = _kept(data.valid_batches(), keep_mib) or data.valid_batches
        self._known: dict[tuple[int, TaskPath], float] = {}
        self.evaluated = 0
        """Architectures that needed a forward pass."""

    def remember(self, architecture: Architecture, errors: Mapping[str, float]) -> None:
        """Take errors that were measured before."""
        for index, task in enumerate(self.supernet.space.tasks):
            self._known[index, architecture.path(index)] = errors[task.name]

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """Error of every task, by task name."""
        tasks = self.supernet.space.tasks
        paths = [architecture.path(index) for index in range(len(tasks))]
        unknown = [index for index, path in enumerate(paths) if (index, path) not in self._known]
        if unknown:
            network = self.supernet.view(architecture, unknown)
            recalibrate(network, self._calibration())
            measured = task_errors(network, tasks, self._valid())
            self.evaluated += 1
            for index in unknown:
                error = measured[tasks[index].name]
                if not math.isfinite(error):
                    raise SearchError(
                        f"the error of task '{tasks[index].name}' is {error}; an error must be a finite number"
                    )
                self._known[index, paths[index]] = error
        return {task.name: self._known[index, paths[index]] for index, task in enumerate(tasks)}


def _kept(batches: Iterable[Batch], keep_mib: float) -> Callable[[], Iterable[Batch]] | None:
    """The batches in memory, or None if they need more than ``keep_mib``."""
    held, size = [], 0
    for batch in batches:
        held.append(batch)
        tensors = [*(batch[0].values() if isinstance(batch[0], Mapping) else [batch[0]]), *batch[1].values()]
        size += sum(tensor.nbytes for tensor in tensors)
        if size > keep_mib * 2**20:
            return None
    return lambda: held
