"""Bits of the nodes of a candidate."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm
from matplotlib.patches import Patch

from mtnas.architecture import FLOAT_BITS, ArchitectureSpace, Candidate, notation, to_graph
from mtnas.plotting.frame import axes_inches, new_axes
from mtnas.plotting.heat import HEAT, LINE, Cell, colour_of, draw_cells, get_cmap
from mtnas.plotting.layout import tree_layout
from mtnas.plotting.legends import legend_beside, legend_inches
from mtnas.plotting.style import INK, SMALL_POINTS, plain, text_inches

BITS = LogNorm(1, FLOAT_BITS)
"""From bits of weights to colours, the fewer the darker."""

WIDE, WIDEST, HIGH, SPACED = 0.72, 1.2, 0.32, 1.3
"""Least and most inches of a cell in a figure of its own, its height, and its width for the name of a task."""


def plot_policy(
    candidate: Candidate,
    space: ArchitectureSpace,
    ax: Axes | None = None,
    *,
    legend: bool = True,
    colours: Colormap | str = HEAT,
) -> Axes:
    """Draw the bits of every node of a candidate as a heat map: a row for every block, a column for every task.

    A node is as wide as the group of tasks that share it; tasks stand in the order in which the tree is drawn. The
    colour tells the bits of its weights, the text those of weights and activations (W8A16; float: 32 bits).

    Args:
        ax: axes to draw in; by default those of a new figure. Texts are left out where nodes are too small for them.
        legend: whether to explain the colours, to the right of the axes (a constrained layout makes room for it).
        colours: from 32 bits to 1.

    Raises:
        ArchitectureError: if the candidate is not of this space.
    """
    graph = to_graph(space, candidate.architecture)
    places = tree_layout(graph)
    order = sorted(space.tasks, key=lambda task: places[f"head/{task}"][0])
    cells = []
    for _, node in graph.nodes(data=True):
        if node["kind"] == "block":
            bits = candidate.policy.bits(node["layer"] - 1, node["leader"])
            left = min(order.index(task) for task in node["tasks"])
            cells.append(Cell(left, node["layer"] - 1, len(node["tasks"]), bits[0], notation(bits)))
    found = sorted({int(cell.value) for cell in cells}, reverse=True)
    labels = [f"{bits}-bit weights" if bits < FLOAT_BITS else "float weights" for bits in found]
    if ax is None:
        ax = _new_axes(space, legend * legend_inches(labels))
    tasks, blocks = len(order), len(space.blocks)
    ax.set_xlim(0, tasks)
    ax.set_ylim(blocks, 0)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize=SMALL_POINTS, labelcolor=INK)
    ax.set_yticks(np.arange(blocks) + 0.5, [plain(block.name) for block in space.blocks])
    width, height = axes_inches(ax)
    slanted = any(text_inches(task, SMALL_POINTS) > 0.9 * width / tasks for task in order)
    ax.set_xticks(
        np.arange(tasks) + 0.5,
        [plain(task) for task in order],
        rotation=30 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor",
    )
    few_last = get_cmap(colours).reversed()
    draw_cells(ax, cells, BITS, (width / tasks, height / blocks), few_last)
    if legend:
        handles = [Patch(facecolor=colour_of(bits, BITS, few_last), edgecolor=LINE) for bits in found]
        legend_beside(ax, handles, labels)
    return ax


def _new_axes(space: ArchitectureSpace, legend: float) -> Axes:
    """Axes in which the names of tasks have room side by side, unless they are long."""
    names = max(text_inches(block.name, SMALL_POINTS) for block in space.blocks)
    longest = max(text_inches(task, SMALL_POINTS) for task in space.tasks)
    slanted = SPACED * longest > WIDEST
    wide, below = (WIDE, 0.55 * longest + 0.2) if slanted else (max(WIDE, SPACED * longest), 0.3)
    return new_axes(0.4 + names + wide * len(space.tasks), 0.2 + below + HIGH * len(space.blocks), legend)
