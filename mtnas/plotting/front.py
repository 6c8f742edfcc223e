"""The Pareto front: what was found, what beats what, and what the budgets leave."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtnas.architecture import EXACT_COSTS
from mtnas.plotting.budgets import draw_budgets
from mtnas.plotting.frame import new_axes, set_frame, set_labels, write_note
from mtnas.plotting.legends import LEGEND, legend_beside
from mtnas.plotting.marks import draw_corners, draw_rows, draw_staircase, enlarge_dots, legend_entries
from mtnas.plotting.members import main_resource
from mtnas.plotting.scales import needs_log, set_scales
from mtnas.plotting.style import INK, TEXT_POINTS, TITLE_POINTS, VERMILLION, label, text_inches
from mtnas.results import MEAN_ERROR, Results

NO_FEASIBLE = "no candidate meets the budgets"
NO_ROWS = "no candidate was evaluated"

WIDTH, BESIDE = 8.4, 2.6
"""Inches of a figure with one panel, and about what the legend takes of that."""


def plot_front(
    results: Results, ax: Axes | None = None, *, x: str = "params", y: str = MEAN_ERROR, legend: bool = True
) -> Axes:
    """Draw all rows over two costs.

    Blue: the Pareto front over the objectives of the search (all of them, so a member need not look best over the two
    costs shown). Grey: dominated. Crosses: over a budget. The line joins the rows within the budgets that are best for
    the two costs shown. The corner networks have markers of their own, whether or not they meet the budgets.

    Args:
        ax: axes to draw in; by default those of a new figure.
        x: cost from left to right.
        y: cost from bottom to top. Both axes are logarithmic if their cost spans more than a factor of 10.
        legend: whether to explain the marks, to the right of the axes (a constrained layout makes room for it).

    Raises:
        SearchError: if a cost is not known.
    """
    log = needs_log(results.values(x)), needs_log(results.values(y))
    if ax is None:
        ax = new_axes(WIDTH - legend * BESIDE, 4.8, legend * BESIDE)
    _draw_panel(ax, results, x, y, log)
    if results.rows and not results.feasible.any():
        ax.set_title(NO_FEASIBLE, size=TEXT_POINTS, color=VERMILLION, loc="left")
    if legend and results.rows:
        enlarge_dots(legend_beside(ax, *legend_entries(ax)))
    return ax


def draw_front(results: Results) -> Figure:
    """Figure of the front: mean error over every other cost, and every task's error over parameters or latency."""
    wide = [(cost, MEAN_ERROR) for cost in _resources(results)]
    tasks = [f"error/{task}" for task in results.space.tasks]
    small = [(main_resource(results), error) for error in tasks] if len(tasks) > 1 else []
    columns = 2 if len(wide) in (2, 4) else min(3, len(wide))
    small_columns = min(4, len(small))
    wide_rows = math.ceil(len(wide) / columns)
    small_rows = math.ceil(len(small) / small_columns) if small else 0

    # Both kinds of panels on one grid, so that their edges line up.
    cells = math.lcm(columns, small_columns or 1)
    ratios = [1.0] * wide_rows + [0.62] * small_rows
    figure = Figure(figsize=(11.5, 1.2 + 3.9 * sum(ratios)), layout="constrained")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(w_pad=0.1, h_pad=0.08, wspace=0.02, hspace=0.03)  # type: ignore[call-arg]
    grid = figure.add_gridspec(len(ratios), cells, height_ratios=ratios)
    # One scale for all errors: a task's panel then reads like its neighbour's.
    log = {x: needs_log(results.values(x)) for x, _ in wide}
    errors = [results.values(y) for _, y in (*wide[:1], *small)]
    log_error = any(map(needs_log, errors)) and all(values.min() > 0 for values in errors)
    first = None
    for place, (x, y) in enumerate(wide):
        span = cells // columns
        left = place % columns * span
        ax = figure.add_subplot(grid[place // columns, left : left + span], sharey=first)
        _draw_panel(ax, results, x, y, (log[x], log_error))
        first = first or ax
    for place, (x, y) in enumerate(small):
        span = cells // small_columns
        left = place % small_columns * span
        ax = figure.add_subplot(grid[wide_rows + place // small_columns, left : left + span])
        _draw_panel(ax, results, x, y, (log[x], log_error))
    figure.suptitle(_summary(results), size=TITLE_POINTS, color=INK, x=0.012, ha="left")
    if first is not None and results.rows:
        handles, labels = legend_entries(first)
        widest = max(text_inches(text, TEXT_POINTS) for text in labels) + 0.75
        rows = math.ceil(len(labels) / max(1, int(figure.get_figwidth() / widest)))
        legend = figure.legend(
            handles, labels, loc="outside lower center", ncols=math.ceil(len(labels) / rows), **LEGEND
        )
        enlarge_dots(legend)
    return figure


def _draw_panel(ax: Axes, results: Results, x: str, y: str, log: tuple[bool, bool]) -> None:
    """All marks over two costs, without a legend."""
    set_labels(ax, label(x), label(y))
    set_frame(ax)
    if not results.rows:
        write_note(ax, NO_ROWS)
        return
    points = results.points((x, y))
    set_scales(ax, points, log)
    draw_staircase(ax, points[results.feasible])
    draw_rows(ax, results, points)
    draw_corners(ax, results, x, y)
    draw_budgets(ax, results.budgets, x, y)


def _resources(results: Results) -> list[str]:
    """Costs that are not errors: the exact ones, then what else was searched or limited, and measured."""
    names = (*EXACT_COSTS, *results.objectives, *results.budgets)
    return [name for name in dict.fromkeys(names) if not name.startswith("error/")]


def _summary(results: Results) -> str:
    if not results.rows:
        return NO_ROWS
    total, feasible, front = len(results.rows), int(results.feasible.sum()), int(results.on_front.sum())
    candidates = f"{total:,} candidate" + "s" * (total != 1)
    if not feasible:
        return f"{candidates} evaluated: {NO_FEASIBLE}"
    met = f", {feasible:,} within the budgets" if results.budgets else ""
    costs = len(results.objectives)
    return f"{candidates} evaluated{met}, {front:,} on the Pareto front over {costs} cost" + "s" * (costs != 1)
