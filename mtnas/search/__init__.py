"""Search as an Optuna study: ask, measure, tell."""

from mtnas.search.cost_names import cost_names, default_objectives
from mtnas.search.parameters import Parameters
from mtnas.search.search import read_results, search
from mtnas.search.settings import SearchSettings
from mtnas.search.study import RunStudy, read_rows

__all__ = [
    "Parameters",
    "RunStudy",
    "SearchSettings",
    "cost_names",
    "default_objectives",
    "read_results",
    "read_rows",
    "search",
]
