"""Cells whose colours tell numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_hex
from matplotlib.patches import Rectangle

from mtnas.plotting.style import BLUE, SMALL_POINTS, ink_on, text_inches

HEAT: Colormap = LinearSegmentedColormap.from_list("mtnas", ["#FFFFFF", "#A6CDE5", BLUE, "#002F4B"], N=40)
"""From white over blue to nearly black: read by its lightness alone, so by colour-blind readers and in grey prints."""

LINE = "#D0D0D0"
"""Between cells."""

LEAST_POINTS = 5.0
"""Numbers that would have to be smaller to fit their cell are left out."""


def get_cmap(colours: Colormap | str) -> Colormap:
    """A colour map, or that of a name of matplotlib's."""
    return matplotlib.colormaps.get_cmap(colours)


def colour_of(value: float, scale: Normalize, colours: Colormap | str) -> str:
    """Colour of a value."""
    return to_hex(get_cmap(colours)(float(scale(value))))


@dataclass(frozen=True)
class Cell:
    """A rectangle with its left and upper edge, and text to write in it."""

    x: float
    y: float
    width: float
    value: float
    text: str


def draw_cells(
    ax: Axes, cells: Sequence[Cell], scale: Normalize, unit: tuple[float, float], colours: Colormap | str = HEAT
) -> PatchCollection:
    """Cells of height 1, with y downward, as outlines and not as a picture, so that vector files stay sharp.

    Args:
        unit: width and height of a cell of size 1 in inches, which decides how large the texts can be.
        scale: from values to the colours.
    """
    drawn = PatchCollection(
        [Rectangle((cell.x, cell.y), cell.width, 1) for cell in cells],
        edgecolor=LINE,
        linewidth=0.6,
        norm=scale,
        clip_on=False,
    )
    drawn.set_cmap(colours)
    drawn.set_array([cell.value for cell in cells])
    ax.add_collection(drawn)
    points = min((_points(cell, unit) for cell in cells), default=0.0)
    if points >= LEAST_POINTS:
        for cell in cells:
            colour = ink_on(colour_of(cell.value, scale, colours))
            ax.text(
                cell.x + cell.width / 2, cell.y + 0.5, cell.text, ha="center", va="center", size=points, color=colour
            )
    return drawn


def _points(cell: Cell, unit: tuple[float, float]) -> float:
    """Largest size of the text that leaves some room in the cell."""
    wide = 0.85 * cell.width * unit[0] / max(1e-6, text_inches(cell.text, 1.0))
    return min(SMALL_POINTS, wide, 0.6 * 72 * unit[1])
