"""Costs of candidates: errors with inherited weights and batch-norm statistics of their own, and latencies."""

from mtnas.evaluation.calibration import recalibrate
from mtnas.evaluation.errors import task_errors
from mtnas.evaluation.evaluator import InheritedErrors
from mtnas.evaluation.extraction import extract
from mtnas.evaluation.latencies import latencies, reference_ms
from mtnas.evaluation.quantized import CandidateErrors

__all__ = [
    "CandidateErrors",
    "InheritedErrors",
    "extract",
    "latencies",
    "recalibrate",
    "reference_ms",
    "task_errors",
]
