"""A float network under a policy: static quantization by QuantizeLinear and DequantizeLinear (QDQ)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mtnas.architecture import FLOAT, INT8, W4A8, W7A8, Bits, Candidate, notation
from mtnas.errors import ExportError
from mtnas.onnx_graphs.calibrate import Ranges
from mtnas.onnx_graphs.convert import with_shapes
from mtnas.onnx_graphs.graph import FOLLOWERS, LINEAR, FloatGraph, QuantizedGraph, operators_of
from mtnas.onnx_graphs.packages import onnx, onnxruntime
from mtnas.onnx_graphs.packing import channel_axis, for_packing, own_scales, pack

RUNNING = (INT8, W7A8, W4A8)
"""Bits, beside float, of nodes that a file can hold and onnxruntime runs in integers."""


def quantize(graph: FloatGraph, candidate: Candidate, ranges: Ranges) -> QuantizedGraph:
    """The network with the operators of the policy's nodes in integers.

    Weights have a scale for each output channel, activations no sign. Those of 4 bits are rounded to the nearest step
    as any others are: `mtnas.quantizing.settle_weights` makes that the best one.

    Args:
        graph: of the candidate's architecture.
        candidate: its policy's bits are among `RUNNING`, or 32.
        ranges: that `calibrate` gathered for this graph.

    Raises:
        ExportError: for other bits, or ranges of another network.
    """
    onnxruntime()
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    if ranges.digest != graph.digest:
        raise ExportError("the ranges were gathered for another network; calibrate this one")
    for node, bits in candidate.policy.entries:
        if bits not in RUNNING:
            runs = ", ".join(map(notation, (*RUNNING, FLOAT)))
            raise ExportError(f"node {node} is given bits {bits}, but the file format runs {runs} only")
        if node in graph.lost:
            raise ExportError(
                f"the layer {graph.lost[node]} of node {node} cannot be found in the exported graph, so that"
                " it cannot be given bits; leave that node in float"
            )
    integer = {node: graph.linear(node) for node in candidate.policy.nodes}
    integer = {node: names for node, names in integer.items() if names}
    wanted = {name for names in integer.values() for name in names}
    if not wanted:
        return QuantizedGraph(candidate, graph.content, {})
    bits_of = {name: candidate.policy.bits(*node) for node, names in integer.items() for name in names}
    model = onnx().load_from_string(graph.content)
    packed = {name for name, bits in bits_of.items() if bits == W4A8}
    model = for_packing(model) if packed else model
    with _quietly():
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=ranges.tensors,
            nodes_to_quantize=[*wanted, *_followers(graph, wanted)],
            nodes_to_exclude=[],
            op_types_to_quantize=[*LINEAR, *FOLLOWERS],
            extra_options={"TensorQuantOverrides": _overrides(model, bits_of)},
        )
        quantizer.quantize_model()
    _round_apart(graph, quantizer.model.model)
    quantizer.model.topological_sort()
    model = quantizer.model.model
    _drop_unused(model)
    pack(model, packed)
    model = with_shapes(model)
    return QuantizedGraph(candidate, bytes(model.SerializeToString()), integer)


def _overrides(model: Any, bits_of: Mapping[str, Bits]) -> dict[str, list[dict[str, Any]]]:
    """What `QDQQuantizer` is told of the weights of these operators, by the weight's name."""
    told: dict[str, list[dict[str, Any]]] = {}
    for operator in model.graph.node:
        bits = bits_of.get(operator.name)
        if bits == W7A8:
            told[operator.input[1]] = [{"axis": channel_axis(operator), "reduce_range": True}]
        elif bits == W4A8:
            told[operator.input[1]] = own_scales(model, operator, bits[0])
    return told


def _followers(graph: FloatGraph, wanted: set[str]) -> list[str]:
    """Names of the activations that directly follow a quantized operator, are all that does, and leave 0 where it is.

    Integers always hold 0, so that one which clips to other limits cannot become a part of their range.
    """
    constants = _constants(graph.model)
    readers: dict[str, list[Any]] = {}
    for operator in graph.model.graph.node:
        for name in operator.input:
            readers.setdefault(name, []).append(operator)
    found = []
    for operator in graph.model.graph.node:
        if operator.name in wanted:
            after = readers.get(operator.output[0], [])
            found += [reader.name for reader in after if len(after) == 1 and _keeps_zero(reader, constants)]
    return found


def _round_apart(graph: FloatGraph, model: Any) -> None:
    """Hand the tensors that are rounded for layers only to all others as they are: `QDQQuantizer` rounds for all."""
    from onnxruntime.quantization.quant_utils import add_dequant_output_suffix

    rounded = {add_dequant_output_suffix(tensor): tensor for tensor in graph.apart}
    for operator in operators_of(model.graph):
        for place, name in enumerate(operator.input):
            tensor = rounded.get(name)
            if tensor is not None and operator.name not in graph.layers:
                operator.input[place] = tensor


def _constants(model: Any) -> dict[str, Any]:
    """Values of single numbers that the graph holds, by name."""
    numpy_of = onnx().numpy_helper.to_array
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for operator in model.graph.node:
        if operator.op_type == "Constant" and operator.attribute[0].name == "value":
            tensors[operator.output[0]] = operator.attribute[0].t
    return {name: numpy_of(tensor).item() for name, tensor in tensors.items() if not tensor.dims}


def _keeps_zero(operator: Any, constants: Mapping[str, Any]) -> bool:
    """Whether it is an activation that clips, or not, and gives 0 for 0."""
    if operator.op_type not in FOLLOWERS:
        return False
    limits = [*operator.input[1:], "", ""][:2]  # none for a ReLU
    low, high = (constants.get(name, 0) if name else usual for name, usual in zip(limits, (-1, 1), strict=True))
    return bool(low <= 0 <= high)


def _drop_unused(model: Any) -> None:
    """Constants whose readers became part of other operators."""
    graph = model.graph
    read = {name for operator in operators_of(graph) for name in operator.input} | {
        value.name for value in graph.output
    }
    for operator in [one for one in graph.node if one.op_type == "Constant" and one.output[0] not in read]:
        graph.node.remove(operator)
    for tensor in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(tensor)


@contextmanager
def _quietly() -> Iterator[None]:
    """onnxruntime only logs what it leaves in float; the audit finds that, with names."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
