"""One branch point: how likely every task takes every label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from numpy.typing import ArrayLike, NDArray

from mtnas.errors import ArchitectureError
from mtnas.plotting.frame import axes_inches, new_axes
from mtnas.plotting.heat import HEAT, Cell, draw_cells
from mtnas.plotting.style import INK, MUTED, SMALL_POINTS, TEXT_POINTS, plain, text_inches

SHARE = Normalize(0, 1)
"""From probabilities to colours."""


def plot_branch_point(
    probabilities: ArrayLike,
    ax: Axes | None = None,
    *,
    tasks: Sequence[str],
    entropies: ArrayLike = (),
    title: str = "",
    colours: Colormap | str = HEAT,
) -> Axes:
    """Draw one branch point as a heat map: a row for every task, a column for every label, percent in the cells.

    A task that takes the label of another goes with it. There are no cells for labels above a task's own, which it
    cannot take. The title tells the mean entropy of the choices, from 0 where they are certain to 1 where they are
    even.

    Args:
        probabilities: (tasks, labels).
        ax: axes to draw in; by default those of a new figure. Percentages are left out where cells are too small.
        tasks: their names.
        entropies: of the choices of all tasks but the first, (tasks - 1,); none: nothing is said of them.
        title: name of the block.
        colours: from 0 to 1.

    Raises:
        ArchitectureError: if there are not as many rows as tasks.
    """
    cells = np.asarray(probabilities, dtype=np.float64)
    if cells.ndim != 2 or len(cells) != len(tasks):
        raise ArchitectureError(f"probabilities of shape {cells.shape} where (tasks={len(tasks)}, labels) is needed")
    if ax is None:
        rows, columns = (max(0.9, cell_inches(len(tasks)) * count) for count in cells.shape)
        ax = new_axes(columns + names_inches(tasks) + 0.2, rows + 1.0)
    draw_point(ax, cells, np.asarray(entropies, dtype=np.float64), title, colours)
    name_rows(ax, tasks)
    ax.set_xlabel("label", size=TEXT_POINTS, color=INK)
    return ax


def draw_point(
    ax: Axes, probabilities: NDArray[np.float64], entropies: NDArray[np.float64], title: str, colours: Colormap | str
) -> None:
    """The cells, the numbers of the labels below, and the title, without the names of the rows."""
    tasks, labels = probabilities.shape
    ax.set_xlim(0, labels)
    ax.set_ylim(tasks, 0)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=SMALL_POINTS, labelcolor=INK, pad=2)
    ax.set_xticks(np.arange(labels) + 0.5, [str(label + 1) for label in range(labels)])
    ax.set_yticks([])
    cells = [
        Cell(label, task, 1, float(probabilities[task, label]), f"{100 * probabilities[task, label]:.0f}")
        for task in range(tasks)
        for label in range(min(task + 1, labels))
    ]
    width, height = axes_inches(ax)
    draw_cells(ax, cells, SHARE, (width / labels, height / tasks), colours)
    ax.set_title(plain(title), loc="left", size=TEXT_POINTS, color=INK, pad=15 if entropies.size else 4)
    if entropies.size:
        said = f"entropy {entropies.mean():.2f}"
        ax.annotate(said, (0, 1), (0, 3), "axes fraction", "offset points", size=SMALL_POINTS, color=MUTED)


def name_rows(ax: Axes, tasks: Sequence[str]) -> None:
    """Names of the tasks, each with the number of its own label."""
    ax.set_yticks(np.arange(len(tasks)) + 0.5, row_names(tasks))


def row_names(tasks: Sequence[str]) -> list[str]:
    return [plain(f"{task}  {number}") for number, task in enumerate(tasks, start=1)]


def names_inches(tasks: Sequence[str]) -> float:
    """Room that the names of the rows take."""
    return max(text_inches(name, SMALL_POINTS) for name in row_names(tasks)) + 0.06


def cell_inches(tasks: int) -> float:
    """Side of a cell, in which a percentage can still be read."""
    return 0.36 if tasks <= 6 else 0.28 if tasks <= 8 else 0.23
