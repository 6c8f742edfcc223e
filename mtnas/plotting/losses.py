"""How a training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mtnas.plotting.frame import axes_inches, new_axes, set_frame, set_labels, write_note
from mtnas.plotting.legends import legend_beside, legend_inches
from mtnas.plotting.scales import needs_log, set_scales
from mtnas.plotting.style import BAND, MUTED, SMALL_POINTS, plain, task_colours, text_inches

NO_EPOCHS = "no epoch was trained"

LINE_POINTS = 11.0
"""Height of a line of names of phases."""


def plot_losses(
    history: Sequence[Mapping[str, Any]],
    ax: Axes | None = None,
    *,
    phases: Mapping[str, int] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the mean training loss of every task over epochs, in the colours that the task has in trees.

    Args:
        history: of a training: of every epoch its number, "epoch", and the losses by task, "losses"; None is left out.
        ax: axes to draw in; by default those of a new figure.
        phases: last epoch of every phase by its name, in their order; phases without an epoch are left out.
        legend: whether to name the tasks, to the right of the axes (a constrained layout makes room for it).
    """
    tasks = list(dict.fromkeys(task for entry in history for task in entry["losses"]))
    names = [plain(task) for task in tasks]
    if ax is None:
        ax = new_axes(6.0, 4.0, legend * legend_inches(names))
    set_frame(ax)
    set_labels(ax, "epoch", "training loss")
    losses = np.array([[_loss(entry, task) for task in tasks] for entry in history]).reshape(len(history), len(tasks))
    known = losses[np.isfinite(losses)]
    if not known.size:
        write_note(ax, NO_EPOCHS)
        return ax
    epochs = [int(entry["epoch"]) for entry in history]
    set_scales(ax, np.stack([np.resize(epochs, known.size), known], axis=1), (False, needs_log(known)))
    for values, name, colour in zip(losses.T, names, task_colours(tasks).values(), strict=True):
        ax.plot(epochs, values, color=colour, linewidth=1.6, label=name, marker="o" if len(epochs) == 1 else "")
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    ax.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    _draw_phases(ax, phases or {}, epochs[0] - 0.5, epochs[-1] + 0.5)
    if legend:
        legend_beside(ax, *ax.get_legend_handles_labels())
    return ax


def _loss(entry: Mapping[str, Any], task: str) -> float:
    """NaN where a task had no label in an epoch."""
    found = entry["losses"].get(task)
    return float("nan") if found is None else float(found)


def _draw_phases(ax: Axes, phases: Mapping[str, int], begin: float, last: float) -> None:
    """Every second phase on a band, and their names above the axes, one over the other where they would meet."""
    inch = axes_inches(ax)[0] / (last - begin)  # inches of an epoch
    right: list[float] = []  # where the names of every line end, in epochs
    shaded = True
    for name, epoch in phases.items():
        end = min(epoch + 0.5, last)
        if end <= begin:
            continue
        if shaded:
            ax.axvspan(begin, end, color=BAND, linewidth=0, zorder=0.4)
        line = next((line for line, taken in enumerate(right) if taken <= begin), len(right))
        right[line : line + 1] = [begin + (text_inches(name, SMALL_POINTS) + 0.1) / inch]
        ax.annotate(
            plain(name),
            (begin, 1),
            (1, 3 + line * LINE_POINTS),
            ("data", "axes fraction"),
            "offset points",
            size=SMALL_POINTS,
            color=MUTED,
        )
        begin, shaded = end, not shaded
