"""One picture per problem: mean curves of all rivals and the spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from benchmarks.search_quality.curves import Curve
from benchmarks.search_quality.optuna_rivals import OURS, THOROUGH
from benchmarks.search_quality.problem import Problem
from mtnas.plotting.save import save_figure
from mtnas.plotting.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

STYLES = {
    "random": (GREY, "-"),
    "NSGA-II 20 (Optuna)": (SKY, "-"),
    "NSGA-II 50 (Optuna)": (SKY, "--"),
    "TPE (Optuna)": (GREEN, "-"),
    "TPE multivariate (Optuna)": (GREEN, "--"),
    "GP (Optuna)": (PURPLE, "-"),
    "NSGA-II (pymoo)": (BLUE, "-"),
    "AGE-MOEA (pymoo)": (BLUE, "--"),
    "LINAS ridge": (ORANGE, "-"),
    "LINAS SVR": (ORANGE, "--"),
    THOROUGH: (VERMILLION, "--"),
    OURS: (VERMILLION, "-"),
}
"""A colour per family, a dash per member."""

LEAST = 1e-5
"""Where a logarithmic axis ends that would otherwise reach for a gap of zero."""


def draw(path: Path, problem: Problem, found: Sequence[Curve]) -> None:
    """Means, and bands from the 10% to the 90% quantile of the seeds."""
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for rival in sorted({curve.rival for curve in found}, key=[*STYLES].index):
        runs = [curve for curve in found if curve.rival == rival]
        evaluations = [k for k in runs[0].shares if all(k in run.shares for run in runs)]
        shares = np.array([[run.shares[k] for k in evaluations] for run in runs])
        values = shares if problem.exact is None else np.maximum(1 - shares, LEAST)
        colour, dash = STYLES[rival]
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        axes.fill_between(evaluations, low, high, color=colour, alpha=0.12, linewidth=0)
        width = 3.0 if rival in (OURS, THOROUGH) else 1.4
        axes.plot(evaluations, values.mean(0), color=colour, linestyle=dash, linewidth=width, label=rival)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks([k for k in (10, 25, 50, 100, 200, 300, 500, 1000) if k <= max(axes.get_xlim())])
    axes.set_xlabel("evaluations")
    if problem.exact is None:
        axes.set_ylabel("share of the best known hypervolume")
    else:
        axes.set_yscale("log")
        axes.set_ylabel("missing share of the exact hypervolume")
    axes.set_title(problem.name, loc="left", fontsize=11)
    axes.grid(True, which="major", alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8.5)
    save_figure(figure, path)
