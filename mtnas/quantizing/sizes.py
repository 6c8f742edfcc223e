"""Exact costs of a space in which nodes have bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from mtnas.architecture import FLOAT, SIZE, Bits, CostTable, JointSpace
from mtnas.architecture.costs import Amounts
from mtnas.quantizing.bytes import operator_bytes
from mtnas.quantizing.ends import Ends
from mtnas.quantizing.scheme import check_bits
from mtnas.quantizing.wiring import wire
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input, InputShape, head_of, input_shape
from mtnas.space.threads import cpu_threads


@dataclass(frozen=True)
class JointCosts:
    """A space with bits, and what its members cost: ``params``, ``macs`` and ``size_kib``.

    Attributes:
        ends: of every operator, ``[block][operator]``; empty: not known, or of no interest, as where all is in float.
        elements: of one sample's tensor that enters a block, or the heads behind the last, ``[block][entering shape]``.
            Of a dict of tensors, all together.
    """

    space: JointSpace
    table: CostTable
    ends: tuple[tuple[Ends, ...], ...] = ()
    elements: tuple[tuple[int, ...], ...] = ()


def joint_costs(space: SearchSpace, found: DryRun, example: Input, precisions: Sequence[Bits]) -> JointCosts:
    """The space of candidates whose nodes have one of some precisions, with its costs.

    The size is that of the weights as `network_bytes` counts them, in KiB: what an exported file holds beside the
    description of its graph.

    Args:
        found: by a dry run of the space.
        example: a batch of inputs.
        precisions: bits of weights and activations that a node may have; float is among them.

    Raises:
        QuantizationError: for bits that integers do not have.
    """
    for bits in precisions:
        for of, number in zip(("a weight", "an activation"), bits, strict=True):
            check_bits(number, of)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), cpu_threads(1):
        x = head_of(example, 2)
        stem = space.make_stem(input_shape(x)).eval()
        # Inputs of every block by the shape that enters, made of each other as in a network.
        values = [stem(x)]
        stem_kib = _kib(stem, x, FLOAT)
        able: list[tuple[bool, ...]] = []
        ends: list[list[Ends]] = []
        sizes: list[list[list[dict[Bits, float]]]] = []  # [block][entering shape][option]
        for block, shapes, following in zip(space.blocks, found.shapes[:-1], found.shapes[1:], strict=True):
            leaving: list[Input] = []
            rows, quantizable = [], [False] * len(block.options)
            entering = _ordered(values, shapes)
            ends.append([])
            for value in entering:
                row = []
                for number, make in enumerate(block.options.values()):
                    operator = make(input_shape(value)).eval()
                    quantizable[number] |= bool(wire(operator, value))
                    if value is entering[0]:  # widths make no difference
                        ends[-1].append(Ends.of(operator, value))
                    row.append({bits: _kib(operator, value, bits) for bits in precisions})
                    leaving.append(operator(value))
                rows.append(row)
            able.append(tuple(quantizable))
            sizes.append(rows)
            values = _ordered(leaving, following)
        heads = [[_kib(task.head(input_shape(v)).eval(), v, FLOAT) for task in space.tasks] for v in values]
    joint = JointSpace(space.architectures, tuple(precisions), tuple(able))
    table = _joined(joint, found.costs, stem_kib, sizes, heads)
    return JointCosts(joint, table, tuple(map(tuple, ends)), _elements_between(found))


def _elements_between(found: DryRun) -> tuple[tuple[int, ...], ...]:
    """`JointCosts.elements`."""
    return tuple(tuple(_elements(shape) for shape in shapes) for shapes in found.shapes)


def _elements(shape: InputShape) -> int:
    return sum(map(math.prod, shape.values())) if isinstance(shape, dict) else math.prod(shape)


def _joined(
    joint: JointSpace,
    costs: CostTable,
    stem: float,
    sizes: Sequence[Sequence[Sequence[dict[Bits, float]]]],
    heads: Sequence[Sequence[float]],
) -> CostTable:
    """The table of the joint space, with sizes in the last column."""
    options = tuple(
        tuple(
            tuple((*amounts[option], row[option][bits]) for option, bits in choices)
            for amounts, row in zip(of_block, rows, strict=True)
        )
        for choices, of_block, rows in zip(joint.choices, costs.options, sizes, strict=True)
    )
    of_heads: tuple[tuple[Amounts, ...], ...] = tuple(
        tuple((*amounts, kib) for amounts, kib in zip(row, kibs, strict=True))
        for row, kibs in zip(costs.heads, heads, strict=True)
    )
    return replace(
        costs.picked([[option for option, _ in choices] for choices in joint.choices]),
        stem=(*costs.stem, stem),
        options=options,
        heads=of_heads,
        names=(*costs.names, SIZE),
    )


def _ordered(values: Sequence[Input], shapes: Sequence[InputShape]) -> list[Input]:
    """The first value of every shape, in their order."""
    found = [input_shape(value) for value in values]
    return [values[found.index(shape)] for shape in shapes]


def _kib(operator: nn.Module, x: Input, bits: Bits) -> float:
    return operator_bytes(operator, x, bits[0]) / 1024
