"""Costs of candidates: errors with inherited weights, batch-norm statistics of their own."""

from mtnas.evaluation.calibration import recalibrate
from mtnas.evaluation.errors import task_errors
from mtnas.evaluation.evaluator import InheritedErrors
from mtnas.evaluation.extraction import extract

__all__ = ["InheritedErrors", "extract", "recalibrate", "task_errors"]
