"""Quantization policies: bits of every node's weights and activations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtnas.errors import ArchitectureError, brief
from mtnas.json_values import listed, whole

FLOAT_BITS = 32

Bits = tuple[int, int]
"""Bits of a node's weights, and of the activations that its layers read and write."""

FLOAT: Bits = (FLOAT_BITS, FLOAT_BITS)
INT8: Bits = (8, 8)

W7A8: Bits = (7, 8)
"""Weights of 7 bits, each in a byte, and activations of 8.

Two products of these, 2 * 255 * 64, can be added up in 16 bits, which the 8-bit instructions of x86 CPUs without VNNI
do. There, onnxruntime runs networks with them up to 1.6 times as fast as with `INT8`, which it must run another way.
"""

W4A8: Bits = (4, 8)
"""Weights of 4 bits, two in a byte, and activations of 8: half the size of `INT8`, at the speed of it.

A runtime opens them to bytes when it loads a file, and computes with these. They cannot overflow where those of
8 bits do, see `W7A8`.
"""


def notation(bits: Bits) -> str:
    """Bits as people write them.

    >>> notation((8, 16)), notation((32, 32))
    ('W8A16', 'float')
    """
    return "float" if bits == FLOAT else f"W{bits[0]}A{bits[1]}"


@dataclass(frozen=True, order=True)
class QuantizationPolicy:
    """Bits of the nodes that are not float, as sorted ``((block, leader), (weight bits, activation bits))``.

    A node that is not named is float (32 bits), so the empty policy is the float network and equal policies compare
    equal: an entry of (32, 32) is dropped.
    """

    entries: tuple[tuple[tuple[int, int], Bits], ...] = ()

    def __post_init__(self) -> None:
        for node, bits in self.entries:
            if not all(1 <= b <= FLOAT_BITS for b in bits):
                raise ArchitectureError(
                    f"node {node} is given bits {bits}, but bits are 1 to {FLOAT_BITS} ({FLOAT_BITS} = float)"
                )
        if len({node for node, _ in self.entries}) != len(self.entries):
            raise ArchitectureError(f"a policy names a node twice: {self.entries}")
        kept = tuple(sorted((node, bits) for node, bits in self.entries if bits != FLOAT))
        object.__setattr__(self, "entries", kept)

    @classmethod
    def of(cls, bits: Mapping[tuple[int, int], Bits]) -> QuantizationPolicy:
        """Policy from ``{(block, leader): (weight bits, activation bits)}``."""
        return cls(tuple(bits.items()))

    @classmethod
    def uniform(cls, nodes: Iterable[tuple[int, int]], weights: int, activations: int) -> QuantizationPolicy:
        """The same bits for all of these nodes."""
        return cls.of(dict.fromkeys(nodes, (weights, activations)))

    @property
    def nodes(self) -> tuple[tuple[int, int], ...]:
        """Nodes that are not float, as (block, leader)."""
        return tuple(node for node, _ in self.entries)

    def bits(self, block: int, leader: int) -> Bits:
        """(weight bits, activation bits) of a node."""
        return dict(self.entries).get((block, leader), FLOAT)

    def to_json(self) -> list[dict[str, int]]:
        return [
            {"block": node[0], "leader": node[1], "weights": bits[0], "activations": bits[1]}
            for node, bits in self.entries
        ]

    @classmethod
    def from_json(cls, value: Sequence[Mapping[str, Any]]) -> QuantizationPolicy:
        try:
            return cls(
                tuple(
                    ((whole(e["block"]), whole(e["leader"])), (whole(e["weights"]), whole(e["activations"])))
                    for e in listed(value)
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArchitectureError(f"not a quantization policy: {brief(str(value)[:80])}") from error
