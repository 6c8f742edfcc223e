"""Branching trees: which tasks share which block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mtnas.errors import ArchitectureError

Group = tuple[int, ...]
"""Task numbers that share a node, ascending; the first one is the group's leader."""


@dataclass(frozen=True, order=True)
class Tree:
    """A chain of partitions of the tasks, one per block, each refining the one before.

    ``leaders[l][t]`` is the lowest-numbered task that shares block ``l`` with task ``t``: a canonical form, so that
    equal trees compare and hash equal. Once split, tasks stay split.

    Raises:
        ArchitectureError: if the leaders are not canonical or a block joins tasks that were split before.
    """

    leaders: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.leaders or not self.leaders[0]:
            raise ArchitectureError("a tree needs at least one block and one task, but got none")
        width = len(self.leaders[0])
        above: Sequence[int] = (0,) * width
        for block, row in enumerate(self.leaders):
            if len(row) != width:
                raise ArchitectureError(f"block {block} of a tree names {len(row)} tasks, but block 0 names {width}")
            for task, leader in enumerate(row):
                if not 0 <= leader <= task or row[leader] != leader:
                    raise ArchitectureError(
                        f"block {block}: task {task} has leader {leader}, but a leader is the lowest task of its group"
                    )
                if above[task] != above[leader]:
                    raise ArchitectureError(
                        f"block {block} joins tasks {leader} and {task}, which an earlier block split;"
                        " once split, tasks stay split"
                    )
            above = row

    @classmethod
    def from_groups(cls, groups: Iterable[Iterable[Iterable[int]]]) -> Tree:
        """Tree from the groups of tasks of every block, in any order, e.g. ``[[[0, 1, 2]], [[0, 2], [1]]]``."""
        rows = []
        for block, partition in enumerate(groups):
            leader_of: dict[int, int] = {}
            for group in partition:
                members = sorted(group)
                for task in members:
                    if task in leader_of:
                        raise ArchitectureError(f"block {block} has task {task} in two groups")
                    leader_of[task] = members[0]
            if sorted(leader_of) != list(range(len(leader_of))):
                raise ArchitectureError(
                    f"block {block} must hold each of tasks 0..T-1 once, but holds {sorted(leader_of)}"
                )
            rows.append(tuple(leader_of[task] for task in range(len(leader_of))))
        return cls(tuple(rows))

    @classmethod
    def shared(cls, tasks: int, blocks: int) -> Tree:
        """Hard parameter sharing: every block serves all tasks."""
        return cls(((0,) * tasks,) * blocks)

    @classmethod
    def split(cls, tasks: int, blocks: int) -> Tree:
        """Single-task networks: no block is shared."""
        return cls((tuple(range(tasks)),) * blocks)

    @classmethod
    def parting(cls, tasks: int, blocks: int, at: int) -> Tree:
        """All tasks share the blocks before ``at`` and part there for good."""
        shared, alone = (0,) * tasks, tuple(range(tasks))
        return cls(tuple(shared if block < at else alone for block in range(blocks)))

    @property
    def tasks(self) -> int:
        return len(self.leaders[0])

    @property
    def blocks(self) -> int:
        return len(self.leaders)

    def groups(self, block: int) -> tuple[Group, ...]:
        """Groups of tasks that share a node at ``block``, ordered by leader."""
        members: dict[int, list[int]] = {}
        for task, leader in enumerate(self.leaders[block]):
            members.setdefault(leader, []).append(task)
        return tuple(tuple(group) for _, group in sorted(members.items()))

    def nodes(self) -> tuple[tuple[int, Group], ...]:
        """All nodes as (block, group), block by block."""
        return tuple((block, group) for block in range(self.blocks) for group in self.groups(block))

    @property
    def node_count(self) -> int:
        return sum(len(set(row)) for row in self.leaders)

    def __str__(self) -> str:
        """Compact text, e.g. ``0123|01.23|01.2.3``: blocks by ``|``, groups by ``.``."""
        separator = "" if self.tasks <= 10 else ","
        return "|".join(
            ".".join(separator.join(map(str, group)) for group in self.groups(block)) for block in range(self.blocks)
        )
