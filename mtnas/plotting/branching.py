"""What a training learned about branching, for one budget."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtnas.architecture import ArchitectureSpace
from mtnas.errors import ArchitectureError
from mtnas.plotting.branch_points import SHARE, cell_inches, draw_point, name_rows, names_inches
from mtnas.plotting.heat import HEAT
from mtnas.plotting.style import INK, SMALL_POINTS, TEXT_POINTS, TITLE_POINTS, plain, text_inches

NO_POINTS = "no block of this space lets tasks part"

# Inches.
MARGIN, GAP, TITLE, NUMBERS, LABEL, HEADER = 0.15, 0.3, 0.42, 0.3, 0.2, 0.3
BAR, BAR_NUMBERS, LEAST_BAR = 0.14, 0.62, 0.9


def draw_branching(
    probabilities: ArrayLike,
    entropies: ArrayLike,
    space: ArchitectureSpace,
    *,
    title: str = "",
    width: float = 11.5,
    colours: Colormap | str = HEAT,
) -> Figure:
    """Figure of `plot_branch_point` for every branch point of one budget, from the first block to the last.

    Args:
        probabilities: (branch points, tasks, labels).
        entropies: (branch points, tasks - 1).
        space: tells the names of tasks and blocks.
        title: above all panels.
        width: of the figure in inches at most, unless one panel needs more.
        colours: from 0 to 1.

    Raises:
        ArchitectureError: if the numbers are not those of the branch points of this space.
    """
    names = [block.name for block in space.blocks if block.branching]
    tasks, labels = len(space.tasks), space.most_groups
    shares = _shaped("probabilities", probabilities, (len(names), tasks, labels))
    choices = _shaped("entropies", entropies, (len(names), tasks - 1))
    if not names:
        figure = Figure(figsize=(6, 1))
        figure.text(0.5, 0.5, NO_POINTS, ha="center", va="center", size=TITLE_POINTS, color=INK)
        return figure

    # Everything in inches, from the top left corner.
    cell = cell_inches(tasks)
    left, right = MARGIN + names_inches(space.tasks), GAP + BAR + BAR_NUMBERS + MARGIN
    room = max(labels * cell, *(text_inches(text, TEXT_POINTS) for text in (*names, "entropy 0.00"))) + GAP
    rows = math.ceil(len(names) / max(1, int((width - left - right + GAP) / room)))
    columns = math.ceil(len(names) / rows)
    top, pitch = MARGIN + (HEADER if title else 0), TITLE + tasks * cell + NUMBERS
    wide = max(left + columns * room - GAP + right, text_inches(title, TITLE_POINTS, bold=True) + 2 * MARGIN)
    high = top + rows * pitch + LABEL + MARGIN
    figure = Figure(figsize=(wide, high))
    for place, (name, share, choice) in enumerate(zip(names, shares, choices, strict=True)):
        x, y = left + place % columns * room, top + place // columns * pitch + TITLE
        ax = figure.add_axes((x / wide, 1 - (y + tasks * cell) / high, labels * cell / wide, tasks * cell / high))
        draw_point(ax, share, choice, name, colours)
        if place % columns == 0:
            name_rows(ax, space.tasks)
    x, tall = left + columns * room, max(LEAST_BAR, tasks * cell)
    bar = figure.add_axes((x / wide, 1 - (top + TITLE + tall) / high, BAR / wide, tall / high))
    _draw_bar(figure, bar, colours)
    if title:
        figure.text(
            MARGIN / wide, 1 - MARGIN / high, plain(title), va="top", size=TITLE_POINTS, color=INK, weight="bold"
        )
    said = "label" if space.limited else "label: the task to go with"
    figure.text(left / wide, MARGIN / high, said, va="bottom", size=TEXT_POINTS, color=INK)
    return figure


def _draw_bar(figure: Figure, ax: Axes, colours: Colormap | str) -> None:
    """What the colours mean, as outlines and not as a picture."""
    bar = figure.colorbar(ScalarMappable(SHARE, colours), cax=ax, ticks=[0, 0.5, 1])
    if bar.solids is not None:
        bar.solids.set_rasterized(False)
        bar.solids.set_edgecolor("face")  # no seams between the colours
    bar.outline.set_visible(False)
    bar.set_label("probability (%)", size=SMALL_POINTS, color=INK)
    ax.set_yticks([0, 0.5, 1], ["0", "50", "100"])
    ax.tick_params(length=0, labelsize=SMALL_POINTS, labelcolor=INK)


def _shaped(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers of a shape, which an empty list lacks."""
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape and not (found.size == 0 == math.prod(shape)):
        raise ArchitectureError(f"{name} of shape {found.shape} where {shape} is needed for this space")
    return found.reshape(shape)
