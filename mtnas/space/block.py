"""Blocks: layer positions of the encoder, with the operators that may stand there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from mtnas.errors import SpaceError
from mtnas.space.elastic.options import Family, Setting

Operator = Callable[[Any], nn.Module]
"""Makes a module for the shape that enters the block, or for the dict of shapes where a dict of tensors does."""


@dataclass(frozen=True)
class Block:
    """One layer position.

    Args:
        name: name in tables and figures.
        options: operator name -> factory. Every option must give the same output shape, since any of them may be
            followed by any option of the next block; those that `elastic` makes may differ in width. Options belong to
            nodes: two branches may differ. Each has weights of its own, but those that `elastic` makes share theirs.
        branching: whether tasks that still share may part at this block.
    """

    name: str
    options: Mapping[str, Operator]
    branching: bool = True

    def __post_init__(self) -> None:
        if not self.name or any(c in self.name for c in "/.+ "):
            raise SpaceError(f"a block's name must be a word without '/', '.', '+' or blanks, but got '{self.name}'")
        if not isinstance(self.options, Mapping):
            raise SpaceError(
                f"the options of block '{self.name}' must be a dict of operators by name, e.g. {{'conv3': conv(16)}},"
                f" but are a {type(self.options).__name__}"
            )
        if not self.options:
            raise SpaceError(f"block '{self.name}' has no options; give it at least one, e.g. {{'conv3': conv(16)}}")

    def family(self, option: str) -> Family | None:
        """What an elastic option shares weights by; None for an independent one."""
        operator = self.options[option]
        return operator.family if isinstance(operator, Setting) else None
