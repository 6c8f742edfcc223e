"""Weights of 4 bits in a file: two in a byte, opened to bytes by the runtime as it loads them."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from itertools import chain, count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtnas.errors import ExportError
from mtnas.onnx_graphs.graph import operators_of
from mtnas.onnx_graphs.packages import onnx
from mtnas.quantizing import weight_limits, weight_scales

BITS = 4

OPSET = 21
"""The first version of the ONNX operators in which Cast takes integers of 4 bits."""


IR_VERSION = 10
"""The first version of the ONNX format that has integers of 4 bits."""


def for_packing(model: Any) -> Any:
    """The model in operators that know integers of 4 bits.

    Raises:
        ExportError: for an operator that has no such form.
    """
    try:
        model = importlib.import_module("onnx.version_converter").convert_version(model, OPSET)
    except Exception as error:  # a C++ library that raises of all kinds
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ExportError(
            f"weights of {BITS} bits need version {OPSET} of the ONNX operators, which this network does not have"
            f" ({reason}); give it 8 bits"
        ) from error
    model.ir_version = max(model.ir_version, IR_VERSION)
    _name_new(model.graph)
    return model


def _name_new(graph: Any) -> None:
    """Name constants that the conversion makes of attributes, and their tensors, after who reads them."""
    taken = {operator.name for operator in graph.node}
    for constant in [operator for operator in graph.node if not operator.name]:
        readers = [operator for operator in operators_of(graph) if constant.output[0] in operator.input]
        stem = f"{readers[0].name}_{constant.op_type}" if readers else constant.op_type
        name = next(name for name in chain([stem], (f"{stem}_{n}" for n in count(1))) if name not in taken)
        taken.add(name)
        for reader in readers:
            reader.input[:] = [name if one == constant.output[0] else one for one in reader.input]
        constant.name, constant.output[0] = name, name


def channel_axis(operator: Any) -> int:
    """Of the output channels in a linear operator's weight."""
    transposed = any(attribute.name == "transB" and attribute.i for attribute in operator.attribute)
    return 0 if operator.op_type == "Conv" or transposed else 1


def own_scales(model: Any, operator: Any, bits: int) -> list[dict[str, Any]]:
    """Scales of an operator's weight, by channel, as `weight_scales` has them and `QDQQuantizer` takes them."""
    axis = channel_axis(operator)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == operator.input[1])
    values = torch.from_numpy(onnx().numpy_helper.to_array(weight).copy())
    scales = weight_scales(values.transpose(0, axis), bits).numpy()
    return [{"axis": axis, "scale": scale, "zero_point": np.int8(0)} for scale in scales]


def pack(model: Any, operators: Collection[str]) -> None:
    """Put the weights of some operators, quantized to bytes on scales of `own_scales`, into half bytes.

    They are followed by a Cast to bytes, which the runtime works out once, when it loads the file.
    """
    graph = model.graph
    made = {name: node for node in graph.node for name in node.output}
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    casts = []
    for operator in [node for node in graph.node if node.name in operators]:
        reader = made[operator.input[1]]
        name = reader.input[0]
        tensor = tensors[name]
        values = np.clip(onnx().numpy_helper.to_array(tensor), *weight_limits(BITS))
        types = onnx().TensorProto
        packed = types(name=f"{name}.packed", data_type=types.INT4, dims=tensor.dims, raw_data=_halves(values))
        graph.initializer.remove(tensor)
        graph.initializer.append(packed)
        casts.append(onnx().helper.make_node("Cast", [packed.name], [name], name=f"{name}_Cast", to=types.INT8))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def _halves(values: NDArray[np.int8]) -> bytes:
    """Two in a byte, the first in its lower half; (4 bits, two's complement)."""
    flat = values.reshape(-1).view(np.uint8) & 0xF
    flat = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return bytes((flat[0::2] | flat[1::2] << 4).tobytes())
