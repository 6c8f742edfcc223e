"""Learned predictors of costs, and what they propose to measure. Numpy and scikit-learn; no torch, no optuna."""

from mtnas.predicting.advice import Advised
from mtnas.predicting.disturbed import DisturbedModel
from mtnas.predicting.evolution import evolve
from mtnas.predicting.gaussian_process import ChoiceProcess
from mtnas.predicting.genetics import Exact, Genetics
from mtnas.predicting.grouped_ridge import GroupedRidge
from mtnas.predicting.independent_genes import IndependentGenes
from mtnas.predicting.model import Fitted, Model, ProcessModel, RegressorModel
from mtnas.predicting.plan import Plan, PlanSettings, plan
from mtnas.predicting.predictors import Predictors, Tuned
from mtnas.predicting.quality import Quality
from mtnas.predicting.rows import Rows

__all__ = [
    "Advised",
    "ChoiceProcess",
    "DisturbedModel",
    "GroupedRidge",
    "Exact",
    "Fitted",
    "Genetics",
    "IndependentGenes",
    "Model",
    "Plan",
    "PlanSettings",
    "Predictors",
    "ProcessModel",
    "Quality",
    "RegressorModel",
    "Rows",
    "Tuned",
    "evolve",
    "plan",
]
