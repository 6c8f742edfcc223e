"""The weights of one copy of a block, and of a head: whole modules, and slices of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mtnas.space.block import Block, Operator
from mtnas.space.elastic import Sliced, Slicing, leading
from mtnas.space.shapes import InputShape


class Operators(nn.Module):
    """All options of one copy of a block, for every shape that may enter it.

    Options with weights of their own have a module each. Settings of an elastic operator share that of the largest,
    and so does an option that several shapes can enter: the others compute with slices of it.

    Args:
        block: the block.
        shapes: those that may enter.
        largest: for every option, the (option, entering shape) that holds its weights; numbers.
    """

    def __init__(self, block: Block, shapes: Sequence[InputShape], largest: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._largest = tuple(largest)
        makes, names = list(block.options.values()), list(block.options)
        self.whole = nn.ModuleDict()
        for option, number in dict.fromkeys(largest):
            self.whole[f"{option}-{number}"] = makes[option](shapes[number])
        self.sliced = nn.ModuleDict()
        for option, make in enumerate(makes):
            family = block.family(names[option])
            for number, shape in enumerate(shapes):
                if (option, number) != largest[option]:
                    full = self.whole["{}-{}".format(*largest[option])]
                    slicing = family.slicing if family else leading
                    self.sliced[f"{option}-{number}"] = _sliced(full, make, shape, slicing)

    def module(self, option: int, entering: int) -> nn.Module:
        """The module of an option for an entering shape; numbers."""
        whole = self._largest[option] == (option, entering)
        return (self.whole if whole else self.sliced)[f"{option}-{entering}"]


class OfShapes(nn.Module):
    """A head for every shape that may enter it, with the weights of the largest.

    Args:
        make: makes the head for a shape.
        shapes: those that may enter.
        largest: number of the one whose head holds the weights.
    """

    def __init__(self, make: Operator, shapes: Sequence[InputShape], largest: int) -> None:
        super().__init__()
        self._largest = largest
        self.whole = make(shapes[largest])
        self.sliced = nn.ModuleDict(
            {
                str(number): _sliced(self.whole, make, shape, leading)
                for number, shape in enumerate(shapes)
                if number != largest
            }
        )

    def module(self, entering: int) -> nn.Module:
        """The head for an entering shape, by number."""
        return self.whole if entering == self._largest else self.sliced[str(entering)]


def _sliced(full: nn.Module, make: Operator, shape: InputShape, slicing: Slicing) -> Sliced:
    with torch.random.fork_rng(devices=[]):  # weights that are thrown away must not change those that are kept
        return Sliced(full, make(shape), slicing)
