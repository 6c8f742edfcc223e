"""Weightings back from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtnas.errors import TrainingError
from mtnas.training.weighting.base import TaskWeighting
from mtnas.training.weighting.dynamic_average import DynamicWeightAverage
from mtnas.training.weighting.equal import EqualWeighting
from mtnas.training.weighting.pcgrad import PCGrad
from mtnas.training.weighting.random_weights import RandomWeighting
from mtnas.training.weighting.uncertainty import UncertaintyWeighting

_KNOWN: tuple[type[TaskWeighting], ...] = (
    DynamicWeightAverage,
    EqualWeighting,
    PCGrad,
    RandomWeighting,
    UncertaintyWeighting,
)


def weighting_from_json(value: Mapping[str, Any]) -> TaskWeighting:
    """Inverse of `TaskWeighting.to_json` for mtnas's own weightings that are made of numbers only.

    Raises:
        TrainingError: for others, which only the code that defines them can make.
    """
    settings = dict(value)
    name = settings.pop("name", None)
    known = {kind.__name__: kind for kind in _KNOWN}
    if name not in known:
        raise TrainingError(
            f"the weighting {name!r} cannot be made from JSON (only {', '.join(known)}); pass the object itself in"
            " TrainingSettings(weighting=...)"
        )
    try:
        return known[name](**settings)
    except TypeError as error:
        raise TrainingError(f"not settings of {name}: {error}") from error
