"""Search as an Optuna study: ask, measure, tell."""

from mtnas.results import cost_names
from mtnas.runs import read_results, read_rows
from mtnas.searching.checks import check_files, check_settings, default_objectives, needs_files, searched_space
from mtnas.searching.foreseen_latency import ForeseenLatency, foresee_latency
from mtnas.searching.nsga2 import NSGA2
from mtnas.searching.parameters import Parameters
from mtnas.searching.predictor_sampler import PredictorSampler
from mtnas.searching.search import search
from mtnas.searching.settings import SearchSettings
from mtnas.searching.stopping import Plateau, SearchProgress, StopRule, TimeLimit
from mtnas.searching.study import RunStudy, check_storage
from mtnas.searching.verify import Verified, verify

__all__ = [
    "ForeseenLatency",
    "NSGA2",
    "Parameters",
    "Plateau",
    "PredictorSampler",
    "RunStudy",
    "SearchProgress",
    "SearchSettings",
    "StopRule",
    "TimeLimit",
    "Verified",
    "check_files",
    "check_settings",
    "check_storage",
    "cost_names",
    "default_objectives",
    "foresee_latency",
    "needs_files",
    "read_results",
    "read_rows",
    "search",
    "searched_space",
    "verify",
]
