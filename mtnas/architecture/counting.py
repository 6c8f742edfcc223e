"""Count, enumerate and draw the trees of a space without rejection.

A branching tree of T tasks is a chain of partitions. Where branching is allowed a group may be cut into any
partition of itself; where it is not, it passes on whole. With S(n, l) the number of ways in which a group of n tasks,
whole before block l, can go on to the last block, and W(n, l) the ways of a group that is one node at block l:

    W(n, l) = options(l) * S(n, l + 1)
    S(n, l) = W(n, l)                                                    if branching is not allowed at l
    S(n, l) = sum_k C(n - 1, k - 1) * W(k, l) * S(n - k, l)              otherwise: k = size of the first task's group

(the usual recursion over set partitions, A000110, weighted). Integers are exact, so drawing from them is exactly
uniform.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from math import comb

from mtnas.architecture.tree import Group, Tree

Partition = tuple[Group, ...]


class TreeCounter:
    """Counts, enumerates and draws chains of partitions.

    Args:
        tasks: number of tasks T.
        branching: for each block, whether a group may split there.
        options: for each block, how many options a node has; 1 everywhere counts bare trees.
    """

    def __init__(self, tasks: int, branching: Sequence[bool], options: Sequence[int] | None = None) -> None:
        self.tasks = tasks
        self.branching = tuple(branching)
        self.options = tuple(options) if options is not None else (1,) * len(self.branching)
        self._split = cache(self._count_split)

    def __reduce__(self) -> tuple[type[TreeCounter], tuple[int, tuple[bool, ...], tuple[int, ...]]]:
        """For another process: counts are worked out anew there."""
        return TreeCounter, (self.tasks, self.branching, self.options)

    def _whole(self, size: int, block: int) -> int:
        """Ways of a group that is one node at ``block``."""
        return self.options[block] * int(self._split(size, block + 1))

    def _count_split(self, size: int, block: int) -> int:
        """Ways of a group that was whole before ``block``."""
        if block == len(self.branching) or size == 0:
            return 1
        if not self.branching[block]:
            return self._whole(size, block)
        return sum(self._ways(size, first, block) for first in range(1, size + 1))

    def _ways(self, size: int, first: int, block: int) -> int:
        """Ways in which the first task's group has ``first`` members."""
        return comb(size - 1, first - 1) * self._whole(first, block) * int(self._split(size - first, block))

    def count(self) -> int:
        # Fill the table from the last block and the smallest groups, so that recursion stays shallow for many blocks.
        for block in range(len(self.branching), -1, -1):
            for size in range(self.tasks + 1):
                self._split(size, block)
        return int(self._split(self.tasks, 0))

    def draw(self, rng: random.Random) -> Tree:
        """A tree, each with probability proportional to its number of option assignments (1: uniform over trees)."""
        self.count()
        rows = []
        partition: Partition = (tuple(range(self.tasks)),)
        for block, may_split in enumerate(self.branching):
            if may_split:
                partition = tuple(part for group in partition for part in self._draw_partition(group, block, rng))
            rows.append(partition)
        return Tree.from_groups(rows)

    def _draw_partition(self, group: Group, block: int, rng: random.Random) -> Iterator[Group]:
        rest = group
        while rest:
            ticket = rng.randrange(int(self._split(len(rest), block)))
            first = 1
            while ticket >= (ways := self._ways(len(rest), first, block)):
                ticket -= ways
                first += 1
            chosen = (rest[0], *sorted(rng.sample(rest[1:], first - 1)))
            yield chosen
            rest = tuple(task for task in rest if task not in chosen)

    def enumerate(self) -> Iterator[Tree]:
        """Every tree once."""
        yield from (Tree.from_groups(rows) for rows in self._chains((tuple(range(self.tasks)),), 0))

    def _chains(self, above: Partition, block: int) -> Iterator[tuple[Partition, ...]]:
        if block == len(self.branching):
            yield ()
            return
        choices = _refinements(above) if self.branching[block] else iter((above,))
        for partition in choices:
            for rest in self._chains(partition, block + 1):
                yield (partition, *rest)


def _refinements(groups: Partition) -> Iterator[Partition]:
    """Every partition that refines ``groups``."""
    if not groups:
        yield ()
        return
    for first in _partitions(groups[0]):
        for rest in _refinements(groups[1:]):
            yield (*first, *rest)


def _partitions(group: Group) -> Iterator[Partition]:
    """Every partition of a group."""
    if not group:
        yield ()
        return
    head, tail = group[0], group[1:]
    for size in range(len(tail) + 1):
        for others in combinations(tail, size):
            rest = tuple(task for task in tail if task not in others)
            for partition in _partitions(rest):
                yield ((head, *others), *partition)
