"""Errors of candidates with the weights that they inherit from the supernetwork."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mtnas.architecture import Architecture, TaskPath
from mtnas.evaluation.calibration import recalibrate
from mtnas.evaluation.errors import as_costs, judge, task_errors
from mtnas.evaluation.memory import free_mib
from mtnas.evaluation.prefixes import PrefixActivations
from mtnas.space.data import Batch, Data
from mtnas.space.shapes import tensors_of, to_device
from mtnas.supernet import SuperNetwork


class InheritedErrors:
    """Judges architectures by their inherited weights, with batch-norm statistics of their own.

    A task's error depends on its own path only (the nodes from stem to head). So errors are kept per (task, path), an
    architecture whose paths are all known costs a look-up, and what leaves a prefix of a path is kept for the next
    path that shares it.

    Args:
        supernet: trained; its batch-norm buffers are overwritten, its weights are not.
        data: calibration uses training samples, judging the validation samples.
        keep_mib: calibration and validation batches are kept in memory up to this size each; beyond it they are read
            anew for each candidate, and no activations are kept.
        cache_mib: memory for the activations of prefixes; None: a quarter of what is free, divided by ``sharers``.
            Figures do not depend on it.
        sharers: processes that may take it on the same machine.
    """

    def __init__(
        self,
        supernet: SuperNetwork,
        data: Data,
        *,
        keep_mib: float = 1024,
        cache_mib: float | None = None,
        sharers: int = 1,
    ) -> None:
        self.supernet = supernet
        self.data = data
        self._known: dict[tuple[int, TaskPath], float] = {}
        self._prefixes: PrefixActivations | None = None
        device = next(supernet.parameters()).device
        calibration = _kept(data.calibration_batches(), keep_mib)
        valid = _kept(data.valid_batches(), keep_mib) if calibration is not None else None
        if calibration is not None and valid is not None:
            inputs = [[to_device(x, device) for x, _ in batches] for batches in (calibration, valid)]
            room = free_mib(device) / 4 / sharers if cache_mib is None else cache_mib
            self._prefixes = PrefixActivations(supernet, *inputs, cache_mib=room)
            self._valid = valid

    def remember(self, architecture: Architecture, errors: Mapping[str, float]) -> None:
        """Take errors that were measured before."""
        for index, task in enumerate(self.supernet.space.tasks):
            self._known[index, self._path(architecture, index)] = errors[task.name]

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """Error of every task, by task name."""
        tasks = self.supernet.space.tasks
        paths = [self._path(architecture, index) for index in range(len(tasks))]
        unknown = [index for index, path in enumerate(paths) if (index, path) not in self._known]
        if unknown:
            whole = self._prefixes is None
            measured = self._by_network(architecture, unknown) if whole else self._by_prefix(paths, unknown)
            as_costs({tasks[index].name: error for index, error in measured.items()})
            self._known.update({(index, paths[index]): error for index, error in measured.items()})
        return {task.name: self._known[index, paths[index]] for index, task in enumerate(tasks)}

    def _path(self, architecture: Architecture, index: int) -> TaskPath:
        return self.supernet.space.architectures.weights_path(architecture, index)

    def _by_prefix(self, paths: Sequence[TaskPath], unknown: Sequence[int]) -> dict[int, float]:
        assert self._prefixes is not None
        found = {}
        for index in unknown:
            outputs = self._prefixes.outputs(index, paths[index])
            labels = (labels for _, labels in self._valid)
            found[index] = judge(self.supernet.space.tasks[index], zip(outputs, labels, strict=True))
        return found

    def _by_network(self, architecture: Architecture, unknown: Sequence[int]) -> dict[int, float]:
        tasks = self.supernet.space.tasks
        network = self.supernet.view(architecture, unknown)
        recalibrate(network, self.data.calibration_batches())
        measured = task_errors(network, tasks, self.data.valid_batches())
        return {index: measured[tasks[index].name] for index in unknown}


def _kept(batches: Iterable[Batch], keep_mib: float) -> list[Batch] | None:
    """The batches in memory, or None if they need more than ``keep_mib``."""
    held, size = [], 0
    for batch in batches:
        held.append(batch)
        size += sum(tensor.nbytes for tensor in (*tensors_of(batch[0]), *batch[1].values()))
        if size > keep_mib * 2**20:
            return None
    return held
