"""Trees of at most so many groups of tasks, and the copies of a block that their groups use."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture.tree import Tree

Ints = NDArray[np.int64]


def limited(leaders: Ints, most: int) -> Ints:
    """Trees in which the first leaders stay, and the tasks that further ones lead go along with whom they left.

    A group that leads once leads to the last block, so a tree has no more groups anywhere than it has there. Groups
    that part from all others at the first block go along with task 0. Trees within the limit stay as they are.

    Args:
        leaders: the task that leads the node of every block and task, (n, blocks, tasks).
        most: groups at a block, at least 1.
    """
    tasks = leaders.shape[2]
    if tasks <= most:
        return leaders
    found, count = leaders.copy(), np.ones(len(leaders), dtype=np.int64)
    for task in range(1, tasks):
        leads = found[:, -1, task] == task
        over = leads & (count >= most)
        count += leads & ~over
        if over.any():
            rows = found[over]
            led = rows == task  # (n, blocks, tasks)
            own = rows[:, :, task] == task  # (n, blocks)
            before = own.argmax(1) - 1  # the last block that is shared with others, -1: none
            left = np.where(before >= 0, rows[np.arange(len(rows)), np.maximum(before, 0), task], 0)
            found[over] = np.where(led, left[:, None, None], rows)
    return found


def copies(leaders: Ints, most: int) -> Ints:
    """Number of the copy of the block that every task uses at every block, (n, blocks, tasks).

    A group takes the copy of the number of its leader, modulo ``most``, or the next one that is free; lower leaders
    choose first. With as many copies as tasks that is the leader's number.

    Args:
        leaders: of trees within the limit, (n, blocks, tasks).
        most: copies of a block.
    """
    tasks = leaders.shape[2]
    if tasks <= most:
        return leaders
    taken = np.zeros((*leaders.shape[:2], most), dtype=bool)
    found = np.zeros_like(leaders)
    for task in range(tasks):
        leads = leaders[:, :, task] == task
        if not leads.any():
            continue
        order = (task + np.arange(most)) % most
        copy = order[(~taken[leads][:, order]).argmax(1)]
        taken[(*np.nonzero(leads), copy)] = True
        found[leads, task] = copy
    chosen: Ints = np.take_along_axis(found, leaders, axis=2)
    return chosen


def limited_tree(tree: Tree, most: int) -> Tree:
    """One tree. See `limited`."""
    if len(set(tree.leaders[-1])) <= most:
        return tree
    (rows,) = limited(np.array([tree.leaders]), most).tolist()
    return Tree(tuple(map(tuple, rows)))


@lru_cache(maxsize=4096)
def copies_of(tree: Tree, most: int) -> tuple[tuple[int, ...], ...]:
    """Number of the copy that every task uses, ``[block][task]``. See `copies`."""
    if tree.tasks <= most:
        return tree.leaders
    (rows,) = copies(np.array([tree.leaders]), most).tolist()
    return tuple(map(tuple, rows))
