"""How fast a candidate learns where its settings do not say."""

from __future__ import annotations

from dataclasses import replace

from mtnas.json_values import finite
from mtnas.refining.settings import RefineSettings
from mtnas.runs import Run


def with_learning_rate(settings: RefineSettings, run: Run) -> RefineSettings:
    """The settings with a learning rate: from new weights, if they name none, that of the run's supernetwork.

    What the supernetwork was trained at was chosen for these operators and this data; the much lower rate that suits
    inherited weights leaves networks from scratch short of what they can do.

    Raises:
        RunError: if the run's training does not tell its rate.
    """
    if settings.learning_rate is not None or not settings.from_scratch:
        return replace(settings, learning_rate=settings.rate)
    try:
        rate = finite(run.manifest.section("training")["learning_rate"])
        if rate <= 0:
            raise ValueError(f"learning_rate is {rate}")
    except (KeyError, TypeError, ValueError) as error:
        raise run.manifest.damaged(f"training: {error}") from error
    return replace(settings, learning_rate=rate)
