"""Legends that lie over no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.legend import Legend

from mtnas.plotting.style import INK, TEXT_POINTS, text_inches

LEGEND: dict[str, Any] = {"frameon": False, "fontsize": TEXT_POINTS, "labelcolor": INK}


HANDLE_INCHES = 0.5
"""What is left and right of the texts of a legend."""


def legend_inches(labels: Sequence[str]) -> float:
    """Width of a legend of one column, known before anything is drawn."""
    return max(text_inches(text, TEXT_POINTS) for text in labels) + HANDLE_INCHES if labels else 0.0


def legend_beside(ax: Axes, handles: Sequence[Artist], labels: Sequence[str]) -> Legend:
    """A legend to the right of the axes; a constrained layout makes room for it."""
    return ax.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, **LEGEND)
