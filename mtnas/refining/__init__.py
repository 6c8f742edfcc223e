"""Training of chosen candidates on their own, alone or beside plain networks of their size; test errors."""

from mtnas.refining.compare import compare
from mtnas.refining.comparison import ComparedNetwork, ComparedRun, Comparison
from mtnas.refining.comparison_files import read_compared, read_comparisons
from mtnas.refining.refine import refine
from mtnas.refining.rows import RefinedRow, RefinedRows, read_refined
from mtnas.refining.settings import RefineSettings
from mtnas.refining.several import left_behind
from mtnas.refining.widening import Widened

__all__ = [
    "ComparedNetwork",
    "ComparedRun",
    "Comparison",
    "RefineSettings",
    "RefinedRow",
    "RefinedRows",
    "Widened",
    "compare",
    "left_behind",
    "read_compared",
    "read_comparisons",
    "read_refined",
    "refine",
]
