"""One branched network as a picture: measured in inches first, drawn second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch, Rectangle
from matplotlib.path import Path

from mtnas.architecture import (
    EXACT_COSTS,
    FLOAT_BITS,
    Architecture,
    ArchitectureSpace,
    CostTable,
    QuantizationPolicy,
    to_graph,
)
from mtnas.plotting.layout import tree_layout
from mtnas.plotting.style import (
    BAND,
    INK,
    MUTED,
    SMALL_POINTS,
    TEXT_POINTS,
    human,
    ink_on,
    label,
    plain,
    task_colours,
    text_inches,
)

# Inches.
BOX_HEIGHT, LAYER_PITCH, COLUMN_GAP, PADDING, BAR = 0.46, 0.78, 0.2, 0.11, 0.065
BEND = 0.36
"""Most that the strands of a bundle are spread where they run sideways."""

LEGEND_LINE = 0.19
STRAND_POINTS = 2.6


@dataclass(frozen=True)
class TreePicture:
    """A tree with the texts of its boxes, measured in inches from its top left corner."""

    graph: nx.DiGraph[str]
    texts: dict[str, tuple[str, str]]
    colours: dict[str, str]
    layers: tuple[str, ...]
    cost: str
    box: float
    left: float

    @classmethod
    def of(
        cls,
        space: ArchitectureSpace,
        cost_table: CostTable,
        architecture: Architecture,
        policy: QuantizationPolicy,
        cost: str,
    ) -> TreePicture:
        graph = to_graph(space, architecture)
        column, nodes = EXACT_COSTS.index(cost), cost_table.nodes(space, architecture)
        stem = cost_table.stem[column]
        texts = {"input": ("stem", human(stem)) if stem else ("input", "")}
        for node, values in graph.nodes(data=True):
            if values["kind"] == "head":
                (task,) = values["tasks"]
                texts[node] = (task, human(cost_table.head(space, architecture, space.tasks.index(task))[column]))
            elif values["kind"] == "block":
                block = values["layer"] - 1
                amount = human(nodes[block, values["leader"]][column])
                texts[node] = (values["option"], amount + _bits(*policy.bits(block, values["leader"])))
        layers = ("input", *(block.name for block in space.blocks), "heads")
        return cls(
            graph,
            texts,
            task_colours(space.tasks),
            layers,
            cost,
            box=max(0.8, *(text_inches(text, TEXT_POINTS) for pair in texts.values() for text in pair)) + 2 * PADDING,
            left=max(text_inches(name, TEXT_POINTS) for name in layers) + 3 * PADDING,
        )

    @property
    def pitch(self) -> float:
        return self.box + COLUMN_GAP

    @property
    def width(self) -> float:
        return self.left + len(self.colours) * self.pitch

    @property
    def height(self) -> float:
        return len(self.layers) * LAYER_PITCH

    def note(self) -> str:
        return f"numbers: {label(self.cost)}"

    def legend_columns(self, width: float) -> int:
        """How many legend entries fit side by side."""
        entry = max(text_inches(text, TEXT_POINTS) for text in (*self.colours, self.note())) + 0.45
        return max(1, min(len(self.colours) + 1, int(width / entry)))

    def legend_height(self, width: float) -> float:
        return math.ceil((len(self.colours) + 1) / self.legend_columns(width)) * LEGEND_LINE + 0.12

    def legend(self, parent: Axes | Figure, scale: float, width: float, corner: tuple[float, float]) -> Legend:
        """The colours of the tasks, and which cost the boxes tell, in a place ``width`` inches wide."""
        entries = [Patch(facecolor=colour, label=plain(task)) for task, colour in self.colours.items()]
        entries.append(Patch(facecolor="none", label=self.note()))
        # Matplotlib fills columns; entries are to be read row by row.
        columns = self.legend_columns(width)
        handles = [entry for column in range(columns) for entry in entries[column::columns]]
        return Legend(
            parent,
            handles,
            [str(handle.get_label()) for handle in handles],
            loc="upper left",
            bbox_to_anchor=corner,
            ncols=columns,
            fontsize=TEXT_POINTS * scale,
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.0,
            handleheight=0.9,
            columnspacing=1.4,
            labelcolor=INK,
        )

    def draw(self, ax: Axes, scale: float) -> None:
        """Bands and names of the layers, then strands, then boxes."""
        right = ax.get_xlim()[1]
        for layer, name in enumerate(self.layers):
            middle = (layer + 0.5) * LAYER_PITCH
            if layer % 2 == 0:
                ax.add_patch(Rectangle((0, layer * LAYER_PITCH), right, LAYER_PITCH, facecolor=BAND, zorder=0))
            ax.text(PADDING, middle, plain(name), va="center", color=MUTED, size=TEXT_POINTS * scale)
        places = tree_layout(self.graph)
        left = self.left + (right - self.width) / 2
        centres = {
            node: (left + (column + 0.5) * self.pitch, (layer + 0.5) * LAYER_PITCH)
            for node, (column, layer) in places.items()
        }
        # The tasks of every node from left to right, as its heads are.
        order = {task: places[f"head/{task}"][0] for task in self.colours}
        tasks = {node: sorted(self.graph.nodes[node]["tasks"], key=order.__getitem__) for node in self.graph}
        step = min((STRAND_POINTS + 0.7) / 72, self.box / len(self.colours))  # between strands of a bundle
        for above, below in self.graph.edges:
            for task in tasks[below]:
                start = _strand(centres[above], tasks[above], task, step, BOX_HEIGHT / 2)
                end = _strand(centres[below], tasks[below], task, step, -BOX_HEIGHT / 2)
                # Strands of a bundle bend at different heights, so that they stay apart where they run sideways.
                side = math.copysign(1, centres[below][0] - centres[above][0])
                rise = side * (tasks[below].index(task) - (len(tasks[below]) - 1) / 2)
                half = (start[1] + end[1]) / 2 - rise * min(1.3 * step, BEND / len(tasks[below]))
                curve = Path(
                    [start, (start[0], half), (end[0], half), end], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
                )
                ax.add_patch(
                    PathPatch(
                        curve, fill=False, edgecolor=self.colours[task], linewidth=STRAND_POINTS * scale, zorder=1
                    )
                )
        for node, centre in centres.items():
            self._draw_box(ax, node, centre, tasks[node], scale)

    def _draw_box(self, ax: Axes, node: str, centre: tuple[float, float], tasks: Sequence[str], scale: float) -> None:
        x, y = centre[0] - self.box / 2, centre[1] - BOX_HEIGHT / 2
        head = self.graph.nodes[node]["kind"] == "head"
        fill = self.colours[tasks[0]] if head else "white"
        shape = FancyBboxPatch(
            (x, y),
            self.box,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=fill,
            edgecolor=MUTED,
            linewidth=0.9 * scale,
            zorder=2,
            label=f"_{node}",
        )
        ax.add_patch(shape)
        if not head:
            for place, task in enumerate(tasks):
                part = self.box / len(tasks)
                bar = Rectangle(
                    (x + place * part, y + BOX_HEIGHT - BAR), part, BAR, facecolor=self.colours[task], zorder=3
                )
                ax.add_patch(bar)
                bar.set_clip_path(shape)
        name, amount = self.texts[node]
        middle = centre[1] if head else centre[1] - BAR / 2
        colour = ink_on(fill)
        style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "zorder": 4}
        ax.text(
            centre[0], middle - 0.085, plain(name), color=colour if head else INK, size=TEXT_POINTS * scale, **style
        )
        ax.text(centre[0], middle + 0.095, amount, color=colour if head else MUTED, size=SMALL_POINTS * scale, **style)


def _strand(
    centre: tuple[float, float], tasks: Sequence[str], task: str, step: float, down: float
) -> tuple[float, float]:
    """Where a task's strand touches a box: strands are bundled around its middle."""
    return centre[0] + (tasks.index(task) - (len(tasks) - 1) / 2) * step, centre[1] + down


def _bits(weights: int, activations: int) -> str:
    """Bits of a node, nothing if it is float."""
    if weights == activations:
        return "" if weights == FLOAT_BITS else f", {weights} bit"
    return f", w{weights}a{activations}"
