"""Exact costs of a space in which nodes have bits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from mtnas.architecture import FLOAT, SIZE, Bits, Candidate, CostTable, JointSpace
from mtnas.architecture.costs import Amounts
from mtnas.quantizing.bytes import operator_bytes
from mtnas.quantizing.scheme import check_bits
from mtnas.quantizing.structure import UNKNOWN, Structure, aside, entering_values
from mtnas.quantizing.wiring import wire
from mtnas.space.dry_run import DryRun
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input, head_of, input_shape


@dataclass(frozen=True)
class JointCosts:
    """A space with bits, and what its members cost: ``params``, ``macs`` and ``size_kib``.

    Attributes:
        structure: what latency depends on beside these.
        idle: whether an option of the space's `product` does nothing, ``[block][option]``. Empty: not known.
    """

    space: JointSpace
    table: CostTable
    structure: Structure = UNKNOWN
    idle: tuple[tuple[bool, ...], ...] = ()

    def same(self, candidate: Candidate) -> Hashable:
        """What two candidates have in common if, and only if, they are one network.

        Which tasks share a node that does nothing makes no difference, nor do bits of what has no layers.
        """
        member = self.space.join(candidate)
        return tuple(
            tuple(None if step[1] in at_rest else step for step, at_rest in zip(path, self._at_rest, strict=True))
            for path in map(member.path, range(len(self.space.base.tasks)))
        )

    @cached_property
    def _at_rest(self) -> tuple[frozenset[str], ...]:
        """Names of the idle options, ``[block]``."""
        blocks = self.space.product.blocks
        idle = self.idle or ((False,) * len(block.options) for block in blocks)
        return tuple(
            frozenset(name for name, still in zip(block.options, row, strict=True) if still)
            for block, row in zip(blocks, idle, strict=True)
        )


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
    with aside():
        values = entering_values(space, found, example)
        x = head_of(example, 2)
        stem_kib = _kib(space.make_stem(input_shape(x)).eval(), x, FLOAT)
        able: list[tuple[bool, ...]] = []
        sizes: list[list[list[dict[Bits, float]]]] = []  # [block][entering shape][option]
        for block, entering in zip(space.blocks, values[:-1], strict=True):
            rows, quantizable = [], [False] * len(block.options)
            for value in entering:
                row = []
                for number, make in enumerate(block.options.values()):
                    operator = make(input_shape(value)).eval()
                    quantizable[number] |= bool(wire(operator, value))
                    row.append({bits: _kib(operator, value, bits) for bits in precisions})
                rows.append(row)
            able.append(tuple(quantizable))
            sizes.append(rows)
        heads = [[_kib(task.head(input_shape(v)).eval(), v, FLOAT) for task in space.tasks] for v in values[-1]]
    joint = JointSpace(space.architectures, tuple(precisions), tuple(able))
    table = _joined(joint, found.costs, stem_kib, sizes, heads)
    idle = tuple(
        tuple(of_block[option] for option, _ in choices)
        for of_block, choices in zip(found.idle, joint.choices, strict=True)
    )
    return JointCosts(joint, table, Structure.of(space, found, example), idle)


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


def _kib(operator: nn.Module, x: Input, bits: Bits) -> float:
    return operator_bytes(operator, x, bits[0]) / 1024
