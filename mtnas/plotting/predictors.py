"""What predictors were worth: how well they ranked rows that they had not seen, as the search went on."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mtnas.plotting.frame import new_axes, set_frame, set_labels, write_note
from mtnas.plotting.legends import legend_beside
from mtnas.plotting.style import GREY, MUTED, label, task_colours
from mtnas.results import PredictorReport
from mtnas.results.predictor_report import BUDGET

NO_REPORTS = "no batch was planned with predictors"

SIZE = (8.4, 4.0)
"""Width and height of a figure in inches."""

DOT = 5.0
"""Diameter of the dots in points."""

ROOM = 0.05
"""Room above a tau of 1 and below the lowest one."""


def plot_predictors(reports: Sequence[PredictorReport], ax: Axes | None = None) -> Axes:
    """Draw Kendall's tau on held-out rows over the number of measured rows, a line for every predicted cost.

    A filled dot is a batch in which the predictor was trusted, a hollow one a batch in which it was not. Predictors of
    budgets have broken lines, below that of the same cost as an objective, which often ranks as well.

    Args:
        reports: of every batch.
        ax: axes to draw in; by default those of a new figure.
    """
    if ax is None:
        ax = new_axes(*SIZE)
    set_labels(ax, "measured rows", "Kendall's tau on held-out rows")
    set_frame(ax)
    costs = list(dict.fromkeys(cost for report in reports for cost in report.figures))
    if not costs:
        write_note(ax, NO_REPORTS)
        return ax
    for cost, colour in task_colours(costs).items():
        _draw_cost(ax, reports, cost, colour)
    ax.axhline(0, color=GREY, linewidth=1.0, zorder=1)  # no better than chance
    every = [found for report in reports for found in report.figures.values()]
    ax.set_ylim(min(0.0, *(found.tau for found in every)) - ROOM, 1 + ROOM)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    handles, labels = ax.get_legend_handles_labels()
    if not all(found.trusted for found in every):
        handles.append(
            Line2D([], [], linestyle="none", marker="o", markersize=DOT, color=MUTED, markerfacecolor="white")
        )
        labels.append("not trusted")
    legend_beside(ax, handles, labels)
    return ax


def draw_predictors(reports: Sequence[PredictorReport]) -> Figure:
    """Figure of `plot_predictors`."""
    figure = Figure(figsize=SIZE, layout="constrained")
    plot_predictors(reports, figure.add_subplot())
    return figure


def _draw_cost(ax: Axes, reports: Sequence[PredictorReport], cost: str, colour: str) -> None:
    """One cost's line, with a dot for every batch."""
    found = [(report.measured, report.figures[cost]) for report in reports if cost in report.figures]
    over = cost.startswith(BUDGET)
    marker, size, depth = ("s", 1.6 * DOT, 2.0) if over else ("o", DOT, 2.1)
    text = f"budget of {label(cost.removeprefix(BUDGET))}" if over else label(cost)
    ax.plot(
        [measured for measured, _ in found],
        [figures.tau for _, figures in found],
        color=colour,
        linewidth=3.0 if over else 1.5,
        linestyle="--" if over else "-",
        marker=marker,
        markersize=size,
        markevery=[place for place, (_, figures) in enumerate(found) if figures.trusted],
        zorder=depth,
        label=text,
    )
    hollow = [(measured, figures.tau) for measured, figures in found if not figures.trusted]
    ax.plot(
        [measured for measured, _ in hollow],
        [tau for _, tau in hollow],
        color=colour,
        linestyle="none",
        marker=marker,
        markersize=size,
        markerfacecolor="white",
        zorder=depth,
    )
