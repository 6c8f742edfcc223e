"""An Optuna sampler that lets predictors choose what to measure."""

from mtnas.searching.predictor_sampler.sampler import PREDICTORS, GeneticsOf, PredictorSampler

__all__ = ["PREDICTORS", "GeneticsOf", "PredictorSampler"]
