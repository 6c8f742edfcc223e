"""Search as an Optuna study: ask, measure, tell."""

from mtnas.searching.cost_names import check_settings, cost_names, default_objectives
from mtnas.searching.parameters import Parameters
from mtnas.searching.predictor_sampler import PredictorSampler
from mtnas.searching.search import read_results, search
from mtnas.searching.settings import SearchSettings
from mtnas.searching.study import RunStudy, read_rows

__all__ = [
    "Parameters",
    "PredictorSampler",
    "RunStudy",
    "SearchSettings",
    "check_settings",
    "cost_names",
    "default_objectives",
    "read_results",
    "read_rows",
    "search",
]
