"""Branched networks as ONNX graphs: float ones, ones under a quantization policy, and what a runtime makes of them."""

from mtnas.onnx_graphs.audit import Audit, audit
from mtnas.onnx_graphs.calibrate import Ranges, calibrate
from mtnas.onnx_graphs.convert import convert
from mtnas.onnx_graphs.forms import without_form
from mtnas.onnx_graphs.graph import FloatGraph, QuantizedGraph
from mtnas.onnx_graphs.network import SessionNetwork
from mtnas.onnx_graphs.quantize import quantize
from mtnas.onnx_graphs.saturation import saturates
from mtnas.onnx_graphs.session import open_session

__all__ = [
    "Audit",
    "FloatGraph",
    "QuantizedGraph",
    "Ranges",
    "SessionNetwork",
    "audit",
    "calibrate",
    "convert",
    "open_session",
    "quantize",
    "saturates",
    "without_form",
]
