"""What the time of a node depends on beside its MACs: the layers it consists of, and what it meets at its ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from mtnas.quantizing.ends import Ends
from mtnas.quantizing.tracing import Trace, trace
from mtnas.quantizing.wiring import is_linear
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input, InputShape, head_of, input_shape
from mtnas.space.threads import cpu_threads


@dataclass(frozen=True)
class Layers:
    """The layers of an operator that runtimes have kernels for: those in groups, as depthwise ones, and all others.

    Attributes:
        dense: number of calls of linear layers and of convolutions in which every output channel sees every input.
        grouped: number of calls of other convolutions.
        dense_macs: of the former, for one sample.
        grouped_macs: of the latter.
    """

    dense: int = 0
    grouped: int = 0
    dense_macs: int = 0
    grouped_macs: int = 0

    @classmethod
    def seen(cls, seen: Trace) -> Layers:
        """In one pass of an operator."""
        calls, macs = [0, 0], [0, 0]
        for visit in seen.visits:
            layer = visit.module
            if is_linear(layer):
                assert isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
                kind = int(not isinstance(layer, nn.Linear) and layer.groups > 1)
                calls[kind] += 1
                macs[kind] += visit.elements // 2 * layer.weight[0].numel()
        return cls(*calls, *macs)


@dataclass(frozen=True)
class Structure:
    """Of all operators of a space. Empty: not known.

    Attributes:
        ends: how every operator meets its neighbours, ``[block][operator]``.
        layers: of every operator, ``[block][entering shape][operator]``.
        elements: of one sample's tensor that enters a block, or the heads behind the last, ``[block][entering shape]``.
            Of a dict of tensors, all together.
    """

    ends: tuple[tuple[Ends, ...], ...] = ()
    layers: tuple[tuple[tuple[Layers, ...], ...], ...] = ()
    elements: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, space: SearchSpace, found: DryRun, example: Input) -> Structure:
        """Of a space.

        Args:
            found: by a dry run of it.
            example: a batch of inputs.
        """
        ends, layers = [], []
        with aside():
            for block, entering in zip(space.blocks, entering_values(space, found, example)[:-1], strict=True):
                passes = [
                    [trace(make(input_shape(value)).eval(), value) for make in block.options.values()]
                    for value in entering
                ]
                ends.append(tuple(map(Ends.seen, passes[0])))  # widths make no difference
                layers.append(tuple(tuple(map(Layers.seen, row)) for row in passes))
        elements = tuple(tuple(map(_elements, shapes)) for shapes in found.shapes)
        return cls(tuple(ends), tuple(layers), elements)


UNKNOWN = Structure()
"""Of operators that nobody looked at."""


@contextmanager
def aside() -> Iterator[None]:
    """Operators are made and run without a trace: no gradients, no random numbers of the caller's, one thread."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), cpu_threads(1):
        yield


def entering_values(space: SearchSpace, found: DryRun, example: Input) -> list[list[Input]]:
    """Two samples for every shape that enters a block, and then the heads: made of each other as in a network.

    Args:
        found: by a dry run of the space.
        example: a batch of inputs.
    """
    x = head_of(example, 2)
    values: list[Input] = [space.make_stem(input_shape(x)).eval()(x)]
    met = []
    for block, shapes in zip(space.blocks, found.shapes[:-1], strict=True):
        met.append(_ordered(values, shapes))
        values = [make(input_shape(value)).eval()(value) for value in met[-1] for make in block.options.values()]
    return [*met, _ordered(values, found.shapes[-1])]


def _ordered(values: list[Input], shapes: tuple[InputShape, ...]) -> list[Input]:
    """The first value of every shape, in their order."""
    found = [input_shape(value) for value in values]
    return [values[found.index(shape)] for shape in shapes]


def _elements(shape: InputShape) -> int:
    return sum(map(math.prod, shape.values())) if isinstance(shape, dict) else math.prod(shape)
