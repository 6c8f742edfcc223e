"""The search space: a value, declared in Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from torch import nn

from mtnas.architecture import ArchitectureSpace, BlockChoices
from mtnas.errors import SpaceError, unknown_name
from mtnas.space.block import Block
from mtnas.space.dry_run import DryRun, dry_run
from mtnas.space.elastic.slicing import leading
from mtnas.space.shapes import Input, InputShape
from mtnas.space.task import Task

Stem = Callable[[InputShape], nn.Module]
"""Makes the module that turns the data's input into what enters the first block."""


@dataclass(frozen=True)
class SearchSpace:
    """Tasks, blocks and an optional stem.

    Args:
        tasks: the tasks; their order fixes which copy of a block a group of tasks uses (the first one's).
        blocks: the encoder, first to last.
        stem: makes the module in front of the first block for the shape of the input (a dict of shapes when the input
            is a dict of tensors). It is shared by all tasks in every candidate. None: the input, tensor or dict, goes
            to the first block as it is, so that the fully split network is truly one network per task.
        copies: most groups of tasks at a block, for many tasks: the supernetwork then has no more copies of a block's
            weights. None: as many as there are tasks, so that each can have a network of its own.
    """

    tasks: Sequence[Task]
    blocks: Sequence[Block]
    stem: Stem | None = None
    copies: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "blocks", tuple(self.blocks))
        self.architectures  # noqa: B018 - raises on names that are missing or there twice

    @cached_property
    def architectures(self) -> ArchitectureSpace:
        """The architectures that this space contains, as a value without torch."""
        return ArchitectureSpace(
            tuple(task.name for task in self.tasks),
            tuple(BlockChoices(block.name, tuple(block.options), block.branching) for block in self.blocks),
            self.copies,
        )

    def unlimited(self) -> SearchSpace:
        """The same with as many copies of a block as tasks."""
        return replace(self, copies=None)

    def task(self, name: str) -> Task:
        """The task of that name."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise SpaceError(unknown_name("task", name, self.architectures.tasks))

    def make_stem(self, shape: InputShape) -> nn.Module:
        """The stem for an input of that shape."""
        return nn.Identity() if self.stem is None else self.stem(shape)

    def dry_run(self, x: Input, batch_size: int = 2, *, sharing: bool = True) -> DryRun:
        """Run every operator once on a batch ``x``; all shapes and costs, or SpaceError where one does not fit."""
        return dry_run(self, x, batch_size, sharing=sharing)

    def describe(self, found: DryRun) -> dict[str, Any]:
        """The space as JSON: enough to tell two spaces apart and to read results without the space's code."""
        modules, shared = {}, {}
        for block, shapes, largest in zip(self.blocks, found.shapes[:-1], found.largest, strict=True):
            modules[block.name] = {name: _text(make(shapes[0])) for name, make in block.options.items()}
            names = list(block.options)
            shared[block.name] = {name: names[largest[i][0]] for i, name in enumerate(names) if largest[i][0] != i}
        slicings = {
            block.name: {name: _name(family.slicing) for name in block.options if (family := block.family(name))}
            for block in self.blocks
        }
        plain = all(slicing == _name(leading) for names in slicings.values() for slicing in names.values())
        return {
            **({} if plain else {"slicing": slicings}),
            "architectures": self.architectures.to_json(),
            "costs": found.costs.to_json(),
            "input": found.input if isinstance(found.input, dict) else list(found.input),
            "stem": _text(self.make_stem(found.input)),
            "modules": modules,
            "shared_weights": shared,
            "heads": {task.name: _text(task.head(found.shapes[-1][0])) for task in self.tasks},
            "losses": {task.name: _name(task.loss) for task in self.tasks},
            "errors": {task.name: _name(task.error) for task in self.tasks},
            "weights": {task.name: task.weight for task in self.tasks},
        }


def _text(module: nn.Module) -> str:
    return re.sub(r"\s+", " ", repr(module))


def _name(thing: Any) -> str:
    """What a loss or error is, without memory addresses, which differ from process to process."""
    if isinstance(thing, partial):
        given = [repr(value) for value in thing.args] + [f"{key}={value!r}" for key, value in thing.keywords.items()]
        return f"{_name(thing.func)}({', '.join(given)})"
    if hasattr(thing, "__qualname__"):
        return str(thing.__qualname__)
    text = repr(thing)
    return type(thing).__qualname__ if " at 0x" in text else text
