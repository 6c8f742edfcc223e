"""How much of the reference box searches dominate as they go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mtnas.errors import SearchError
from mtnas.limits import check_number
from mtnas.plotting.frame import new_axes, set_frame, set_labels, write_note
from mtnas.plotting.front import NO_ROWS
from mtnas.plotting.fronts import NO_RUNS
from mtnas.plotting.legends import legend_beside, legend_inches
from mtnas.plotting.series import Series, series_styles
from mtnas.plotting.style import MUTED, plain
from mtnas.results import Results

THIN, BAND = 0.45, 0.13
"""Opacity of single runs and of their standard deviation."""

SPREAD = ("single runs", "standard deviation")


def plot_hypervolume(
    results: Mapping[str, Sequence[Results]],
    ax: Axes | None = None,
    *,
    reference: Mapping[str, float] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the hypervolume of the rows within the budgets over the number of evaluations, for several methods.

    A thin line is a run, a bold one the mean of a method's runs as far as the shortest of them goes, and the band
    around it one standard deviation (of the sample) to either side.

    Args:
        results: by the name that the legend gives the method, one for every seed.
        ax: axes to draw in; by default those of a new figure.
        reference: reference point by cost name, which also says over which costs; by default that of the searches.
        legend: whether to name the methods, to the right of the axes (a constrained layout makes room for it).

    Raises:
        SearchError: if the reference points of the searches differ or are not settled, one is not above zero, or a run
            does not know a cost.
    """
    box = _shared_reference(results) if reference is None else dict(reference)
    for cost, value in box.items():
        check_number(SearchError, f"the reference point of {cost}", value, above=0)
    names = [plain(f"{name} ({_count(len(runs))})") for name, runs in results.items()]
    more = dict(zip(SPREAD, _spread_handles(), strict=True)) if any(len(runs) > 1 for runs in results.values()) else {}
    if ax is None:
        ax = new_axes(6.0, 4.8, legend * legend_inches([*names, *more]))
    set_frame(ax)
    set_labels(ax, "evaluations", "hypervolume (share of the reference box)")
    if not any(run.rows for runs in results.values() for run in runs):
        write_note(ax, NO_RUNS if not results else NO_ROWS)
        return ax
    styles = series_styles(results).values()
    for place, (name, runs, style) in enumerate(zip(names, results.values(), styles, strict=True)):
        _draw_method(ax, [run.hypervolumes(box) for run in runs], style, name, depth=2 + place / 100)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=max(0.0, ax.get_ylim()[0]))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if legend:
        handles, labels = ax.get_legend_handles_labels()
        legend_beside(ax, [*handles, *more.values()], [*labels, *more])
    return ax


def _spread_handles() -> tuple[Artist, Artist]:
    """What the legend shows beside `SPREAD`."""
    return Line2D([], [], color=MUTED, alpha=THIN, linewidth=0.8), Patch(color=MUTED, alpha=BAND, linewidth=0)


def _draw_method(ax: Axes, curves: Sequence[NDArray[np.float64]], style: Series, name: str, depth: float) -> None:
    length = min((len(curve) for curve in curves), default=0)
    shared = np.array([curve[:length] for curve in curves]).reshape(len(curves), length)  # (runs, evaluations)
    evaluations = np.arange(1, length + 1)
    mean = shared.mean(0) if len(curves) else np.empty(0)
    if len(curves) > 1:
        spread = shared.std(0, ddof=1)
        ax.fill_between(
            evaluations, mean - spread, mean + spread, color=style.colour, alpha=BAND, linewidth=0, zorder=depth
        )
        for curve in curves:
            ax.plot(
                np.arange(1, len(curve) + 1), curve, color=style.colour, alpha=THIN, linewidth=0.8, zorder=depth + 1
            )
    ax.plot(
        evaluations,
        mean,
        color=style.colour,
        linestyle=style.dashes,
        linewidth=2.4,
        marker="o" if length == 1 else "",
        zorder=depth + 2,
        label=name,
    )


def _shared_reference(results: Mapping[str, Sequence[Results]]) -> dict[str, float]:
    """Reference point of all searches over their objectives."""
    found: dict[str, float] | None = None
    for name, runs in results.items():
        for run in runs:
            if not run.has_reference:
                run.hypervolume()  # says why not
            own = {cost: run.reference[cost] for cost in run.objectives}
            if found is None:
                found, first = own, name
            elif own != found:
                raise SearchError(
                    f"hypervolumes share a reference point, but that of {first} is {found} and that of {name} {own};"
                    " give one as reference"
                )
    return found or {}


def _count(runs: int) -> str:
    return f"mean of {runs} runs" if runs > 1 else "1 run" if runs else "no run"
