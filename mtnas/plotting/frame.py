"""The frame of a picture with two axes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtnas.plotting.style import INK, MUTED, SMALL_POINTS, TEXT_POINTS, two_lines

LEFT = 0.6
"""About the inches that labels take left of axes."""


def new_axes(width: float, height: float, legend: float = 0.0) -> Axes:
    """Axes of a figure of their own, in inches, which makes room for labels.

    Args:
        legend: how much wider the figure is, for a legend to the right.
    """
    full = width + legend
    figure = Figure(figsize=(full, height), layout="constrained")
    # Where the layout will put the axes, about, for those who ask how large they are before anything is drawn.
    figure.subplotpars.update(left=min(0.4, LEFT / full), right=0.98 - legend / full)
    return figure.add_subplot()


def axes_inches(ax: Axes) -> tuple[float, float]:
    """Width and height of axes; before a constrained layout has made room in them, that is a little too much."""
    return ax.bbox.width / ax.figure.dpi, ax.bbox.height / ax.figure.dpi


def set_labels(ax: Axes, x: str, y: str) -> None:
    """What the two axes tell, below and to the left, in two lines where one is too long."""
    width, height = axes_inches(ax)
    ax.set_xlabel(two_lines(x, TEXT_POINTS, width), size=TEXT_POINTS, color=INK)
    ax.set_ylabel(two_lines(y, TEXT_POINTS, height), size=TEXT_POINTS, color=INK)


def set_frame(ax: Axes) -> None:
    """Two thin spines, small ticks and a faint grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(labelsize=SMALL_POINTS, colors=MUTED, labelcolor=INK)
    ax.grid(True, color="#EEEEEE", linewidth=0.8)
    ax.set_axisbelow(True)


def write_note(ax: Axes, text: str) -> None:
    """Why there is nothing to see."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", color=MUTED, size=TEXT_POINTS)
