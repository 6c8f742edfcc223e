"""The packages that read and run ONNX files: imported on first use, quiet, and named where they are missing."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from mtnas.errors import ExportError


def onnx() -> ModuleType:
    return _imported("onnx")


def onnxruntime() -> ModuleType:
    # It reports its use over the network unless this is set before its first import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return _imported("onnxruntime")


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExportError(f"{name} is needed for ONNX files but is not installed; pip install 'mtnas[onnx]'") from error
