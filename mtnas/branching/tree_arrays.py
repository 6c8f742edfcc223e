"""Many trees at once, as arrays of the task that leads the node of every block and task, (n, blocks, tasks)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import Tree

Ints = NDArray[np.int64]


def canonical(labels: Ints) -> Ints:
    """Leaders of trees whose groups have numbers of any kind, (n, blocks, tasks): tasks of a group have equal ones.

    Args:
        labels: whole numbers from 0; memory grows with the largest.
    """
    tasks = labels.shape[2]
    leader: Ints = np.zeros((*labels.shape[:2], int(labels.max(initial=0)) + 1), dtype=np.int64)
    for task in range(tasks - 1, -1, -1):  # the lowest task has the last word
        np.put_along_axis(leader, labels[:, :, task : task + 1], task, axis=2)
    found: Ints = np.take_along_axis(leader, labels, axis=2)
    return found


def as_trees(leaders: Ints) -> list[Tree]:
    return [Tree(tuple(tuple(row) for row in one)) for one in leaders.tolist()]


def varied(leaders: Ints, split_depths: Sequence[int], rng: np.random.Generator) -> Ints:
    """One neighbour of every tree: two tasks change places, or a task, or a whole group, moves.

    What moves shares the nodes of another task before a block where tasks may part, and none of its nodes after that.

    Args:
        split_depths: numbers of blocks that two tasks may share, see `ArchitectureSpace.split_depths`.
    """
    count, blocks, tasks = leaders.shape
    rows: Ints = np.arange(count)
    one: Ints = rng.integers(tasks, size=(count,))
    other: Ints = (one + rng.integers(1, max(2, tasks), size=count)) % tasks
    swapped = leaders.copy()
    swapped[rows, :, one], swapped[rows, :, other] = leaders[rows, :, other], leaders[rows, :, one]
    # Movers: all that share a node with the task at some block, or the task alone.
    at: Ints = rng.integers(blocks, size=(count,))
    company = np.equal(leaders[rows, at], np.expand_dims(leaders[rows, at, one], 1))  # (n, tasks)
    alone = rng.random((count, 1)) < 0.5
    movers = np.where(alone, np.arange(tasks) == np.expand_dims(one, 1), company)
    depth: Ints = np.asarray(split_depths)[rng.integers(len(split_depths), size=count)]
    before = np.arange(blocks) < np.expand_dims(depth, 1)  # (n, blocks)
    joined = np.where(np.expand_dims(before, 2), np.expand_dims(leaders[rows, :, other], 2), leaders + tasks)
    moved = np.where(np.expand_dims(movers, 1), joined, leaders)
    exchange = rng.random((count, 1, 1)) < 0.4
    return canonical(np.where(exchange, swapped, moved))
