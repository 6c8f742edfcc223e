"""Costs of candidates: errors with inherited weights, batch-norm statistics of their own."""

from mtnas.evaluation.calibration import recalibrate
from mtnas.evaluation.errors import task_errors
from mtnas.evaluation.evaluator import InheritedErrors

__all__ = ["InheritedErrors", "recalibrate", "task_errors"]
