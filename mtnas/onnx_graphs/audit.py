"""What a runtime really runs in integers, against what the policy says."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtnas.errors import ExportError
from mtnas.onnx_graphs.graph import LINEAR, FloatGraph, QuantizedGraph
from mtnas.onnx_graphs.packages import onnx
from mtnas.onnx_graphs.session import CPU, open_session

INTEGER = ("QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat")
"""Operators of onnxruntime that multiply integers."""


@dataclass(frozen=True)
class Audit:
    """Names of the linear operators of a network that run in integers, and of those that run in float."""

    integer: frozenset[str]
    floating: frozenset[str]


def audit(
    graph: FloatGraph, quantized: QuantizedGraph, *, threads: int = 1, providers: Sequence[str] = (CPU,)
) -> Audit:
    """Open the file, and compare the optimized graph with the policy.

    Raises:
        ExportError: naming the first operator that runs otherwise than the policy says.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        open_session(quantized.content, threads=threads, providers=providers, optimized=path)
        optimized = onnx().load(str(path))
    every = {operator.name for operator in graph.model.graph.node if operator.op_type in LINEAR}
    found = {_origin(o, every) for o in optimized.graph.node if o.op_type in INTEGER}
    wanted = {name: node for node, names in quantized.integer.items() for name in names}
    for name in sorted(wanted.keys() - found):
        raise ExportError(
            f"the operator {name} of node {wanted[name]} should run in integers, but onnxruntime runs it in float"
        )
    for name in sorted(found - wanted.keys()):
        raise ExportError(f"the operator {name} should run in float, but onnxruntime runs it in integers")
    return Audit(frozenset(found), frozenset(every - found))


def _origin(operator: Any, every: set[str]) -> str:
    """Name of the operator of the float network that it comes from: the longest that its own name begins with."""
    fitting = [name for name in every if operator.name == name or operator.name.startswith((f"{name}_", f"{name}/"))]
    return max(fitting, key=len, default=str(operator.name))
