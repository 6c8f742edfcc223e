"""Architectures: a branching tree and the option of every node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtnas.architecture.tree import Group, Tree
from mtnas.errors import ArchitectureError, brief
from mtnas.json_values import listed, text, whole

Step = tuple[int, str]
"""One node of a task's path: (leader, option name), or (number of the copy of the block's weights, option name)."""

TaskPath = tuple[Step, ...]
"""The nodes of one task from stem to head. With inherited weights its error depends on its copies and options only, see
`ArchitectureSpace.weights_path`."""


@dataclass(frozen=True, order=True)
class Architecture:
    """A tree and one option name per node: ``options[block][i]`` belongs to ``tree.groups(block)[i]``."""

    tree: Tree
    options: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if len(self.options) != self.tree.blocks:
            raise ArchitectureError(
                f"the tree has {self.tree.blocks} blocks, but options are given for {len(self.options)}"
            )
        for block, names in enumerate(self.options):
            groups = self.tree.groups(block)
            if len(names) != len(groups):
                raise ArchitectureError(f"block {block} has {len(groups)} nodes, but {len(names)} options are given")

    @classmethod
    def uniform(cls, tree: Tree, options: tuple[str, ...]) -> Architecture:
        """The same option for all nodes of a block: ``options[block]``."""
        if len(options) != tree.blocks:
            raise ArchitectureError(f"the tree has {tree.blocks} blocks, but options are given for {len(options)}")
        return cls(tree, tuple((options[block],) * len(tree.groups(block)) for block in range(tree.blocks)))

    def nodes(self) -> tuple[tuple[int, Group, str], ...]:
        """All nodes as (block, group, option name), block by block."""
        return tuple(
            (block, group, option)
            for block, names in enumerate(self.options)
            for group, option in zip(self.tree.groups(block), names, strict=True)
        )

    def path(self, task: int) -> TaskPath:
        """The nodes that task ``task`` uses, from the first block to the last."""
        steps = []
        for block, row in enumerate(self.tree.leaders):
            leader = row[task]
            position = sorted(set(row)).index(leader)
            steps.append((leader, self.options[block][position]))
        return tuple(steps)

    def to_json(self) -> dict[str, Any]:
        return {
            "groups": [[list(group) for group in self.tree.groups(block)] for block in range(self.tree.blocks)],
            "options": [list(names) for names in self.options],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Architecture:
        """Inverse of `to_json`.

        Raises:
            ArchitectureError: if the value is not that of an architecture.
        """
        try:
            groups = [
                [[whole(t) for t in listed(group)] for group in listed(block)] for block in listed(value["groups"])
            ]
            options = [[text(name) for name in listed(block)] for block in listed(value["options"])]
        except (KeyError, TypeError, ValueError) as error:
            told = brief(json.dumps(value, default=str)[:80])
            raise ArchitectureError(f"not an architecture: {told} needs 'groups' and 'options' lists") from error
        # Options travel with their groups; sort both alike, so that any order of groups reads as the canonical one.
        canonical = []
        for block, (partition, names) in enumerate(zip(groups, options, strict=False)):
            if len(partition) != len(names):
                raise ArchitectureError(f"block {block} has {len(partition)} groups, but {len(names)} options")
            if any(not group for group in partition):
                raise ArchitectureError(f"block {block} has an empty group")
            canonical.append(tuple(name for _, name in sorted(zip((min(g) for g in partition), names, strict=True))))
        if len(options) != len(groups):
            raise ArchitectureError(
                f"an architecture has {len(groups)} blocks of groups, but {len(options)} of options"
            )
        return cls(Tree.from_groups(groups), tuple(canonical))
