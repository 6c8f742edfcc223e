"""Budgets in a picture of two costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.text import Annotation

from mtnas.plotting.style import SMALL_POINTS, VERMILLION, amount

NEAR = 0.35
"""How far outside the rows a budget may lie to be drawn, as a share of the length of the axis."""

ROOM = 0.07
"""Room kept between a budget and the end of the axis, as a share of its length: enough for its name."""

DASHES = (0, (5, 3))


def draw_budgets(ax: Axes, budgets: Mapping[str, float], x: str, y: str) -> None:
    """Draw the budgets of the two costs shown, once the rows are drawn: a line, and a shade over what is beyond.

    A budget far from all rows would squeeze them into a corner: it is only named, with an arrow to where it lies.
    """
    side: Literal["left", "right"] = "right"
    if x in budgets:
        limit = budgets[x]
        text, place = f"budget {amount(x, limit)}", _make_room(ax, 0, limit)
        if 0 <= place <= 1:
            ax.axvline(limit, color=VERMILLION, linewidth=1.1, linestyle=DASHES, zorder=1.5)
            ax.axvspan(limit, ax.get_xlim()[1], color=VERMILLION, alpha=0.06, linewidth=0, zorder=0.5)
            name = _write(ax, text, (place, 1), (3, -3), "left", "top")
            name.set_rotation(90)
            side = "left" if place > 0.5 else "right"  # where the other budget's name does not meet this line
        elif place > 1:
            _write(ax, f"{text} →", (1, 0), (-3, 4), "right", "bottom")
        else:
            _write(ax, f"← {text}", (0, 0), (3, 4), "left", "bottom")
    if y in budgets:
        limit = budgets[y]
        text, place = f"budget {amount(y, limit)}", _make_room(ax, 1, limit)
        if 0 <= place <= 1:
            ax.axhline(limit, color=VERMILLION, linewidth=1.1, linestyle=DASHES, zorder=1.5)
            ax.axhspan(limit, ax.get_ylim()[1], color=VERMILLION, alpha=0.06, linewidth=0, zorder=0.5)
            _write(ax, text, (float(side == "right"), place), (3 if side == "left" else -3, 3), side, "bottom")
        elif place > 1:
            _write(ax, f"↑ {text}", (0, 1), (4, -3), "left", "top")
        else:
            _write(ax, f"↓ {text}", (0, 0), (4, 18), "left", "bottom")


def _make_room(ax: Axes, axis: int, limit: float) -> float:
    """Widen the axis if the limit lies just outside; its place as a share of the axis, 0 to 1 if it is drawn."""
    place = _place(ax, axis, limit)
    if not -NEAR <= place <= 1 + NEAR:
        return place
    # A tenth of the length more than the room, since the shares are of the axis before it grows.
    ends = min(0.0, place - 1.1 * ROOM), max(1.0, place + 1.1 * ROOM)
    to_data = (ax.transAxes - ax.transData).transform
    low, high = (float(to_data((end, end))[axis]) for end in ends)
    if axis == 0:
        ax.set_xlim(low, high)
    else:
        ax.set_ylim(low, high)
    return _place(ax, axis, limit)


def _place(ax: Axes, axis: int, limit: float) -> float:
    """Place of a value as a share of the axis. The other coordinate must exist on any scale, hence the axis' end."""
    point = [ax.get_xlim()[0], ax.get_ylim()[0]]
    point[axis] = limit
    return float((ax.transData - ax.transAxes).transform(point)[axis])


def _write(ax: Axes, text: str, place: tuple[float, float], shift: tuple[float, float], ha: str, va: str) -> Annotation:
    """Small text at a place of the axes (0 to 1), shifted by points."""
    return ax.annotate(
        text,
        place,
        shift,
        "axes fraction",
        "offset points",
        ha=ha,
        va=va,
        color=VERMILLION,
        size=SMALL_POINTS,
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
    )
