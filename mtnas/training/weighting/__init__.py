"""Task weightings: how the losses of several tasks become one training step."""

from mtnas.training.weighting.aggregated import AggregatedGradients
from mtnas.training.weighting.base import StepPart, TaskWeighting, WeightingState
from mtnas.training.weighting.dynamic_average import DynamicWeightAverage
from mtnas.training.weighting.equal import EqualWeighting
from mtnas.training.weighting.gradients import GradientWeighting
from mtnas.training.weighting.loss_weights import LossWeighting
from mtnas.training.weighting.pcgrad import PCGrad
from mtnas.training.weighting.random_weights import RandomWeighting
from mtnas.training.weighting.stored import weighting_from_json
from mtnas.training.weighting.uncertainty import UncertaintyWeighting

__all__ = [
    "AggregatedGradients",
    "DynamicWeightAverage",
    "EqualWeighting",
    "GradientWeighting",
    "LossWeighting",
    "PCGrad",
    "RandomWeighting",
    "StepPart",
    "TaskWeighting",
    "UncertaintyWeighting",
    "WeightingState",
    "weighting_from_json",
]
