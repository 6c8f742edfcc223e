"""The table of measured rows, its Pareto front and hypervolume, and the corner networks."""

from mtnas.results.corners import corners
from mtnas.results.front import hypervolume, non_dominated
from mtnas.results.results import MEAN_ERROR, Results, Row, mean_error

__all__ = ["MEAN_ERROR", "Results", "Row", "corners", "hypervolume", "mean_error", "non_dominated"]
