"""How two measured candidates differ: which tasks share a block, its operators and bits, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtnas.architecture import ArchitectureSpace, Bits, Candidate, Group
from mtnas.results.results import Row

Groups = tuple[Group, ...]


@dataclass(frozen=True)
class Use:
    """What some tasks use of a candidate at a block.

    Attributes:
        group: all tasks that share the node.
        operator: name of its option.
        bits: of its weights and activations.
    """

    group: Group
    operator: str
    bits: Bits


@dataclass(frozen=True)
class NodeDifference:
    """Tasks that share a node in both candidates, where the nodes differ in what they are.

    Attributes:
        block: number of the block.
        tasks: that use ``a`` in the one candidate and ``b`` in the other, ascending.
        a: what they use in the one.
        b: what they use in the other.
    """

    block: int
    tasks: Group
    a: Use
    b: Use


@dataclass(frozen=True)
class Difference:
    """How one row's candidate differs from another's.

    Attributes:
        space: of both.
        a: the one row.
        b: the other.
        groups: the groups of tasks of every block at which they are not the same, by its number.
        nodes: where operators or bits differ, by block and lowest task.
    """

    space: ArchitectureSpace
    a: Row
    b: Row
    groups: Mapping[int, tuple[Groups, Groups]]
    nodes: tuple[NodeDifference, ...]

    @property
    def costs(self) -> dict[str, tuple[float, float]]:
        """What both cost, by name; costs that were measured of one only are left out."""
        return {name: (cost, self.b.costs[name]) for name, cost in self.a.costs.items() if name in self.b.costs}

    def to_json(self) -> dict[str, Any]:
        """With names of blocks and tasks; all lists are empty if the two are the same network."""
        return {
            "groups": [
                {"block": self.space.blocks[block].name, "a": self._named(a), "b": self._named(b)}
                for block, (a, b) in self.groups.items()
            ],
            "nodes": [
                {
                    "block": self.space.blocks[one.block].name,
                    "tasks": self._named([one.tasks])[0],
                    "a": self._use(one.a),
                    "b": self._use(one.b),
                }
                for one in self.nodes
            ],
            "costs": {name: {"a": a, "b": b, "difference": b - a} for name, (a, b) in self.costs.items()},
        }

    def _use(self, use: Use) -> dict[str, Any]:
        weights, activations = use.bits
        bits = {"weight_bits": weights, "activation_bits": activations}
        return {"group": self._named([use.group])[0], "operator": use.operator, **bits}

    def _named(self, groups: Groups | list[Group]) -> list[list[str]]:
        return [[self.space.tasks[task] for task in group] for group in groups]


def difference(space: ArchitectureSpace, a: Row, b: Row) -> Difference:
    """How ``b`` differs from ``a``, both of ``space``."""
    one, other = a.candidate.architecture.tree, b.candidate.architecture.tree
    groups = {
        block: (one.groups(block), other.groups(block))
        for block in range(len(space.blocks))
        if one.groups(block) != other.groups(block)
    }
    nodes = [
        NodeDifference(block, tasks, ours, theirs)
        for block in range(len(space.blocks))
        for tasks, ours, theirs in _together(a.candidate, b.candidate, block)
        if (ours.operator, ours.bits) != (theirs.operator, theirs.bits)
    ]
    return Difference(space, a, b, groups, tuple(nodes))


def _together(a: Candidate, b: Candidate, block: int) -> list[tuple[Group, Use, Use]]:
    """The tasks that are together at a block in both candidates, and what they use there."""
    ours, theirs = _uses(a, block), _uses(b, block)
    found: dict[tuple[Use, Use], list[int]] = {}
    for task in range(a.architecture.tree.tasks):
        found.setdefault((ours[task], theirs[task]), []).append(task)
    return [(tuple(tasks), *uses) for uses, tasks in found.items()]


def _uses(candidate: Candidate, block: int) -> dict[int, Use]:
    """What every task uses at a block."""
    architecture = candidate.architecture
    return {
        task: Use(group, operator, candidate.policy.bits(block, group[0]))
        for group, operator in zip(architecture.tree.groups(block), architecture.options[block], strict=True)
        for task in group
    }
