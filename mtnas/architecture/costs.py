"""Exact costs of an architecture: they add up over its nodes, so a table of them is all that is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.space import ArchitectureSpace
from mtnas.architecture.tree import Tree
from mtnas.errors import ArchitectureError, brief
from mtnas.json_values import finite, listed, text, whole

EXACT_COSTS = ("params", "macs")
"""Names of the costs that are counted of every space, never measured or predicted. 1 MAC = 1 (not 2)."""

SIZE = "size_kib"
"""Name of the exact cost that depends on the bits of the weights, too: what they take in an exported file."""

Amounts = tuple[float, ...]
"""One number per name of a table's costs; those in `EXACT_COSTS` are whole."""


@dataclass(frozen=True)
class CostTable:
    """Costs of the stem, of every option of every block, and of every head, in the order of `names`.

    A block may be entered by several shapes (elastic widths); they are numbered, and an option's costs and the shape
    that it gives depend on the one that enters. Where all options of a block give one shape, that is number 0.

    Attributes:
        stem: of the stem.
        options: ``[block][entering shape][option]``.
        leads_to: number of the shape that leaves, ``[block][entering shape][option]``.
        heads: ``[entering shape][task]``.
        names: of the costs.
    """

    stem: Amounts
    options: tuple[tuple[tuple[Amounts, ...], ...], ...]
    leads_to: tuple[tuple[tuple[int, ...], ...], ...]
    heads: tuple[tuple[Amounts, ...], ...]
    names: tuple[str, ...] = EXACT_COSTS

    @classmethod
    def plain(cls, stem: Amounts, options: Sequence[Sequence[Amounts]], heads: Sequence[Amounts]) -> CostTable:
        """Of a space in which every block is entered by one shape: ``options[block][option]``, ``heads[task]``."""
        leads_to = tuple(((0,) * len(block),) for block in options)
        return cls(stem, tuple((tuple(block),) for block in options), leads_to, (tuple(heads),))

    def picked(self, options: Sequence[Sequence[int]]) -> CostTable:
        """The costs of a space whose options are some of this table's, any of them more than once.

        Args:
            options: numbers of this table's options, ``[block][option]``.
        """
        return replace(
            self,
            options=tuple(
                tuple(tuple(row[one] for one in numbers) for row in rows)
                for numbers, rows in zip(options, self.options, strict=True)
            ),
            leads_to=tuple(
                tuple(tuple(row[one] for one in numbers) for row in rows)
                for numbers, rows in zip(options, self.leads_to, strict=True)
            ),
        )

    def check(self, space: ArchitectureSpace) -> None:
        """Raise ArchitectureError unless the table has the costs of every option and head of a space, and no others."""
        if not len(self.options) == len(self.leads_to) == len(space.blocks):
            raise ArchitectureError(
                f"a cost table of {len(self.options)} blocks does not fit {len(space.blocks)} blocks"
            )
        entering = [len(block) for block in self.options] + [len(self.heads)]  # shapes
        if entering[0] != 1:
            raise ArchitectureError(f"the cost table has {entering[0]} shapes of the input")
        for block, choices, rows, leads, leaving in zip(
            range(len(space.blocks)), space.blocks, self.options, self.leads_to, entering[1:], strict=True
        ):
            count = len(choices.options)
            fits = len(rows) == len(leads) > 0 and all(len(row) == count for row in (*rows, *leads))
            if not fits or {shape for row in leads for shape in row} != set(range(leaving)):
                raise ArchitectureError(f"the cost table does not fit the options of block {block} '{choices.name}'")
        if any(len(row) != len(space.tasks) for row in self.heads):
            raise ArchitectureError(f"the cost table does not have a head for each of {len(space.tasks)} tasks")
        amounts = [self.stem, *(one for row in self.heads for one in row)]
        amounts += [one for rows in self.options for row in rows for one in row]
        if any(len(one) != len(self.names) for one in amounts):
            raise ArchitectureError(f"the cost table does not have {len(self.names)} costs everywhere")

    # One architecture -------------------------------------------------------------------------------------------

    def shapes_along(self, space: ArchitectureSpace, options: Sequence[str]) -> tuple[int, ...]:
        """Numbers of the shapes that enter each block of a path, then of the one that leaves it.

        Args:
            options: names of the options of the path's first blocks, or of all.
        """
        shapes = [0]
        for block, option in enumerate(options):
            shapes.append(self.leads_to[block][shapes[-1]][space.blocks[block].options.index(option)])
        return tuple(shapes)

    def nodes(self, space: ArchitectureSpace, architecture: Architecture) -> dict[tuple[int, int], Amounts]:
        """Costs of every node by (block, leader)."""
        found = {}
        for leader in sorted({leader for row in architecture.tree.leaders for leader in row}):
            names = [option for _, option in architecture.path(leader)]
            shapes = self.shapes_along(space, names)
            for block, name in enumerate(names):
                if architecture.tree.leaders[block][leader] == leader:
                    option = space.blocks[block].options.index(name)
                    found[block, leader] = self.options[block][shapes[block]][option]
        return found

    def head(self, space: ArchitectureSpace, architecture: Architecture, task: int) -> Amounts:
        """Costs of a task's head."""
        return self.heads[self.shapes_along(space, [option for _, option in architecture.path(task)])[-1]][task]

    def of(self, space: ArchitectureSpace, architecture: Architecture) -> dict[str, float]:
        """Costs of an architecture by name."""
        heads = [self.head(space, architecture, task) for task in range(len(space.tasks))]
        parts = [self.stem, *heads, *self.nodes(space, architecture).values()]
        return dict(zip(self.names, _add(parts), strict=True))

    # Extremes ---------------------------------------------------------------------------------------------------

    def uniform(self, space: ArchitectureSpace, tree: Tree, cost: str, *, largest: bool) -> Architecture:
        """The cheapest (or most expensive) architecture of a tree in which the nodes of a block have equal options."""
        column, sign = self.names.index(cost), -1 if largest else 1
        # Best sum so far of (cost, names) by the shape that it ends in.
        best: dict[int, tuple[float, tuple[str, ...]]] = {0: (0, ())}
        for block, choices in enumerate(space.blocks):
            nodes, following = len(tree.groups(block)), dict[int, tuple[float, tuple[str, ...]]]()
            for shape, (total, names) in best.items():
                for option, name in enumerate(choices.options):
                    after = self.leads_to[block][shape][option]
                    reached = total + sign * nodes * self.options[block][shape][option][column]
                    if after not in following or reached < following[after][0]:
                        following[after] = (reached, (*names, name))
            best = following
        ends = {s: total + sign * sum(head[column] for head in self.heads[s]) for s, (total, _) in best.items()}
        return Architecture.uniform(tree, best[min(ends, key=ends.__getitem__)][1])

    def smallest(self, space: ArchitectureSpace, cost: str) -> float:
        """Smallest reachable cost: one shared tree of cheapest options, since splitting only adds nodes."""
        tree = Tree.shared(len(space.tasks), len(space.blocks))
        return self.of(space, self.uniform(space, tree, cost, largest=False))[cost]

    def largest(self, space: ArchitectureSpace, cost: str) -> float:
        """Largest reachable cost: split as early as branching allows, with the most expensive options.

        With costs of heads that differ and fewer copies than tasks, that of one of the trees of most nodes.
        """
        return self.of(space, self.uniform(space, split_tree(space), cost, largest=True))[cost]

    def meeting(self, space: ArchitectureSpace, budgets: Mapping[str, float]) -> Architecture | None:
        """A hard-sharing architecture that meets all budgets on exact costs at once, or None if nothing does.

        Splitting only adds nodes, so if any tree meets them, hard sharing does. Over its blocks, only sums of options
        that no other sum beats in every cost need to be followed. Names that are not exact costs are ignored.
        """
        limits = [budgets.get(name, float("inf")) for name in self.names]
        reached: dict[tuple[int, Amounts], tuple[str, ...]] = {(0, self.stem): ()}
        for block, choices in enumerate(space.blocks):
            sums = {
                (self.leads_to[block][shape][option], _add([total, self.options[block][shape][option]])): (*names, name)
                for (shape, total), names in reached.items()
                for option, name in enumerate(choices.options)
            }
            sums = {key: names for key, names in sums.items() if _within(key[1], limits)}
            reached = {
                (shape, total): names
                for (shape, total), names in sums.items()
                if not any(other == shape and _dominates(less, total) for other, less in sums)
            }
        for (shape, total), names in reached.items():
            if _within(_add([total, *self.heads[shape]]), limits):
                return Architecture.uniform(Tree.shared(len(space.tasks), len(space.blocks)), names)
        return None

    # JSON ------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "stem": list(self.stem),
            "options": [[[list(amounts) for amounts in shape] for shape in block] for block in self.options],
            "leads_to": [[list(shape) for shape in block] for block in self.leads_to],
            "heads": [[list(amounts) for amounts in shape] for shape in self.heads],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CostTable:
        try:
            names = tuple(map(text, listed(value["names"])))
            table = cls(
                _amounts(value["stem"]),
                tuple(
                    tuple(tuple(map(_amounts, listed(shape))) for shape in listed(block))
                    for block in listed(value["options"])
                ),
                tuple(
                    tuple(tuple(map(whole, listed(shape))) for shape in listed(block))
                    for block in listed(value["leads_to"])
                ),
                tuple(tuple(map(_amounts, listed(shape))) for shape in listed(value["heads"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArchitectureError(f"not a cost table: {brief(str(value)[:80])}") from error
        if names != EXACT_COSTS:
            raise ArchitectureError(f"a cost table of {list(names)} was read, but {list(EXACT_COSTS)} is needed")
        return table


def split_tree(space: ArchitectureSpace) -> Tree:
    """The tree that splits all tasks at the first block where branching is allowed.

    With fewer copies of a block than tasks, into as many groups, tasks being dealt out to them in turn.
    """
    place, tasks = space.split_depths[0], len(space.tasks)
    shared, dealt = (0,) * tasks, tuple(task % space.most_groups for task in range(tasks))
    return Tree(tuple(shared if block < place else dealt for block in range(len(space.blocks))))


def _add(parts: Iterable[Amounts]) -> Amounts:
    return tuple(sum(column) for column in zip(*parts, strict=True))


def _amounts(value: Any) -> Amounts:
    found = tuple(map(finite, listed(value)))
    if any(amount < 0 for amount in found):
        raise ValueError("a cost is negative")
    return found


def _within(total: Amounts, limits: Sequence[float]) -> bool:
    return all(amount <= limit for amount, limit in zip(total, limits, strict=True))


def _dominates(one: Amounts, other: Amounts) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
