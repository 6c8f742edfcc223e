"""Agreement of inherited with stand-alone errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from scipy.stats import kendalltau

Errors = Mapping[str, float]
"""Errors of one candidate by task."""


def tau(one: Sequence[float], other: Sequence[float]) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(one, other).statistic)


def mean(errors: Errors) -> float:
    return fmean(errors.values())


def over_seeds(errors: Sequence[Errors]) -> dict[str, float]:
    """Mean of one candidate's errors over seeds, by task."""
    return {name: fmean(one[name] for one in errors) for name in errors[0]}


def agreement(inherited: Sequence[Errors], alone: Sequence[Sequence[Errors]]) -> dict[str, float]:
    """Tau of mean error and of every task's, mean gap in points, and the ceiling of tau.

    Args:
        inherited: by candidate.
        alone: by seed and candidate. Tau and gap are against the mean over the seeds.

    Returns:
        ``ceiling``: tau of the mean error between the seeds alone, the mean over all pairs of seeds.
        ``gap``: mean of inherited less stand-alone mean error, in points (1 = one percent of error).
    """
    own = [over_seeds([seed[i] for seed in alone]) for i in range(len(inherited))]
    pairs = [(a, b) for i, a in enumerate(alone) for b in alone[i + 1 :]]
    figures = {
        "tau": tau([mean(e) for e in inherited], [mean(e) for e in own]),
        "ceiling": fmean(tau([mean(e) for e in a], [mean(e) for e in b]) for a, b in pairs) if pairs else float("nan"),
        "gap": 100 * fmean(mean(e) - mean(o) for e, o in zip(inherited, own, strict=True)),
    }
    for name in own[0]:
        figures[f"tau {name}"] = tau([e[name] for e in inherited], [e[name] for e in own])
    return figures
