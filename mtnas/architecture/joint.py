"""Architectures and the bits of their nodes, searched together: a space whose options say both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.candidate import Candidate
from mtnas.architecture.policy import FLOAT, Bits, QuantizationPolicy, notation
from mtnas.architecture.space import ArchitectureSpace, BlockChoices
from mtnas.errors import ArchitectureError


@dataclass(frozen=True)
class JointSpace:
    """Candidates as members of a space of architectures, so that whatever searches these searches policies, too.

    Its option ``conv-8 W8A8`` is the base's ``conv-8`` in integers of 8 bits; in float it keeps its name. An option
    without layers that bits could be of, such as a skip, is there in float only, so that different members are
    different networks.

    Args:
        base: the architectures.
        precisions: bits that a node may have; float is among them.
        quantizable: whether bits make a difference to an option, ``[block][option]``.
    """

    base: ArchitectureSpace
    precisions: tuple[Bits, ...]
    quantizable: tuple[tuple[bool, ...], ...]

    def __post_init__(self) -> None:
        if FLOAT not in self.precisions or len(set(self.precisions)) < len(self.precisions):
            raise ArchitectureError(
                f"the precisions {list(self.precisions)} must differ, and {FLOAT} (float) must be among them"
            )

    @classmethod
    def in_float(cls, base: ArchitectureSpace) -> JointSpace:
        """The architectures alone."""
        return cls(base, (FLOAT,), tuple((False,) * len(block.options) for block in base.blocks))

    @classmethod
    def holding(cls, base: ArchitectureSpace, candidates: Iterable[Candidate]) -> JointSpace:
        """The smallest space that has some candidates: an option has bits if a node of theirs does.

        Raises:
            ArchitectureError: if the architecture of one is not in the base.
        """
        able = [[False] * len(block.options) for block in base.blocks]
        precisions = {FLOAT}
        for candidate in candidates:
            base.check(candidate.architecture)
            for block, group, name in candidate.architecture.nodes():
                bits = candidate.policy.bits(block, group[0])
                precisions.add(bits)
                able[block][base.blocks[block].options.index(name)] |= bits != FLOAT
        return cls(base, tuple(sorted(precisions, reverse=True)), tuple(map(tuple, able)))

    @cached_property
    def choices(self) -> tuple[tuple[tuple[int, Bits], ...], ...]:
        """(number of the base's option, bits) of every option, ``[block][option]``; float ones come first."""
        ordered = sorted(self.precisions, key=lambda bits: bits != FLOAT)
        return tuple(
            tuple((option, bits) for bits in ordered for option, able in enumerate(row) if able or bits == FLOAT)
            for row in self.quantizable
        )

    @cached_property
    def parts(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Operator and bits of every option as numbers, ``[block][option][part]``; without bits the operator alone."""
        if len(self.precisions) == 1:
            return tuple(tuple((option,) for option, _ in block) for block in self.choices)
        ordered = sorted(self.precisions, key=lambda bits: bits != FLOAT)
        return tuple(tuple((option, ordered.index(bits)) for option, bits in block) for block in self.choices)

    @cached_property
    def product(self) -> ArchitectureSpace:
        """The space of architectures whose options say the bits, too."""
        blocks = tuple(
            BlockChoices(
                block.name, tuple(_named(block.options[option], bits) for option, bits in choices), block.branching
            )
            for block, choices in zip(self.base.blocks, self.choices, strict=True)
        )
        return ArchitectureSpace(self.base.tasks, blocks, self.base.copies)

    @cached_property
    def _split(self) -> tuple[dict[str, tuple[str, Bits]], ...]:
        return tuple(
            {name: (block.options[option], bits) for name, (option, bits) in zip(joined.options, choices, strict=True)}
            for block, joined, choices in zip(self.base.blocks, self.product.blocks, self.choices, strict=True)
        )

    def split(self, member: Architecture) -> Candidate:
        """The candidate that a member of `product` stands for."""
        self.product.check(member)
        bits = {(block, group[0]): self._split[block][name][1] for block, group, name in member.nodes()}
        options = tuple(tuple(self._split[block][name][0] for name in row) for block, row in enumerate(member.options))
        return Candidate(Architecture(member.tree, options), QuantizationPolicy.of(bits))

    def join(self, candidate: Candidate) -> Architecture:
        """The member of `product` that stands for a candidate; bits that make no difference are left out.

        Raises:
            ArchitectureError: for an architecture or bits that are not in the space.
        """
        architecture = candidate.architecture
        self.base.check(architecture)
        for node, bits in candidate.policy.entries:
            if bits not in self.precisions:
                offered = ", ".join(map(notation, self.precisions))
                raise ArchitectureError(f"node {node} has {notation(bits)}, but the space has {offered}")
        options = tuple(
            tuple(
                self._joined(block, name, candidate.policy.bits(block, group[0]))
                for group, name in zip(architecture.tree.groups(block), row, strict=True)
            )
            for block, row in enumerate(architecture.options)
        )
        return Architecture(architecture.tree, options)

    def _joined(self, block: int, option: str, bits: Bits) -> str:
        able = self.quantizable[block][self.base.blocks[block].options.index(option)]
        return _named(option, bits if able else FLOAT)

    def canonical(self, candidate: Candidate) -> Candidate:
        """The same network without bits that make no difference."""
        return self.split(self.join(candidate))


def _named(option: str, bits: Bits) -> str:
    return option if bits == FLOAT else f"{option} {notation(bits)}"
