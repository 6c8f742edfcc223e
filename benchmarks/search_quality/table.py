"""Rows of means and deviations, and bars of ours against the best rival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from benchmarks.report import Bar
from benchmarks.search_quality.curves import BUDGETS, Curve
from benchmarks.search_quality.macro import NAME as MACRO
from benchmarks.search_quality.optuna_rivals import OURS, THOROUGH
from benchmarks.search_quality.problem import Problem

COMPARED = (50, 100, 150, 200, 250)
"""Evaluations at which ours is held against the best rival."""

LONG = 1000
"""Evaluations of the few runs that go on."""


def rows_of(problem: Problem, found: Sequence[Curve]) -> list[dict[str, Any]]:
    """One row per rival; shares are texts of two lines, mean and standard deviation over the seeds."""
    rows = []
    for rival in dict.fromkeys(curve.rival for curve in found):
        own = [curve for curve in found if curve.rival == rival]
        rows.append(
            {
                "problem": problem.name,
                "rival": rival,
                "seeds": len(own),
                **{str(budget): _mean_and_sd(_shares(own, rival, budget)) for budget in (*BUDGETS, LONG)},
                "feasible": float(np.mean([curve.feasible for curve in own])),
                "repeats": float(np.mean([curve.repeats for curve in own])),
                "seconds": float(np.mean([curve.seconds for curve in own])),
            }
        )
    return rows


def bars_of(problem: Problem, found: Sequence[Curve]) -> list[Bar]:
    """Ours, and ours at its most thorough, against the rival with the best mean at each budget, as far as they ran."""
    bars = []
    if problem.name == MACRO:
        for budget, limit in ((100, 0.995), (250, 0.999)):
            if ours := _shares(found, OURS, budget):
                name = f"{problem.name}: share of the exact hypervolume at {budget}"
                bars.append(Bar.at_least(name, float(np.mean(ours)), limit))
    for budget in COMPARED:
        shares = {curve.rival: _shares(found, curve.rival, budget) for curve in found}
        own = {name: shares.pop(name, []) for name in (OURS, THOROUGH)}
        rivals = {rival: values for rival, values in shares.items() if values}
        if not rivals:
            continue
        best = max(rivals, key=lambda rival: float(np.mean(rivals[rival])))
        for name, called in ((OURS, "ours"), (THOROUGH, "ours, thorough,")):
            if own[name]:
                lead = float(np.mean(own[name]) - np.mean(rivals[best]))
                bars.append(Bar.at_least(f"{problem.name} at {budget}: {called} less {best}", lead, 0.0))
                if budget == 250 and not problem.trivial:
                    p = float(mannwhitneyu(own[name], rivals[best], alternative="greater").pvalue)
                    told = f"{problem.name} at {budget}: Mann-Whitney, {called} over {best}, p"
                    bars.append(Bar(told, p, "< 0.05", p < 0.05))
    return bars


def _shares(found: Sequence[Curve], rival: str, budget: int) -> list[float]:
    """By seed, of the runs that went so far."""
    return [curve.shares[budget] for curve in found if curve.rival == rival and budget in curve.shares]


def _mean_and_sd(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    return f"{np.mean(shares):.4f}\n±{np.std(shares, ddof=1) if len(shares) > 1 else 0:.4f}"
