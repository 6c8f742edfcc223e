"""Where latency is measured, and how so that it repeats."""

from mtnas.latency import Latency
from mtnas.targets.busy import Reading, is_busy, read_machine
from mtnas.targets.clock import Clock, CudaClock, ThreadCpuClock, WallClock, clock_for
from mtnas.targets.contract import check_target
from mtnas.targets.eager import TorchEager
from mtnas.targets.measuring import measure
from mtnas.targets.onnx_runtime import OnnxRuntime
from mtnas.targets.reference import ReferenceNetwork, reference_example
from mtnas.targets.settings import MeasureSettings
from mtnas.targets.target import Runnable, Target

__all__ = [
    "Clock",
    "CudaClock",
    "Latency",
    "MeasureSettings",
    "OnnxRuntime",
    "Reading",
    "ReferenceNetwork",
    "Runnable",
    "Target",
    "ThreadCpuClock",
    "TorchEager",
    "WallClock",
    "check_target",
    "clock_for",
    "is_busy",
    "measure",
    "read_machine",
    "reference_example",
]
