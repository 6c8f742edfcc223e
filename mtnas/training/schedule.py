"""Rates that change over training, as functions of the step alone: a resumed training needs no state of theirs."""

from __future__ import annotations

import math


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Linear from 1/warmup to 1 over the first ``warmup`` steps, then cosine to 0 (arXiv 1608.03983, no restarts)."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
