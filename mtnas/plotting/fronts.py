"""Fronts of several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from mtnas.errors import SearchError
from mtnas.plotting.budgets import draw_budgets
from mtnas.plotting.frame import new_axes, set_frame, set_labels, write_note
from mtnas.plotting.front import NO_FEASIBLE, NO_ROWS
from mtnas.plotting.legends import legend_beside, legend_inches
from mtnas.plotting.scales import needs_log, set_scales
from mtnas.plotting.series import Series, series_styles
from mtnas.plotting.style import label, plain
from mtnas.results import MEAN_ERROR, Results, non_dominated

NO_RUNS = "no runs to draw"

MARK, PALE_MARK, PALE = 5.5, 3.8, 0.4
"""Diameters in points of members that are best for the two costs shown and of the others, and the opacity of these."""


def plot_fronts(
    results: Mapping[str, Results],
    ax: Axes | None = None,
    *,
    x: str = "params",
    y: str = MEAN_ERROR,
    others: bool = True,
    legend: bool = True,
) -> Axes:
    """Draw the Pareto fronts of several runs over two costs, with a colour and a marker for each run.

    The line joins the rows within the run's budgets that are best for the two costs shown. Pale marks are the other
    members of its front: those that are best over all objectives of its search. A budget is drawn if all runs agree on
    it.

    Args:
        results: by the name that the legend gives the run.
        ax: axes to draw in; by default those of a new figure.
        x: cost from left to right.
        y: cost from bottom to top. Both axes are logarithmic if their cost spans more than a factor of 10.
        others: whether to draw the pale marks.
        legend: whether to name the runs, to the right of the axes (a constrained layout makes room for it).

    Raises:
        SearchError: if a run does not know a cost.
    """
    log = needs_log(shown_values(results, x)), needs_log(shown_values(results, y))
    handles, labels = fronts_legend(results, others)
    if ax is None:
        ax = new_axes(6.0, 4.8, legend * legend_inches(labels))
    draw_fronts_of_two(ax, results, x, y, log, others)
    set_labels(ax, label(x), label(y))
    if legend and results:
        legend_beside(ax, handles, labels)
    return ax


def shown_values(results: Mapping[str, Results], cost: str) -> NDArray[np.float64]:
    """One cost of the rows of all runs that are within their run's budgets.

    Raises:
        SearchError: if a run does not know the cost.
    """
    found = [np.empty(0)]
    for name, of_run in results.items():
        try:
            found.append(of_run.values(cost)[of_run.feasible])
        except SearchError as error:
            raise SearchError(f"{name}: {error}") from error
    return np.concatenate(found)


def draw_fronts_of_two(
    ax: Axes, results: Mapping[str, Results], x: str, y: str, log: tuple[bool, bool], others: bool
) -> None:
    """The fronts over two costs, without labels and legend."""
    set_frame(ax)
    points = np.stack([shown_values(results, x), shown_values(results, y)], axis=1)
    if not len(points):
        measured = any(of_run.rows for of_run in results.values())
        write_note(ax, NO_RUNS if not results else NO_FEASIBLE if measured else NO_ROWS)
        return
    set_scales(ax, points, log)
    styles = series_styles(results)
    for place, (name, of_run) in enumerate(results.items()):
        _draw_front(ax, of_run, x, y, styles[name], others, depth=2 + place / 100)
    draw_budgets(ax, _agreed_budgets(results), x, y)


def _draw_front(ax: Axes, results: Results, x: str, y: str, style: Series, others: bool, depth: float) -> None:
    points = results.points((x, y))
    best = np.zeros(len(points), dtype=bool)
    best[results.feasible] = non_dominated(points[results.feasible])
    if others:
        ax.plot(
            *points[results.on_front & ~best].T,
            linestyle="none",
            marker=style.marker,
            markersize=PALE_MARK,
            markeredgewidth=0,
            color=style.colour,
            alpha=PALE,
            zorder=depth,
        )
    ax.plot(
        *np.unique(points[best], axis=0).T,  # sorted by rising x, so y falls
        drawstyle="steps-post",
        linewidth=1.4,
        zorder=depth + 1,
        **_mark(style),
    )


def fronts_legend(results: Mapping[str, Results], others: bool) -> tuple[list[Line2D], list[str]]:
    """What the legend says: every run by its name, whatever came out of it, and what is pale."""
    handles = [Line2D([], [], linewidth=1.4, **_mark(style)) for style in series_styles(results).values()]
    labels = []
    for name, of_run in results.items():
        problem = NO_ROWS if not of_run.rows else "" if of_run.feasible.any() else NO_FEASIBLE
        labels.append(plain(f"{name} ({problem})" if problem else name))
    if others and any(of_run.on_front.sum() > 1 for of_run in results.values()):
        pale = Line2D([], [], linestyle="none", marker="o", markersize=PALE_MARK, markeredgewidth=0, alpha=PALE)
        pale.set_color("black")
        handles.append(pale)
        labels.append("pale: best over all objectives")
    return handles, labels


def _mark(style: Series) -> dict[str, Any]:
    return {
        "color": style.colour,
        "marker": style.marker,
        "markersize": MARK,
        "markeredgecolor": "white",
        "markeredgewidth": 0.6,
    }


def _agreed_budgets(results: Mapping[str, Results]) -> dict[str, float]:
    """Budgets that all runs have."""
    first, *more = (of_run.budgets for of_run in results.values())
    return {cost: limit for cost, limit in first.items() if all(other.get(cost) == limit for other in more)}
