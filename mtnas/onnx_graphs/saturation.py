"""Whether sums of 8-bit products overflow on this machine."""

from __future__ import annotations

from functools import cache

import numpy as np

from mtnas.onnx_graphs.packages import onnx, onnxruntime


@cache
def saturates() -> bool:
    """Whether onnxruntime, as it is, gets the largest products of unsigned and signed bytes wrong on this CPU.

    So do x86 CPUs without VNNI, which add two of them up in 16 bits. `open_session` makes it take a slower way there.
    """
    length = 16
    helper, types = onnx().helper, onnx().TensorProto
    weight = np.full((length, 1), 127, np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "products",
        [helper.make_tensor_value_info("x", types.UINT8, [1, length])],
        [helper.make_tensor_value_info("y", types.INT32, [1, 1])],
        [onnx().numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    x = np.full((1, length), 255, np.uint8)
    session = onnxruntime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    return int(found[0, 0]) != 255 * 127 * length
