"""Affinities of the tasks, read from a supernetwork whose tasks have parted at every branch point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtnas.architecture import Affinities, Architecture, Tree
from mtnas.branching.readouts import Samples, as_rows, readout_losses
from mtnas.evaluation.prefixes import PrefixActivations
from mtnas.space.data import Batch, Data
from mtnas.space.shapes import batch_size, to_device
from mtnas.space.task import Task
from mtnas.supernet import SuperNetwork

Floats = NDArray[np.float64]

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def fork(tasks: int, blocks: int, at: int) -> Tree:
    """The tree in which all tasks share the blocks before ``at`` and part there for good."""
    return Tree(tuple((0,) * tasks if block < at else tuple(range(tasks)) for block in range(blocks)))


def measure_affinities(
    supernet: SuperNetwork,
    data: Data,
    *,
    samples: int = 4096,
    grid: int = 3,
    floor: float = 0.03,
    ridges: Sequence[float] = RIDGES,
    cache_mib: float = 512,
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
        cache_mib: activations kept, so that what tasks share is computed once.
    """
    space, tasks = supernet.space.architectures, supernet.space.tasks
    device = next(supernet.parameters()).device
    fit, judge = (list(data.some_batches(split, samples)) for split in ("train", "branch"))
    inputs = [[to_device(x, device) for x, _ in batches] for batches in (fit, judge)]
    given = {
        index: Samples(*(_labels(task, batches, grid) for batches in (fit, judge)))
        for index, task in enumerate(tasks)
        if task.targets is not None
    }
    costs, noises = [], []
    for place in space.split_depths[:-1]:
        tree = fork(len(tasks), len(space.blocks), place)
        network = supernet.found.costs.uniform(space, tree, "params", largest=True)
        activations = PrefixActivations(supernet, *inputs, cache_mib=cache_mib)
        rows = [_features(activations, network, task, place, grid) for task in range(len(tasks))]
        targets = [
            given[task] if task in given else _outputs(activations, network, task, grid) for task in range(len(tasks))
        ]
        cost, noise = _compare([readout_losses(one, targets, ridges) for one in rows], tasks, floor)
        costs.append(cost)
        noises.append(noise)
    shape = (len(costs), len(tasks), len(tasks))
    names = tuple(block.name for block in space.blocks if block.branching)
    return Affinities(
        space.tasks, names, space.split_depths[:-1], np.array(costs).reshape(shape), np.array(noises).reshape(shape)
    )


def _features(activations: PrefixActivations, network: Architecture, task: int, place: int, grid: int) -> Samples:
    found = activations.after(network.path(task)[: place + 1])
    return Samples(_rows(found.calibration, grid), _rows(found.judged, grid))


def _outputs(activations: PrefixActivations, network: Architecture, task: int, grid: int) -> Samples:
    """What a task's own head makes of the samples."""
    path = network.path(task)
    head, last = activations.supernet.head_behind(task, path), activations.after(path)
    with torch.no_grad():
        return Samples(*(_rows([head(x) for x in batches], grid) for batches in (last.calibration, last.judged)))


def _labels(task: Task, batches: Iterable[Batch], grid: int) -> Tensor:
    """A task's labels as numbers, NaN where a sample has none."""
    assert task.targets is not None
    rows = []
    for x, labels in batches:
        label = task.label_of(labels)
        labelled = task.labelled(label)
        numbers = as_rows(_with_places(task.targets(label[labelled])), grid)
        row = torch.full((batch_size(x), numbers.shape[1]), torch.nan)
        row[labelled.cpu()] = numbers.cpu()
        rows.append(row)
    return torch.cat(rows)


def _with_places(targets: Tensor) -> Tensor:
    return targets[:, None] if targets.dim() == 1 else targets


def _rows(batches: Sequence[Tensor], grid: int) -> Tensor:
    return torch.cat([as_rows(_with_places(batch), grid).cpu() for batch in batches])


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
