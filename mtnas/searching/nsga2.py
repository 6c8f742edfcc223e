"""NSGA-II, to search with in place of the default sampler."""

from __future__ import annotations

import optuna
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial


class NSGA2(NSGAIISampler):
    """Optuna's NSGA-II (Deb et al. 2002), whose proposals depend on the finished trials and the seed only.

    Optuna hands the parents of a generation to its first trial in the order of their selection, and to later trials in
    the order of their numbers; so a first trial that is asked for again after a kill would come out differently.
    """

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """Parents of a generation by number."""
        return sorted(super().get_parent_population(study, generation), key=lambda trial: trial.number)
