"""Training of chosen candidates on their own, and what they reach on test data."""

from mtnas.refining.refine import refine
from mtnas.refining.rows import RefinedRow, RefinedRows, read_refined
from mtnas.refining.settings import RefineSettings

__all__ = ["RefineSettings", "RefinedRow", "RefinedRows", "read_refined", "refine"]
