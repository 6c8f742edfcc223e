"""The table of measured rows, its Pareto front and hypervolume, the corner networks, and the pick of a preference."""

from mtnas.results.corners import corners, largest_corner
from mtnas.results.cost_names import MEAN_ERROR, cost_names, possible_cost_names
from mtnas.results.front import hypervolume, non_dominated
from mtnas.results.pick import pick, task_weights, weighted_error
from mtnas.results.predictor_report import PredictorFigures, PredictorReport
from mtnas.results.results import Results, Row, mean_error
from mtnas.results.running_hypervolume import RunningHypervolume
from mtnas.results.table import read_table, rows_of_table, write_table

__all__ = [
    "MEAN_ERROR",
    "PredictorFigures",
    "PredictorReport",
    "Results",
    "Row",
    "RunningHypervolume",
    "corners",
    "cost_names",
    "hypervolume",
    "largest_corner",
    "mean_error",
    "non_dominated",
    "pick",
    "possible_cost_names",
    "read_table",
    "rows_of_table",
    "task_weights",
    "weighted_error",
    "write_table",
]
