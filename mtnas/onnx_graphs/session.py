"""Running an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtnas.onnx_graphs.packages import onnxruntime
from mtnas.onnx_graphs.saturation import saturates

KEPT_OFF = ("WeightBiasQuantization",)
"""Optimizers of onnxruntime that quantize operators which the file leaves in float."""

CPU = "CPUExecutionProvider"

EXACT = ("session.x64quantprecision", "1")
"""An entry of onnxruntime's session configuration, without which x86 CPUs that lack VNNI saturate.

They add two products of an unsigned and a signed byte up in 16 bits, which 2 * 255 * 127 exceeds. With it onnxruntime
runs weights of 8 bits by a slower way, on CPUs with VNNI as well, which gain nothing by it and then take up to 2.6
times as long. It makes no difference to weights of 7 bits and fewer.
"""


def open_session(
    content: bytes,
    *,
    threads: int = 1,
    providers: Sequence[str] = (CPU,),
    optimized: Path | None = None,
    exact: bool | None = None,
) -> Any:
    """An `onnxruntime.InferenceSession` that runs what the file says.

    Args:
        content: of the file.
        threads: that one operator may use; operators run one after the other.
        providers: of onnxruntime, first choice first.
        optimized: where the graph is written that really runs; None: nowhere.
        exact: whether to take the way by which sums of 8-bit products cannot overflow, see `EXACT`; None: where they
            do on this CPU.
    """
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    if saturates() if exact is None else exact:
        options.add_session_config_entry(*EXACT)
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return runtime.InferenceSession(content, options, providers=list(providers), disabled_optimizers=list(KEPT_OFF))
