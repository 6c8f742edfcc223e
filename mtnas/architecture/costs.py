"""Exact costs of an architecture: they add up over its nodes, so a table of them is all that is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.space import ArchitectureSpace
from mtnas.architecture.tree import Tree
from mtnas.errors import ArchitectureError

EXACT_COSTS = ("params", "macs")
"""Names of the costs that are counted, never measured or predicted. 1 MAC = 1 (not 2)."""

Amounts = tuple[int, ...]
"""One number per name in `EXACT_COSTS`."""


@dataclass(frozen=True)
class CostTable:
    """Costs of the stem, of every option of every block, and of every head, in the order of `EXACT_COSTS`."""

    stem: Amounts
    options: tuple[tuple[Amounts, ...], ...]  # [block][option]
    heads: tuple[Amounts, ...]  # [task]

    def of(self, space: ArchitectureSpace, architecture: Architecture) -> dict[str, int]:
        """Costs of an architecture by name."""
        parts = [self.stem, *self.heads]
        for block, _, option in architecture.nodes():
            parts.append(self.options[block][space.blocks[block].options.index(option)])
        return dict(zip(EXACT_COSTS, _add(parts), strict=True))

    def node(self, space: ArchitectureSpace, block: int, option: str) -> dict[str, int]:
        """Costs of one node by name."""
        return dict(zip(EXACT_COSTS, self.options[block][space.blocks[block].options.index(option)], strict=True))

    def uniform(self, space: ArchitectureSpace, tree: Tree, cost: str, *, largest: bool) -> Architecture:
        """The architecture of a tree in which every node has its block's cheapest (or most expensive) option."""
        column = EXACT_COSTS.index(cost)
        choose = max if largest else min
        names = []
        for block, amounts in zip(space.blocks, self.options, strict=True):
            best = choose(range(len(amounts)), key=lambda i: amounts[i][column])
            names.append(block.options[best])
        return Architecture.uniform(tree, tuple(names))

    def smallest(self, space: ArchitectureSpace, cost: str) -> int:
        """Smallest reachable cost: one shared tree of cheapest options, since splitting only adds nodes."""
        tree = Tree.shared(len(space.tasks), len(space.blocks))
        return self.of(space, self.uniform(space, tree, cost, largest=False))[cost]

    def largest(self, space: ArchitectureSpace, cost: str) -> int:
        """Largest reachable cost: split as early as branching allows, with the most expensive options."""
        return self.of(space, self.uniform(space, split_tree(space), cost, largest=True))[cost]

    def meeting(self, space: ArchitectureSpace, budgets: Mapping[str, float]) -> Architecture | None:
        """A hard-sharing architecture that meets all budgets on exact costs at once, or None if nothing does.

        Splitting only adds nodes, so if any tree meets them, hard sharing does. Over its blocks, only sums of options
        that no other sum beats in every cost need to be followed. Names that are not exact costs are ignored.
        """
        limits = [budgets.get(name, float("inf")) for name in EXACT_COSTS]
        reached: dict[Amounts, tuple[str, ...]] = {_add([self.stem, *self.heads]): ()}
        for block, options in zip(space.blocks, self.options, strict=True):
            sums = {
                _add([total, amounts]): (*names, name)
                for total, names in reached.items()
                for name, amounts in zip(block.options, options, strict=True)
            }
            sums = {t: names for t, names in sums.items() if all(a <= b for a, b in zip(t, limits, strict=True))}
            reached = {t: names for t, names in sums.items() if not any(_dominates(other, t) for other in sums)}
        if not reached:
            return None
        return Architecture.uniform(Tree.shared(len(space.tasks), len(space.blocks)), next(iter(reached.values())))

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(EXACT_COSTS),
            "stem": list(self.stem),
            "options": [[list(amounts) for amounts in block] for block in self.options],
            "heads": [list(amounts) for amounts in self.heads],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CostTable:
        try:
            names = tuple(value["names"])
            table = cls(
                tuple(int(n) for n in value["stem"]),
                tuple(tuple(tuple(int(n) for n in amounts) for amounts in block) for block in value["options"]),
                tuple(tuple(int(n) for n in amounts) for amounts in value["heads"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArchitectureError(f"not a cost table: {str(value)[:80]}") from error
        if names != EXACT_COSTS:
            raise ArchitectureError(f"a cost table of {list(names)} was read, but {list(EXACT_COSTS)} is needed")
        return table


def split_tree(space: ArchitectureSpace) -> Tree:
    """The tree that splits all tasks at the first block where branching is allowed."""
    tasks = len(space.tasks)
    first = space.split_depths[0]
    shared, alone = (0,) * tasks, tuple(range(tasks))
    return Tree(tuple(alone if block >= first else shared for block in range(len(space.blocks))))


def _add(parts: Iterable[Amounts]) -> Amounts:
    return tuple(sum(column) for column in zip(*parts, strict=True))


def _dominates(one: Amounts, other: Amounts) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
