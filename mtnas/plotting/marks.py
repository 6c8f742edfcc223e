"""The marks of a picture of two costs: rows, front, corner networks, and what the legend says of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.legend import Legend
from numpy.typing import NDArray

from mtnas.plotting.style import BLACK, BLUE, FAINT, GREY, ORANGE, plain
from mtnas.results import Results, non_dominated
from mtnas.results.corners import SHARED

FRONT = "Pareto front"
STAIRCASE = "best for the two costs shown"


def corner_marker(name: str) -> tuple[str, str]:
    """Marker and fill of a corner network: the shape tells the tree, the fill the size."""
    return "s" if name.startswith(SHARED) else "^", ORANGE if name.endswith("largest") else "white"


def draw_rows(ax: Axes, results: Results, points: NDArray[np.float64]) -> None:
    front, feasible = results.on_front, results.feasible
    area = float(np.clip(26 * math.sqrt(150 / len(points)), 6, 26))
    many = len(points) > 2000  # as a bitmap, so that a vector file of many rows stays small
    costs = len(results.objectives)
    corners = {row.number for row in results.corner_rows().values()}
    own_mark = np.array([row.number in corners for row in results.rows])
    kinds: tuple[tuple[NDArray[np.bool_], str, float, dict[str, Any]], ...] = (
        (
            front,
            f"{FRONT} over {costs} cost{'s' * (costs != 1)}",
            2.2,
            {"marker": "o", "color": BLUE, "s": 1.3 * area, "linewidths": area / 45, "edgecolors": "white"},
        ),
        (feasible & ~front, "dominated", 2.1, {"marker": "o", "color": GREY, "s": 0.8 * area, "linewidths": 0}),
        (
            ~feasible & ~own_mark,
            "over a budget",
            2.0,
            {"marker": "x", "color": FAINT, "s": 0.8 * area, "linewidths": 0.9},
        ),
    )
    for mask, name, depth, style in kinds:
        if mask.any():
            shown = points[mask]
            ax.scatter(shown[:, 0], shown[:, 1], label=name, zorder=depth, rasterized=many, **style)


def draw_staircase(ax: Axes, points: NDArray[np.float64]) -> None:
    if not len(points):
        return
    steps = np.unique(points[non_dominated(points)], axis=0)  # sorted by rising x, so y falls
    ax.plot(steps[:, 0], steps[:, 1], drawstyle="steps-post", color=BLUE, linewidth=1.3, zorder=2.15, label=STAIRCASE)


def draw_corners(ax: Axes, results: Results, x: str, y: str) -> None:
    feasible = {row.number for row, met in zip(results.rows, results.feasible, strict=True) if met}
    evaluated = results.corner_rows()
    for name, row in evaluated.items():
        marker, fill = corner_marker(name)
        text = f"{name} (over budget)" if feasible and row.number not in feasible else name
        ax.scatter(
            [row.costs[x]],
            [row.costs[y]],
            s=62,
            marker=marker,
            color=fill,
            edgecolors=BLACK,
            linewidths=1.2,
            zorder=4,
            label=plain(text),
        )


def legend_entries(ax: Axes) -> tuple[list[Artist], list[str]]:
    """What the legend explains: first the front and its line, then the rest as drawn."""
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: (not labels[i].startswith(FRONT), labels[i] != STAIRCASE, i))
    return [handles[i] for i in order], [str(labels[i]) for i in order]


def enlarge_dots(legend: Legend) -> None:
    """Dots of the legend large enough to see, however small they are among many rows."""
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([max(30.0, *handle.get_sizes())])
