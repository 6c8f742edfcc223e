"""The frame of a picture with two axes."""

from __future__ import annotations

from matplotlib.axes import Axes

from mtnas.plotting.style import INK, MUTED, SMALL_POINTS


def set_frame(ax: Axes) -> None:
    """Two thin spines, small ticks and a faint grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(labelsize=SMALL_POINTS, colors=MUTED, labelcolor=INK)
    ax.grid(True, color="#EEEEEE", linewidth=0.8)
    ax.set_axisbelow(True)
