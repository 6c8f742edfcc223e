"""The set of architectures that a search space contains, as a plain value."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from mtnas.architecture.architecture import Architecture, TaskPath
from mtnas.architecture.counting import TreeCounter
from mtnas.architecture.limited_counting import LimitedTreeCounter
from mtnas.architecture.limits import copies_of
from mtnas.architecture.tree import Tree
from mtnas.errors import ArchitectureError, brief, unknown_name
from mtnas.json_values import listed, text, truth, whole

LONGEST_NAME = 500
"""Characters that a task, a block or an option may be named with: names stand in tables and figures."""


@dataclass(frozen=True)
class BlockChoices:
    """Name of a block, its option names, and whether a group of tasks may split there."""

    name: str
    options: tuple[str, ...]
    branching: bool = True


@dataclass(frozen=True)
class ArchitectureSpace:
    """Task names and the choices of every block: all that is needed to count, draw and vary architectures.

    ``blocks[l].branching`` says whether tasks may part *at* block l, that is use different nodes there although they
    shared the block before. At the first block it says whether they may share nothing at all.

    ``copies`` limits the groups of tasks at a block: the supernetwork has no more copies of its weights. None: as many
    as there are tasks.
    """

    tasks: tuple[str, ...]
    blocks: tuple[BlockChoices, ...]
    copies: int | None = None

    def __post_init__(self) -> None:
        if self.copies is not None and self.copies < 2:
            raise ArchitectureError(
                f"copies must be at least 2, but is {self.copies}; for hard sharing say branching=False of every block"
            )
        for kind, names in (("task", self.tasks), ("block", tuple(block.name for block in self.blocks))):
            if not names:
                raise ArchitectureError(f"a search space needs at least one {kind}, but got none")
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ArchitectureError(f"{kind} names must differ, but '{twice[0]}' is there twice")
        for name in self._names():
            if len(name) > LONGEST_NAME or not name.isprintable():
                raise ArchitectureError(
                    f"a name must be at most {LONGEST_NAME} characters that can be printed on one line, but"
                    f" '{brief(name)}' is not; rename it"
                )
        for block in self.blocks:
            if not block.options:
                raise ArchitectureError(f"block '{block.name}' has no options; give it at least one")
            twice = sorted({name for name in block.options if block.options.count(name) > 1})
            if twice:
                raise ArchitectureError(f"block '{block.name}' has option '{twice[0]}' twice")
            if block.name in ("input", "stem", "head"):
                raise ArchitectureError(
                    f"a block may not be named '{block.name}', which names another part of the network; rename it"
                )

    def _names(self) -> Iterator[str]:
        yield from self.tasks
        for block in self.blocks:
            yield block.name
            yield from block.options

    # Size ------------------------------------------------------------------------------------------------------

    @cached_property
    def most_groups(self) -> int:
        """Largest number of groups of tasks at a block."""
        return len(self.tasks) if self.copies is None else min(self.copies, len(self.tasks))

    @property
    def limited(self) -> bool:
        """Whether there are fewer copies of a block than tasks."""
        return self.most_groups < len(self.tasks)

    def unlimited(self) -> ArchitectureSpace:
        """The same with as many copies as tasks: this space, and all trees of more groups."""
        return replace(self, copies=None)

    def _counter(self, options: Sequence[int] | None = None) -> TreeCounter | LimitedTreeCounter:
        branching = [block.branching for block in self.blocks]
        if self.limited:
            return LimitedTreeCounter(len(self.tasks), branching, self.most_groups, options)
        return TreeCounter(len(self.tasks), branching, options)

    @cached_property
    def _trees(self) -> TreeCounter | LimitedTreeCounter:
        return self._counter()

    @cached_property
    def tree_count(self) -> int:
        """Number of different trees."""
        return self._trees.count()

    @cached_property
    def size(self) -> int:
        """Number of different architectures: trees and options of their nodes."""
        return self._counter([len(block.options) for block in self.blocks]).count()

    def trees(self) -> Iterator[Tree]:
        """Every tree once."""
        return self._trees.enumerate()

    def architectures(self) -> Iterator[Architecture]:
        """Every architecture once. Look at `size` first."""
        for tree in self.trees():
            per_block = [product(block.options, repeat=len(tree.groups(i))) for i, block in enumerate(self.blocks)]
            for options in product(*map(list, per_block)):
                yield Architecture(tree, options)

    # Members ---------------------------------------------------------------------------------------------------

    @cached_property
    def split_depths(self) -> tuple[int, ...]:
        """Numbers of blocks that two tasks may share, ascending: where branching is allowed, and all of them."""
        return (*(i for i, block in enumerate(self.blocks) if block.branching), len(self.blocks))

    def check(self, architecture: Architecture) -> None:
        """Raise ArchitectureError unless the architecture is a member, with the reason."""
        tree = architecture.tree
        if (tree.tasks, tree.blocks) != (len(self.tasks), len(self.blocks)):
            raise ArchitectureError(
                f"the architecture has {tree.tasks} tasks and {tree.blocks} blocks,"
                f" but the space has {len(self.tasks)} and {len(self.blocks)}"
            )
        above: tuple[int, ...] = (0,) * tree.tasks
        for block, row, names in zip(self.blocks, tree.leaders, architecture.options, strict=True):
            if row != above and not block.branching:
                raise ArchitectureError(
                    f"the architecture branches at block '{block.name}', where branching is not allowed"
                )
            for name in names:
                if name not in block.options:
                    raise ArchitectureError(f"block '{block.name}': {unknown_name('option', name, block.options)}")
            above = row
        groups = len(set(tree.leaders[-1]))
        if groups > self.most_groups:
            raise ArchitectureError(
                f"the architecture has {groups} groups of tasks at block '{self.blocks[-1].name}', but the space has"
                f" {self.most_groups} copies of a block"
            )

    def weights_path(self, architecture: Architecture, task: int) -> TaskPath:
        """The weights that a task uses, from the first block to the last: numbers of copies, and options."""
        copies = copies_of(architecture.tree, self.most_groups)
        return tuple((row[task], option) for row, (_, option) in zip(copies, architecture.path(task), strict=True))

    def draw_tree(self, rng: random.Random) -> Tree:
        """A tree, uniform over all trees."""
        return self._trees.draw(rng)

    def draw(self, rng: random.Random) -> Architecture:
        """An architecture: a uniform tree, then uniform options for its nodes."""
        tree = self.draw_tree(rng)
        return self.draw_options(tree, rng)

    def draw_options(self, tree: Tree, rng: random.Random) -> Architecture:
        """A tree's architecture with uniform options."""
        return Architecture(
            tree,
            tuple(tuple(rng.choice(block.options) for _ in tree.groups(i)) for i, block in enumerate(self.blocks)),
        )

    # JSON ------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "tasks": list(self.tasks),
            "blocks": [{"name": b.name, "options": list(b.options), "branching": b.branching} for b in self.blocks],
            **({} if self.copies is None else {"copies": self.copies}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ArchitectureSpace:
        try:
            blocks = tuple(
                BlockChoices(text(b["name"]), tuple(text(o) for o in listed(b["options"])), truth(b["branching"]))
                for b in listed(value["blocks"])
            )
            copies = whole(value["copies"]) if "copies" in value else None
            return cls(tuple(text(task) for task in listed(value["tasks"])), blocks, copies)
        except (KeyError, TypeError) as error:
            raise ArchitectureError(f"not a space of architectures: {brief(str(value)[:80])}") from error
