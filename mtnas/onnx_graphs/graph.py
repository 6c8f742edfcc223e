"""A network as an ONNX model, with the operators of every node of its tree."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mtnas.architecture import Candidate, QuantizationPolicy

NodeKey = tuple[int, int]
"""(block, leader) of a node of the tree."""

LINEAR = ("Conv", "Gemm", "MatMul")
"""Operators with integer versions worth having; a policy's bits are theirs."""

FOLLOWERS = ("Relu", "Clip")
"""Operators that a runtime fuses into the linear one before them."""


@dataclass(frozen=True)
class FloatGraph:
    """A float network.

    Attributes:
        model: an `onnx.ModelProto`, weights within.
        inputs: names of its inputs.
        outputs: names of its outputs: of the tasks.
        operators: names of the operators of every node of the tree by (block, leader), in the order of the graph.
        layers: names of those that are a layer of torch's. Functions of torch on somebody's own weights, such as the
            projections within `nn.MultiheadAttention`, are none, and stay in float: nothing else knows of their bits.
        apart: names of the tensors that layers read and no module made: they are rounded for layers alone, as in the
            simulation in torch, which sees what modules take and give.
        lost: the name of a layer for each node that has one of which no operator is known: such nodes have no bits.
    """

    model: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: Mapping[NodeKey, tuple[str, ...]]
    layers: frozenset[str]
    apart: frozenset[str]
    lost: Mapping[NodeKey, str]

    @cached_property
    def content(self) -> bytes:
        """The file."""
        return bytes(self.model.SerializeToString())

    @cached_property
    def digest(self) -> str:
        """Changes with anything in the file."""
        return hashlib.sha256(self.content).hexdigest()

    def linear(self, node: NodeKey) -> tuple[str, ...]:
        """Names of a node's linear operators that bits are of: layers whose weights are constants."""
        wanted = self.layers.intersection(self.operators.get(node, ()))
        weights = {tensor.name for tensor in self.model.graph.initializer}
        found = [
            operator.name
            for operator in self.model.graph.node
            if operator.name in wanted and operator.op_type in LINEAR and operator.input[1] in weights
        ]
        return tuple(found)


@dataclass(frozen=True)
class QuantizedGraph:
    """A network under a policy.

    Attributes:
        candidate: with the policy.
        content: the file.
        integer: names of the operators that must run in integers, by (block, leader).
    """

    candidate: Candidate
    content: bytes
    integer: Mapping[NodeKey, tuple[str, ...]]

    @property
    def policy(self) -> QuantizationPolicy:
        return self.candidate.policy


def operators_of(graph: Any) -> Iterator[Any]:
    """The operators of an `onnx.GraphProto`, and of the graphs within them, such as the body of a loop."""
    for operator in graph.node:
        yield operator
        for attribute in operator.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from operators_of(inner)


def input_name(key: str, outputs: Collection[str]) -> str:
    """Name of an input in a file: its key, or another where a task has that name; values of a graph share one scope."""
    return input_name(f"{key}_in", outputs) if key in outputs else key
