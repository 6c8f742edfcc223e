"""An Optuna sampler that lets predictors choose what to measure."""

from mtnas.results.predictor_report import PREDICTORS
from mtnas.searching.predictor_sampler.sampler import GeneticsOf, PredictorSampler

__all__ = ["PREDICTORS", "GeneticsOf", "PredictorSampler"]
