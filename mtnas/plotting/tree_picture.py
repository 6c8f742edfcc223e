"""One branched network as a picture: measured in inches first, drawn second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle

from mtnas.architecture import (
    EXACT_COSTS,
    FLOAT_BITS,
    Architecture,
    ArchitectureSpace,
    CostTable,
    QuantizationPolicy,
    notation,
    to_graph,
)
from mtnas.plotting.layout import tree_layout
from mtnas.plotting.strands import from_middle, layer_gap, strand_heights, strand_path, strand_points, strand_step
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
    two_lines,
)
from mtnas.plotting.tree_legend import draw_legend, legend_height

# Inches.
BOX_HEIGHT, COLUMN_GAP, PADDING, BAR, LINE = 0.46, 0.2, 0.11, 0.065, 0.16
LONGEST_LINE = 1.65
"""Names that are longer are written in two lines."""


@dataclass(frozen=True)
class TreePicture:
    """A tree with the texts of its boxes, measured in inches from its top left corner."""

    graph: nx.DiGraph[str]
    texts: dict[str, tuple[str, str]]
    colours: dict[str, str]
    layers: tuple[str, ...]
    cost: str
    box: float
    lines: int
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
                texts[node] = (
                    _broken(task),
                    human(cost_table.head(space, architecture, space.tasks.index(task))[column]),
                )
            elif values["kind"] == "block":
                block = values["layer"] - 1
                amount = human(nodes[block, values["leader"]][column])
                texts[node] = (_broken(values["option"]), amount + _bits(*policy.bits(block, values["leader"])))
        layers = ("input", *(block.name for block in space.blocks), "heads")
        return cls(
            graph,
            texts,
            task_colours(space.tasks),
            layers,
            cost,
            box=max(0.8, *(text_inches(text, TEXT_POINTS) for pair in texts.values() for text in pair)) + 2 * PADDING,
            lines=max(name.count("\n") + 1 for name, _ in texts.values()),
            left=max(text_inches(name, TEXT_POINTS) for name in layers) + 3 * PADDING,
        )

    @property
    def pitch(self) -> float:
        return self.box + COLUMN_GAP

    @property
    def width(self) -> float:
        return self.left + len(self.colours) * self.pitch

    @property
    def box_height(self) -> float:
        return BOX_HEIGHT + LINE * (self.lines - 1)

    @property
    def layer_pitch(self) -> float:
        return self.box_height + layer_gap(len(self.colours))

    @property
    def height(self) -> float:
        return len(self.layers) * self.layer_pitch

    def note(self) -> str:
        return f"numbers: {label(self.cost)}"

    def legend_height(self, width: float) -> float:
        return legend_height(self.colours, self.note(), width)

    def legend(
        self, parent: Axes | Figure, width: float, corner: tuple[float, float], inch: float, scale: float = 1.0
    ) -> None:
        """The colours of the tasks, and which cost the boxes tell. See `draw_legend`."""
        draw_legend(parent, self.colours, self.note(), width, corner, inch, scale)

    def draw(self, ax: Axes, scale: float) -> None:
        """Bands and names of the layers, then strands, then boxes."""
        right, pitch = ax.get_xlim()[1], self.layer_pitch
        for layer, name in enumerate(self.layers):
            middle = (layer + 0.5) * pitch
            if layer % 2 == 0:
                ax.add_patch(Rectangle((0, layer * pitch), right, pitch, facecolor=BAND, zorder=0))
            ax.text(PADDING, middle, plain(name), va="center", color=MUTED, size=TEXT_POINTS * scale)
        places = tree_layout(self.graph)
        left = self.left + (right - self.width) / 2
        centres = {
            node: (left + (column + 0.5) * self.pitch, (layer + 0.5) * pitch)
            for node, (column, layer) in places.items()
        }
        # The tasks of every node from left to right, as its heads are.
        order = {task: places[f"head/{task}"][0] for task in self.colours}
        tasks = {node: sorted(self.graph.nodes[node]["tasks"], key=order.__getitem__) for node in self.graph}
        self._draw_strands(ax, centres, tasks, scale)
        for node, centre in centres.items():
            self._draw_box(ax, node, centre, tasks[node], scale)

    def _draw_strands(
        self, ax: Axes, centres: Mapping[str, tuple[float, float]], tasks: Mapping[str, Sequence[str]], scale: float
    ) -> None:
        half, width = self.box_height / 2, strand_points(len(self.colours)) * scale
        step = strand_step(len(self.colours))
        for above in self.graph:
            below = {task: node for node in self.graph.successors(above) for task in tasks[node]}
            x0, y0 = centres[above]
            across = {task: centres[below[task]][0] - x0 for task in tasks[above] if below}
            for task, aside in strand_heights(across).items():
                x1, y1 = centres[below[task]]
                start = x0 + step * from_middle(tasks[above], task), y0 + half
                end = x1 + step * from_middle(tasks[below[task]], task), y1 - half
                path = strand_path(start, end, step * aside)
                ax.add_patch(PathPatch(path, fill=False, edgecolor=self.colours[task], linewidth=width, zorder=1))

    def _draw_box(self, ax: Axes, node: str, centre: tuple[float, float], tasks: Sequence[str], scale: float) -> None:
        x, y = centre[0] - self.box / 2, centre[1] - self.box_height / 2
        head = self.graph.nodes[node]["kind"] == "head"
        fill = self.colours[tasks[0]] if head else "white"
        shape = FancyBboxPatch(
            (x, y),
            self.box,
            self.box_height,
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
                    (x + place * part, y + self.box_height - BAR), part, BAR, facecolor=self.colours[task], zorder=3
                )
                ax.add_patch(bar)
                bar.set_clip_path(shape)
        name, amount = self.texts[node]
        middle = centre[1] if head else centre[1] - BAR / 2
        self._write(ax, centre[0], middle, name, amount, (ink_on(fill),) * 2 if head else (INK, MUTED), scale)

    def _write(
        self, ax: Axes, x: float, y: float, name: str, amount: str, colours: tuple[str, str], scale: float
    ) -> None:
        """A name, and what it costs below, around the middle of a box."""
        broken = "\n" in name
        up, down = (0.085 - 0.01 * broken, 0.095 + LINE / 2 * broken) if amount else (0.0, 0.0)
        style: dict[str, Any] = {"ha": "center", "zorder": 4}
        aligned = "center" if broken else "center_baseline"
        ax.text(x, y - up, plain(name), va=aligned, color=colours[0], size=TEXT_POINTS * scale, **style)
        if amount:
            ax.text(x, y + down, amount, va="center_baseline", color=colours[1], size=SMALL_POINTS * scale, **style)


def _broken(name: str) -> str:
    return two_lines(name, TEXT_POINTS, LONGEST_LINE)


def _bits(weights: int, activations: int) -> str:
    """Bits of a node, nothing if it is float."""
    if weights == activations:
        return "" if weights == FLOAT_BITS else f", {weights} bit"
    return f", {notation((weights, activations))}"
