"""Activations along the paths of a supernetwork, each computed once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtnas.architecture import TaskPath
from mtnas.evaluation.calibration import gathering_statistics
from mtnas.evaluation.worth import WorthKeeping
from mtnas.space.shapes import Input, tensors_of
from mtnas.supernet import SuperNetwork


@dataclass(frozen=True)
class Activations:
    """What leaves a node: batches of the calibration samples (batch norm by batch) and of the samples to judge by."""

    calibration: Sequence[Input]
    judged: Sequence[Input]

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for x in (*self.calibration, *self.judged) for tensor in tensors_of(x))


class PrefixActivations:
    """Runs nodes on the activations of their prefix: the nodes before them on a task's path.

    What leaves a node depends on its prefix only, whichever tasks share it. So candidates with a common prefix need
    its nodes, and their batch-norm statistics, once. The figures are those of running each candidate whole.

    Args:
        supernet: in evaluation mode; batch-norm buffers are overwritten.
        calibration: batches of inputs that set batch-norm statistics.
        judged: batches of inputs to judge by.
        cache_mib: activations kept, those being dropped first that are quickly made, large and seldom asked for.
    """

    def __init__(
        self, supernet: SuperNetwork, calibration: Sequence[Input], judged: Sequence[Input], *, cache_mib: float
    ) -> None:
        self.supernet = supernet
        self.calibration, self.judged = calibration, judged
        self.kept: WorthKeeping[TaskPath, Activations] = WorthKeeping(cache_mib * 2**20)

    def outputs(self, task: int, path: TaskPath) -> Sequence[Tensor]:
        """A task's outputs on the judged samples, batch by batch."""
        head, before = self.supernet.head_behind(task, path), self._after(path)
        with gathering_statistics(head) as needed:
            if needed:
                for x in before.calibration:
                    head(x)
        return _judged(head, before.judged)

    def _after(self, prefix: TaskPath) -> Activations:
        """What leaves the last node of a prefix; of the empty one, what leaves the stem."""
        kept = self.kept.get(prefix)
        if kept is not None:
            return kept
        module: nn.Module = self.supernet.stem
        calibration, judged = self.calibration, self.judged
        if prefix:
            module, before = self.supernet.last_node(prefix), self._after(prefix[:-1])
            if isinstance(module, nn.Identity):
                return before
            calibration, judged = before.calibration, before.judged
        start = time.perf_counter()
        found = _run(module, calibration, judged)
        self.kept.keep(prefix, found, size=found.nbytes, cost=time.perf_counter() - start)
        return found


def _run(module: nn.Module, calibration: Sequence[Input], judged: Sequence[Input]) -> Activations:
    """What leaves a module, with statistics set by the calibration samples."""
    with gathering_statistics(module):
        calibrated = [module(x) for x in calibration]
    return Activations(calibrated, _judged(module, judged))


def _judged(module: nn.Module, judged: Sequence[Input]) -> list[Tensor]:
    with torch.no_grad():
        return [module(x) for x in judged]
