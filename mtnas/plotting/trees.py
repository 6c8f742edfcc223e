"""Branched networks as trees: who shares what, with which operators, at which cost."""

from __future__ import annotations

import math
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtnas.architecture import EXACT_COSTS, SIZE, Architecture, ArchitectureSpace, CostTable, QuantizationPolicy
from mtnas.errors import SearchError, unknown_name
from mtnas.latency import LATENCY
from mtnas.plotting.frame import axes_inches
from mtnas.plotting.front import NO_FEASIBLE, NO_ROWS
from mtnas.plotting.members import choose_members
from mtnas.plotting.style import INK, TEXT_POINTS, TITLE_POINTS, amount, human, plain, text_inches
from mtnas.plotting.tree_picture import TreePicture
from mtnas.results import MEAN_ERROR, Results, Row

# Inches.
MARGIN, LINE, LEGEND_GAP = 0.15, 0.19, 0.07
PAGE_WIDTH = 15.0
"""Widest figure of several trees; one tree that is wider has a row of its own."""


def plot_tree(
    space: ArchitectureSpace,
    cost_table: CostTable,
    architecture: Architecture,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    policy: QuantizationPolicy | None = None,
    cost: str = "params",
    legend: bool = True,
) -> Axes:
    """Draw an architecture from its input (top) to its heads (bottom).

    Every node is a box with its operator, its cost, and a bar of the colours of the tasks that share it; every task is
    a strand from box to box.

    Args:
        ax: axes to draw in; the tree is shrunk to fit them, text included, so lay the figure out first. By default a
            new figure of the size that the tree needs.
        title: text above; of several lines the first is bold.
        policy: adds the bits of the nodes that are not float.
        cost: which exact cost the boxes tell.
        legend: whether to name the colours of the tasks, and the cost, above the tree.

    Raises:
        SearchError: if the cost is not one of the exact ones.
    """
    if cost not in EXACT_COSTS:
        raise SearchError(unknown_name("exact cost", cost, EXACT_COSTS))
    picture = TreePicture.of(space, cost_table, architecture, policy or QuantizationPolicy(), cost)
    if ax is None:
        ax = _new_axes(picture, title, legend)
    _draw_picture(ax, picture, title, legend)
    return ax


def draw_trees(results: Results, count: int = 4) -> Figure:
    """Figure of the members of the front that `choose_members` names, as trees.

    If no row meets the budgets, the figure says so and shows the corner networks that were evaluated.
    """
    members = choose_members(results, count)
    found = members or results.corner_rows()
    note = "" if members else NO_FEASIBLE if results.rows else NO_ROWS
    if not found:
        figure = Figure(figsize=(6, 1))
        figure.text(0.5, 0.5, note, ha="center", va="center", size=TITLE_POINTS, color=INK)
        return figure
    pictures = [
        TreePicture.of(results.space, results.cost_table, row.candidate.architecture, row.candidate.policy, "params")
        for row in found.values()
    ]
    # Boxes of one size in all.
    box, lines = max(picture.box for picture in pictures), max(picture.lines for picture in pictures)
    pictures = [replace(picture, box=box, lines=lines) for picture in pictures]
    titles = [_member_title(name, row) for name, row in found.items()]

    # Cells of equal size, in inches from the top left corner.
    cell_width = max(pictures[0].width, *map(_title_width, titles)) + MARGIN
    cell_height = pictures[0].height + _title_height(titles[0])
    rows = math.ceil(len(pictures) / max(1, int(PAGE_WIDTH / cell_width)))
    columns = math.ceil(len(pictures) / rows)
    width = columns * cell_width + MARGIN
    header = MARGIN + (1.6 * LINE if note else 0)
    top = header + pictures[0].legend_height(width - 2 * MARGIN)
    height = top + rows * cell_height + (rows - 1) * LINE + MARGIN
    figure = Figure(figsize=(width, height))
    if note:
        note += "; the corner networks instead:"
        figure.text(MARGIN / width, 1 - MARGIN / height, note, va="top", size=TITLE_POINTS, color=INK, weight="bold")
    pictures[0].legend(figure, width - 2 * MARGIN, (MARGIN / width, 1 - header / height), 1 / height)
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = MARGIN + place % columns * cell_width
        bottom = height - top - place // columns * (cell_height + LINE) - cell_height
        ax = figure.add_axes((left / width, bottom / height, (cell_width - MARGIN) / width, picture.height / height))
        _draw_picture(ax, picture, title, legend=False)
    return figure


def _new_axes(picture: TreePicture, title: str | None, legend: bool) -> Axes:
    inner = max(picture.width, _title_width(title)), picture.height + _legend_height(picture, legend)
    width, height = inner[0] + 2 * MARGIN, inner[1] + 2 * MARGIN + _title_height(title)
    figure = Figure(figsize=(width, height))
    return figure.add_axes((MARGIN / width, MARGIN / height, inner[0] / width, inner[1] / height))


def _legend_height(picture: TreePicture, legend: bool) -> float:
    return picture.legend_height(picture.width) + LEGEND_GAP if legend else 0.0


def _draw_picture(ax: Axes, picture: TreePicture, title: str | None, legend: bool) -> None:
    """The picture as large as the axes allow, at most at full size, and what is above it."""
    top = _legend_height(picture, legend)
    width, height = axes_inches(ax)
    scale = min(1.0, width / picture.width, height / (picture.height + top))
    # One unit of the axes is one inch at full size; room that is left goes to both sides and below.
    ax.set_xlim(0, width / scale)
    ax.set_ylim(height / scale - top, -top)
    ax.set_axis_off()
    if title is not None:
        _draw_title(ax, title, scale)
    if legend:
        inch = scale / height
        picture.legend(ax, picture.width, (0, 1 - LEGEND_GAP * inch), inch, scale)
    picture.draw(ax, scale)


def _title_width(title: str | None) -> float:
    return max((text_inches(line, TITLE_POINTS, bold=True) for line in (title or "").splitlines()), default=0.0)


def _title_height(title: str | None) -> float:
    return 0.0 if title is None else (len(title.splitlines()) + 0.3) * LINE


def _draw_title(ax: Axes, title: str, scale: float) -> None:
    first, _, rest = title.partition("\n")
    lines = len(rest.splitlines())
    ax.set_title(
        plain(first), loc="left", size=TITLE_POINTS * scale, weight="bold", color=INK, pad=(4 + 13 * lines) * scale
    )
    if rest:
        ax.annotate(
            plain(rest), (0, 1), (0, 4 * scale), "axes fraction", "offset points", size=TEXT_POINTS * scale, color=INK
        )


def _member_title(name: str, row: Row) -> str:
    costs = row.costs
    told = [f"mean error {human(costs[MEAN_ERROR])}", f"{human(costs['params'])} parameters"]
    device = [amount(cost, costs[cost]) for cost in (LATENCY, SIZE) if cost in costs]
    told += device or [f"{human(costs['macs'])} MACs"]
    return f"{name}  ({row.id})\n{',  '.join(told)}"
