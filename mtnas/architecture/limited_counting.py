"""Count and draw trees of at most so many groups, without rejection.

A chain of partitions is drawn from the last block upwards. With {n, k} the Stirling number of the second kind
(A008277), the number of partitions of n things into k parts, and A(l, k) the number of ways to the k groups of block l
from the one group before the first block, the options of all nodes on the way counted:

    A(l, k) = options(l)^k * A(l - 1, k)                        if branching is not allowed at l
    A(l, k) = options(l)^k * sum_j {k, j} * A(l - 1, j)         otherwise: the k groups come from j
    trees   = sum_k {T, k} * A(L - 1, k)                        over the allowed numbers of groups at the last block

Integers are exact, so drawing from them is exactly uniform.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from mtnas.architecture.counting import TreeCounter
from mtnas.architecture.tree import Group, Tree

Parts = list[list[int]]


class LimitedTreeCounter:
    """Counts, enumerates and draws chains of partitions whose parts are few.

    Args:
        tasks: number of tasks T.
        branching: for each block, whether a group may split there.
        most: groups at a block.
        options: for each block, how many options a node has; None: one everywhere, which counts bare trees.
    """

    def __init__(self, tasks: int, branching: Sequence[bool], most: int, options: Sequence[int] | None = None) -> None:
        self.tasks, self.branching, self.most = tasks, tuple(branching), min(most, tasks)
        self.options = tuple(options) if options is not None else (1,) * len(self.branching)
        self._stirling = _stirling(tasks, self.most)
        sizes = range(self.most + 1)
        self._ways = [[int(k == 1) for k in sizes]]
        """``[l + 1][k]``: A(l, k)."""
        for may_split, count in zip(self.branching, self.options, strict=True):
            above = self._ways[-1]
            sums = [sum(self._parents(k, above)) for k in sizes] if may_split else above
            self._ways.append([count**k * sums[k] for k in sizes])

    def _parents(self, k: int, above: Sequence[int]) -> list[int]:
        """For every number j of groups above, the ways in which k groups come from so many."""
        return [self._stirling[k][j] * above[j] if j <= k else 0 for j in range(self.most + 1)]

    def count(self) -> int:
        return sum(self._last())

    def _last(self) -> list[int]:
        return [self._stirling[self.tasks][k] * self._ways[-1][k] for k in range(self.most + 1)]

    def draw(self, rng: random.Random) -> Tree:
        """A tree, each with probability proportional to its number of option assignments (1: uniform over trees)."""
        rows: list[list[Group]] = []
        groups = self._partition(list(range(self.tasks)), _picked(self._last(), rng), rng)
        for block in range(len(self.branching) - 1, -1, -1):
            rows.append([tuple(sorted(group)) for group in groups])
            if block and self.branching[block]:
                wanted = _picked(self._parents(len(groups), self._ways[block]), rng)
                parts = self._partition(list(range(len(groups))), wanted, rng)
                groups = [[task for one in part for task in groups[one]] for part in parts]
        return Tree.from_groups(reversed(rows))

    def _partition(self, things: list[int], parts: int, rng: random.Random) -> Parts:
        """A uniform partition: the last thing is a part of its own in {n-1, k-1} of {n, k} cases, else joins one."""
        singles, plan = parts, []
        for size in range(len(things), 0, -1):
            alone = rng.randrange(self._stirling[size][singles]) < self._stirling[size - 1][singles - 1]
            plan.append(alone)
            singles -= alone
        found: Parts = []
        for thing, alone in zip(things, reversed(plan), strict=True):
            if alone:
                found.append([thing])
            else:
                rng.choice(found).append(thing)
        return found

    def enumerate(self) -> Iterator[Tree]:
        """Every tree once."""
        every = TreeCounter(self.tasks, self.branching).enumerate()
        return (tree for tree in every if len(tree.groups(tree.blocks - 1)) <= self.most)


def _picked(weights: Sequence[int], rng: random.Random) -> int:
    """An index, with probability proportional to its weight."""
    ticket = rng.randrange(sum(weights))
    for index, weight in enumerate(weights):
        ticket -= weight
        if ticket < 0:
            return index
    raise AssertionError("a ticket is below the sum of the weights")


def _stirling(most: int, parts: int) -> list[list[int]]:
    """``[n][k]``: partitions of n things into k parts, n to ``most`` and k to ``parts``."""
    rows = [[1] + [0] * parts]
    for _ in range(most):
        above = rows[-1]
        rows.append([0, *(k * above[k] + above[k - 1] for k in range(1, parts + 1))])
    return rows
