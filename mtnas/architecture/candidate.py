"""Candidates: what is searched, an architecture and a quantization policy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mtnas.architecture.architecture import Architecture
from mtnas.architecture.policy import Bits, QuantizationPolicy
from mtnas.errors import ArchitectureError


@dataclass(frozen=True, order=True)
class Candidate:
    """An architecture and the bits of its nodes (float when no policy is given)."""

    architecture: Architecture
    policy: QuantizationPolicy = field(default_factory=QuantizationPolicy)

    def __post_init__(self) -> None:
        nodes = {(block, group[0]) for block, group in self.architecture.tree.nodes()}
        for node in self.policy.nodes:
            if node not in nodes:
                raise ArchitectureError(
                    f"the policy sets bits for block {node[0]} led by task {node[1]}, but this tree has no such node"
                )

    @classmethod
    def uniform(cls, architecture: Architecture, bits: Bits) -> Candidate:
        """An architecture with the same bits for all its nodes.

        Args:
            bits: (weight bits, activation bits), such as `INT8`.
        """
        nodes = ((block, group[0]) for block, group in architecture.tree.nodes())
        return cls(architecture, QuantizationPolicy.uniform(nodes, *bits))

    @property
    def id(self) -> str:
        """Ten hexadecimal digits that depend on the value only, the same on every machine."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def to_json(self) -> dict[str, Any]:
        value = self.architecture.to_json()
        if self.policy.nodes:
            value["policy"] = self.policy.to_json()
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Candidate:
        return cls(Architecture.from_json(value), QuantizationPolicy.from_json(value.get("policy", [])))
