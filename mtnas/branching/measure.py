"""Affinities of the tasks, read from a supernetwork whose tasks have parted at every branch point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtnas.architecture import Affinities, Tree
from mtnas.branching.readouts import Samples, as_rows, readout_losses
from mtnas.evaluation.calibration import gathering_statistics
from mtnas.space.data import Batch, Data
from mtnas.space.shapes import to_device
from mtnas.space.task import Task
from mtnas.supernet import SuperNetwork

Floats = NDArray[np.float64]

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def measure_affinities(
    supernet: SuperNetwork,
    data: Data,
    *,
    samples: int = 4096,
    grid: int = 3,
    floor: float = 0.03,
    ridges: Sequence[float] = RIDGES,
) -> Affinities:
    """Affinities of all pairs of tasks at every branch point, by linear readouts.

    For every branch point, the tasks share all blocks before it and part there: would the features that task i's own
    node gives serve task j? Readouts of every task's targets from every task's features are fit to training samples and
    judged on the samples of the branch points. With e[i, j] the error of reading task j from task i's features, as a
    share of the variance of j's targets, the cost is log((e[i, j] + floor) / (e[j, j] + floor)).

    Every task reads its labels as numbers (`Task.targets`) or, where the task does not say how, what the network's own
    head makes of the samples. A task that has no labels there tells nothing of what it wants: it costs nothing.

    Args:
        supernet: with copies that were trained where tasks part (see ``parting`` of `TrainingSettings`); batch-norm
            buffers are overwritten.
        data: its train and branch splits are used.
        samples: at most, of each of the two.
        grid: side of the places that maps are averaged over.
        floor: of an error, as a share of the variance of the targets: below it differences mean little.
        ridges: to choose from for every readout.
    """
    space, tasks = supernet.space.architectures, supernet.space.tasks
    costs, noises = [], []
    for place in space.split_depths[:-1]:
        features, targets = _Parted(supernet, place).read(data, samples, grid)
        cost, noise = _compare([readout_losses(one, targets, ridges) for one in features], tasks, floor)
        costs.append(cost)
        noises.append(noise)
    shape = (len(costs), len(tasks), len(tasks))
    names = tuple(block.name for block in space.blocks if block.branching)
    return Affinities(
        space.tasks, names, space.split_depths[:-1], np.array(costs).reshape(shape), np.array(noises).reshape(shape)
    )


class _Parted:
    """The nodes of a tree in which all tasks part at one block, run batch by batch: no activations are kept.

    Args:
        supernet: whose nodes they are, of the largest options.
        place: number of the block.
    """

    def __init__(self, supernet: SuperNetwork, place: int) -> None:
        space, self.tasks = supernet.space.architectures, supernet.space.tasks
        tree = Tree.parting(len(space.tasks), len(space.blocks), place)
        network = supernet.found.costs.uniform(space, tree, "params", largest=True)
        paths = [network.path(task) for task in range(len(space.tasks))]
        self.shared = [supernet.stem, *(supernet.last_node(paths[0][:length]) for length in range(1, place + 1))]
        self.own = [supernet.last_node(path[: place + 1]) for path in paths]
        self.rest = {
            task: [
                *(supernet.last_node(paths[task][:length]) for length in range(place + 2, len(space.blocks) + 1)),
                supernet.head_behind(task, paths[task]),
            ]
            for task, one in enumerate(self.tasks)
            if one.targets is None
        }
        """From the own node of every task that does not say how to read its labels to its outputs."""
        nodes = [*self.shared, *self.own]
        self.series = any(isinstance(part, nn.Conv1d) for node in nodes for part in node.modules())
        self.device = next(supernet.parameters()).device

    def read(self, data: Data, samples: int, grid: int) -> tuple[list[Samples], list[Samples]]:
        """What leaves every task's own node, and every task's targets, on samples to fit to and to judge by.

        Both from one look at each sample, which may be augmented by chance. Training samples set the statistics of
        batch norms on the way.
        """
        modules = [*self.shared, *self.own, *(module for rest in self.rest.values() for module in rest)]
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(gathering_statistics(module))
            fit = self._run(data.some_batches("train", samples), grid)
        judge = self._run(data.some_batches("branch", samples), grid)
        features, targets = (
            [Samples(*both) for both in zip(*parts, strict=True)] for parts in zip(fit, judge, strict=True)
        )
        return features, targets

    @torch.no_grad()
    def _run(self, batches: Iterable[Batch], grid: int) -> tuple[list[Tensor], list[Tensor]]:
        features: list[list[Tensor]] = [[] for _ in self.own]
        targets: list[list[Tensor]] = [[] for _ in self.own]
        for x, labels in batches:
            shared = _through(self.shared, to_device(x, self.device))
            for task, node in enumerate(self.own):
                found = node(shared)
                features[task].append(as_rows(found, grid, series=self.series).cpu())
                if task in self.rest:
                    outputs = _with_places(_through(self.rest[task], found))
                    targets[task].append(as_rows(outputs, grid, series=self.series).cpu())
                else:
                    targets[task].append(_label_rows(self.tasks[task], labels, grid))
        return [torch.cat(parts) for parts in features], [torch.cat(parts) for parts in targets]


def _through(modules: Iterable[nn.Module], x: Any) -> Tensor:
    for module in modules:
        x = module(x)
    found: Tensor = x
    return found


def _label_rows(task: Task, labels: Mapping[str, Tensor], grid: int) -> Tensor:
    """A task's labels as numbers, NaN where a sample has none."""
    assert task.targets is not None
    label = task.label_of(labels)
    labelled = task.labelled(label)
    numbers = as_rows(_with_places(task.targets(label[labelled])), grid, series=True)
    rows = torch.full((len(label), numbers.shape[1]), torch.nan)
    rows[labelled.cpu()] = numbers.cpu()
    return rows


def _with_places(targets: Tensor) -> Tensor:
    return targets[:, None] if targets.dim() == 1 else targets


def _compare(losses: Sequence[Sequence[Tensor]], tasks: Sequence[Task], floor: float) -> tuple[Floats, Floats]:
    """Costs and their standard errors, (tasks, tasks), of losses ``[source][target]`` (samples,)."""
    count = len(tasks)
    cost, noise = np.zeros((count, count)), np.zeros((count, count))
    for j in range(count):
        own = losses[j][j]
        labelled = own.isfinite()
        if int(labelled.sum()) < 2:
            continue
        own = own[labelled]
        below = float(own.mean()) + floor
        for i in range(count):
            if i == j:
                continue
            other = losses[i][j][labelled]
            above = float(other.mean()) + floor
            cost[i, j] = np.log(above / below)
            # Delta method on paired samples.
            noise[i, j] = float((other / above - own / below).std()) / max(1, len(own)) ** 0.5
    return cost, noise
