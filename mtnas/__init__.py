"""Multi-task neural architecture search: one supernetwork, branched candidates, a Pareto front.

Names are loaded on first use, so that ``import mtnas`` and the command line start at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtnas.architecture import Affinities, Architecture, ArchitectureSpace, Candidate, QuantizationPolicy, Tree
    from mtnas.branching import Advice, Branching, advise, measure_affinities
    from mtnas.errors import MtnasError
    from mtnas.evaluation import InheritedErrors, extract, recalibrate, task_errors
    from mtnas.exporting import Origin, export, load_network, save_network
    from mtnas.plotting import plot_front, plot_predictors, plot_tree
    from mtnas.refining import Comparison, RefineSettings, compare, read_compared, read_refined, refine
    from mtnas.reporting import write_report
    from mtnas.results import Results, Row, pick, read_table, write_table
    from mtnas.runs import Run, read_predictors, read_results
    from mtnas.searching import (
        Plateau,
        PredictorSampler,
        SearchProgress,
        SearchSettings,
        StopRule,
        TimeLimit,
        foresee_latency,
        search,
    )
    from mtnas.space.block import Block
    from mtnas.space.data import Data
    from mtnas.space.elastic import check_elastic, elastic
    from mtnas.space.file import load_space_file
    from mtnas.space.search_space import SearchSpace
    from mtnas.space.task import ErrorMeter, Task, on_all
    from mtnas.supernet import BranchedNetwork, SuperNetwork
    from mtnas.tracking import log_to_mlflow
    from mtnas.training import TrainingSettings, load_branching, load_supernetwork, train
    from mtnas.training.weighting import (
        AggregatedGradients,
        DynamicWeightAverage,
        EqualWeighting,
        PCGrad,
        RandomWeighting,
        TaskWeighting,
        UncertaintyWeighting,
        WeightingState,
    )

__version__ = "0.1.0"

_HOMES = {
    "Advice": "branching",
    "Affinities": "architecture",
    "AggregatedGradients": "training.weighting",
    "Architecture": "architecture",
    "ArchitectureSpace": "architecture",
    "Block": "space.block",
    "BranchedNetwork": "supernet",
    "Branching": "branching",
    "Candidate": "architecture",
    "Comparison": "refining",
    "Data": "space.data",
    "DynamicWeightAverage": "training.weighting",
    "EqualWeighting": "training.weighting",
    "ErrorMeter": "space.task",
    "InheritedErrors": "evaluation",
    "MtnasError": "errors",
    "Origin": "exporting",
    "PCGrad": "training.weighting",
    "PredictorSampler": "searching",
    "Processes": "pools",
    "Plateau": "searching",
    "QuantizationPolicy": "architecture",
    "RandomWeighting": "training.weighting",
    "RefineSettings": "refining",
    "RayPool": "pools",
    "Results": "results",
    "Row": "results",
    "Run": "runs",
    "SearchProgress": "searching",
    "SearchSettings": "searching",
    "SearchSpace": "space.search_space",
    "StopRule": "searching",
    "SuperNetwork": "supernet",
    "Task": "space.task",
    "TaskWeighting": "training.weighting",
    "TimeLimit": "searching",
    "TrainingSettings": "training",
    "Tree": "architecture",
    "UncertaintyWeighting": "training.weighting",
    "WeightingState": "training.weighting",
    "advise": "branching",
    "check_elastic": "space.elastic",
    "compare": "refining",
    "elastic": "space.elastic",
    "extract": "evaluation",
    "export": "exporting",
    "load_branching": "training",
    "load_network": "exporting",
    "load_space_file": "space.file",
    "load_supernetwork": "training",
    "log_to_mlflow": "tracking",
    "measure_affinities": "branching",
    "on_all": "space.task",
    "pick": "results",
    "plot_front": "plotting",
    "plot_predictors": "plotting",
    "plot_tree": "plotting",
    "read_compared": "refining",
    "read_predictors": "runs",
    "read_refined": "refining",
    "read_results": "runs",
    "read_table": "results",
    "recalibrate": "evaluation",
    "refine": "refining",
    "save_network": "exporting",
    "foresee_latency": "searching",
    "search": "searching",
    "task_errors": "evaluation",
    "train": "training",
    "write_report": "reporting",
    "write_table": "results",
}

__all__ = [
    "Advice",
    "Affinities",
    "AggregatedGradients",
    "Architecture",
    "ArchitectureSpace",
    "Block",
    "BranchedNetwork",
    "Branching",
    "Candidate",
    "Comparison",
    "Data",
    "DynamicWeightAverage",
    "EqualWeighting",
    "ErrorMeter",
    "InheritedErrors",
    "MtnasError",
    "Origin",
    "PCGrad",
    "Plateau",
    "PredictorSampler",
    "Processes",
    "QuantizationPolicy",
    "RandomWeighting",
    "RayPool",
    "RefineSettings",
    "Results",
    "Row",
    "Run",
    "SearchProgress",
    "SearchSettings",
    "SearchSpace",
    "StopRule",
    "SuperNetwork",
    "Task",
    "TaskWeighting",
    "TimeLimit",
    "TrainingSettings",
    "Tree",
    "UncertaintyWeighting",
    "WeightingState",
    "advise",
    "check_elastic",
    "compare",
    "elastic",
    "export",
    "extract",
    "foresee_latency",
    "load_branching",
    "load_network",
    "load_space_file",
    "load_supernetwork",
    "log_to_mlflow",
    "measure_affinities",
    "on_all",
    "pick",
    "plot_front",
    "plot_predictors",
    "plot_tree",
    "read_compared",
    "read_predictors",
    "read_refined",
    "read_results",
    "read_table",
    "recalibrate",
    "refine",
    "save_network",
    "search",
    "task_errors",
    "train",
    "write_report",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mtnas' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mtnas.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
