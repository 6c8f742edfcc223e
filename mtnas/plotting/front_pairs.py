"""Fronts of several runs over every pair of several costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtnas.errors import SearchError
from mtnas.plotting.frame import set_labels
from mtnas.plotting.fronts import draw_fronts_of_two, fronts_legend, plot_fronts, shown_values
from mtnas.plotting.legends import LEGEND
from mtnas.plotting.members import main_resource
from mtnas.plotting.scales import needs_log
from mtnas.plotting.style import label
from mtnas.results import MEAN_ERROR, Results


def draw_fronts(
    results: Mapping[str, Results], costs: Sequence[str] | None = None, *, others: bool = True, panel: float = 2.4
) -> Figure:
    """Figure of `plot_fronts` for every pair of costs: a column for each but the last, a row for each but the first.

    Args:
        results: by the name that the legend gives the run.
        costs: two or more; by default the objectives that all runs share, and mean error and a resource if that makes
            fewer than two.
        others: whether to draw the members of a front that are not best for the two costs of a panel, in pale.
        panel: width of a panel in inches.

    Raises:
        SearchError: if a run does not know a cost, or fewer than two are given.
    """
    names = _shared_objectives(results) if costs is None else list(dict.fromkeys(costs))
    if len(names) < 2:
        raise SearchError(f"fronts are drawn over 2 costs or more, but costs is {names}")
    if len(names) == 2:
        return plot_fronts(results, x=names[0], y=names[1], others=others).figure.get_figure(root=True)
    size = len(names) - 1
    log = {cost: needs_log(shown_values(results, cost)) for cost in names}
    figure = Figure(figsize=(0.8 + size * panel, 0.6 + 0.85 * size * panel), layout="constrained")
    grid = figure.add_gridspec(size, size)
    first: dict[tuple[int, int], Axes] = {}
    for row, y in enumerate(names[1:]):
        for column, x in enumerate(names[: row + 1]):
            ax = figure.add_subplot(
                grid[row, column], sharex=first.get((column, column)), sharey=first.get((row, 0)) if column else None
            )
            first[row, column] = ax
            draw_fronts_of_two(ax, results, x, y, (log[x], log[y]), others)
            # Only the panels at the edge tell the costs.
            set_labels(ax, label(x) if row == size - 1 else "", "" if column else label(y))
            ax.tick_params(labelbottom=row == size - 1, labelleft=column == 0)
    corner = figure.add_subplot(grid[0, 1:])
    corner.set_axis_off()
    corner.legend(*fronts_legend(results, others), loc="upper right", borderaxespad=0, **LEGEND)
    return figure


def _shared_objectives(results: Mapping[str, Results]) -> list[str]:
    """Objectives that all runs have, in the order of the first; filled up to two with a resource and mean error."""
    runs = list(results.values())
    if not runs:
        return ["params", MEAN_ERROR]
    shared = [cost for cost in runs[0].objectives if all(cost in other.objectives for other in runs)]
    usual = [main_resource(runs[0]), MEAN_ERROR]
    return shared if len(shared) > 1 else list(dict.fromkeys([*shared, *usual]))[:2]
