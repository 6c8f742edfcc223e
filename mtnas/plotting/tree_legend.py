"""The colours of the tasks, above a tree."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch

from mtnas.plotting.style import INK, TEXT_POINTS, plain, text_inches

# Inches.
LEGEND_LINE, LEGEND_END, HANDLE = 0.19, 0.12, 0.45


def legend_lines(texts: list[str], width: float) -> list[list[str]]:
    """Texts line by line, as many on each as fit into a width in inches, and at least one."""
    lines: list[list[str]] = [[]]
    free = width
    for text in texts:
        needed = text_inches(text, TEXT_POINTS) + HANDLE
        if needed > free and lines[-1]:
            lines.append([])
            free = width
        lines[-1].append(text)
        free -= needed
    return lines


def draw_legend(
    parent: Axes | Figure,
    colours: Mapping[str, str],
    note: str,
    width: float,
    corner: tuple[float, float],
    inch: float,
    scale: float,
) -> None:
    """Name the colours, and then say the note.

    Args:
        parent: where to draw; the corner and the inch are in its coordinates.
        colours: by name.
        width: of the place in inches, at full size.
        corner: upper left one of the place.
        inch: how high one of full size is in the parent.
        scale: of the texts.
    """
    for line, texts in enumerate(legend_lines([*colours, note], width)):
        legend = Legend(
            parent,
            [Patch(facecolor=colours.get(text, "none")) for text in texts],
            [plain(text) for text in texts],
            loc="upper left",
            bbox_to_anchor=(corner[0], corner[1] - line * LEGEND_LINE * inch),
            ncols=len(texts),
            fontsize=TEXT_POINTS * scale,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.0,
            handleheight=0.9,
            columnspacing=1.4,
            labelcolor=INK,
        )
        parent.add_artist(legend)


def legend_height(colours: Mapping[str, str], note: str, width: float) -> float:
    """Inches that the legend takes in a place of this width, with what keeps it off the tree."""
    return len(legend_lines([*colours, note], width)) * LEGEND_LINE + LEGEND_END
