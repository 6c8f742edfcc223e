"""Members of a front over all their costs at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mtnas.plotting.cost_axis import CostAxis
from mtnas.plotting.frame import axes_inches, new_axes, write_note
from mtnas.plotting.front import NO_FEASIBLE, NO_ROWS
from mtnas.plotting.legends import legend_beside
from mtnas.plotting.members import main_resource
from mtnas.plotting.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    SMALL_POINTS,
    TEXT_POINTS,
    human,
    label,
    text_inches,
    two_lines,
)
from mtnas.results import MEAN_ERROR, Results

PITCH = 1.2
"""Inches between the axes of a figure of its own, unless it is full."""

WIDEST = 10.0
"""Most inches of a figure of its own, without the legend."""

LEGEND_WIDE = 1.9
"""About the inches of the legend."""

VALUE = 0.55
"""Inches left of the first axis, where its values stand."""

NEAREST = 0.19
"""Least inches from the ends of an axis to a round value."""

BOLD: dict[str, Any] = {"color": ORANGE, "linewidth": 2.6, "marker": "o", "markersize": 6, "markeredgecolor": "white"}


def plot_parallel(
    results: Results,
    ax: Axes | None = None,
    *,
    costs: Sequence[str] | None = None,
    best: str = MEAN_ERROR,
    legend: bool = True,
) -> Axes:
    """Draw every member of the Pareto front as a line across one vertical axis per cost.

    Every axis begins at the lowest value of the front, which is the best one, and ends at its highest. It is
    logarithmic if these are more than a factor of 10 apart.

    Args:
        ax: axes to draw in; by default those of a new figure.
        costs: one axis for each, from left to right; by default the objectives of the search.
        best: the member that has the lowest of this cost is drawn bold.
        legend: whether to explain the lines, to the right of the axes (a constrained layout makes room for it).

    Raises:
        SearchError: if a cost is not known.
    """
    names = results.objectives if costs is None else tuple(costs)
    for name in (*names, best):
        results.values(name)  # names the nearest cost if there is no such one
    if ax is None:
        ax = new_axes(min(WIDEST, 0.8 + PITCH * len(names)), 4.4, legend * LEGEND_WIDE)
    ax.spines[:].set_visible(False)
    front = results.front()
    if not front or not names:
        write_note(ax, NO_FEASIBLE if results.rows else NO_ROWS)
        return ax
    points = np.array([[row.costs[name] for name in names] for row in front])  # (members, costs)
    scales = [CostAxis.of(points[:, place]) for place in range(len(names))]
    heights = np.stack([scale.heights(points[:, place]) for place, scale in enumerate(scales)], axis=1)
    resource = main_resource(results)
    chosen = min(range(len(front)), key=lambda i: (front[i].costs[best], front[i].costs[resource], front[i].id))
    others = np.delete(heights, chosen, axis=0)
    plain_line: dict[str, Any] = {"color": BLUE, "linewidth": 1.0, "alpha": min(0.8, max(0.25, 25 / len(front)))}
    for line in others:
        ax.plot(line, zorder=2, marker="o", markersize=2.5, **plain_line)
    ax.plot(heights[chosen], zorder=3, **BOLD)
    pitch = (axes_inches(ax)[0] - VALUE) / len(names)
    for place, scale in enumerate(scales):
        _draw_axis(ax, place, scale, pitch)
    _name_axes(ax, [label(name) for name in names], pitch)
    ax.set_xlim(-VALUE / pitch, len(names) - 0.85)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([])
    ax.set_ylabel("← better", size=TEXT_POINTS, color=INK)
    if legend:
        handles = [Line2D([], [], **BOLD), Line2D([], [], **plain_line)]
        labels = [
            f"lowest {label(best)}\n({front[chosen].id})",
            f"{len(others)} other member{'s' * (len(others) != 1)}\nof the front",
        ]
        shown = 2 if len(others) else 1
        legend_beside(ax, handles[:shown], labels[:shown])
    return ax


def _draw_axis(ax: Axes, place: int, scale: CostAxis, pitch: float) -> None:
    """A line, and ticks with their values on its left."""
    ax.plot([place, place], [0, 1], color=MUTED, linewidth=1.0, zorder=1.5)
    ticks = scale.ticks(nearest=NEAREST / axes_inches(ax)[1])
    for value, height in zip(ticks, scale.heights(np.array(ticks)), strict=True):
        ax.plot([place], [height], marker=0, markersize=4, color=MUTED, zorder=1.5)  # a tick to the left
        ax.annotate(
            human(value),
            (place, height),
            (-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=INK,
            size=SMALL_POINTS * min(1.0, max(0.6, pitch / VALUE)),
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6},
        )


def _name_axes(ax: Axes, names: Sequence[str], pitch: float) -> None:
    """Names below, all in two lines if one is too long for one, and slanted if they would still meet."""
    room = 0.92 * pitch
    fit = all(text_inches(name, TEXT_POINTS) <= room for name in names)
    broken = names if fit else [two_lines(name, TEXT_POINTS, 0) for name in names]
    slanted = any(text_inches(name, TEXT_POINTS) > room for name in broken)
    ax.set_xticks(
        range(len(names)),
        names if slanted else broken,
        size=TEXT_POINTS,
        color=INK,
        rotation=30 if slanted else 0,
        ha="right" if slanted else "center",
        va="top",
        rotation_mode="anchor" if slanted else "default",
    )
    ax.tick_params(axis="x", length=0)
