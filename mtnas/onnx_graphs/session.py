"""Running an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtnas.onnx_graphs.packages import onnxruntime

KEPT_OFF = ("WeightBiasQuantization",)
"""Optimizers of onnxruntime that quantize operators which the file leaves in float."""

CPU = "CPUExecutionProvider"


def open_session(
    content: bytes, *, threads: int = 1, providers: Sequence[str] = (CPU,), optimized: Path | None = None
) -> Any:
    """An `onnxruntime.InferenceSession` that runs what the file says.

    Args:
        content: of the file.
        threads: that one operator may use; operators run one after the other.
        providers: of onnxruntime, first choice first.
        optimized: where the graph is written that really runs; None: nowhere.
    """
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return runtime.InferenceSession(content, options, providers=list(providers), disabled_optimizers=list(KEPT_OFF))
