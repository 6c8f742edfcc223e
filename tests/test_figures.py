"""Figures for papers: what they show is checked against what they are made of, and that all of it can be read."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection, PolyCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray
from test_plotting import TASKS, make_results, make_space, make_table, texts

from mtnas.architecture import ArchitectureSpace, BlockChoices, Candidate, CostTable, QuantizationPolicy, notation
from mtnas.errors import ArchitectureError, SearchError
from mtnas.plotting import (
    draw_branching,
    draw_fronts,
    draw_trees,
    human,
    plot_branch_point,
    plot_fronts,
    plot_hypervolume,
    plot_losses,
    plot_parallel,
    plot_policy,
    plot_tree,
    save_figure,
    task_colours,
)
from mtnas.plotting.frame import set_labels
from mtnas.plotting.heat import HEAT, colour_of
from mtnas.plotting.series import series_styles
from mtnas.plotting.strands import from_middle, layer_gap, strand_heights, strand_path, strand_step
from mtnas.plotting.style import ink_on, text_inches, two_lines
from mtnas.results import MEAN_ERROR, Results

LONG = (
    "semantic_segmentation",
    "monocular_depth_estimation",
    "surface_normals",
    "edge_occlusion",
    "keypoints_2d",
    "keypoints_3d",
    "reshading",
    "curvature_principal",
    "room_layout_and_vanishing_points",
    "scene_classification",
    "camera_pose_nonfixated",
    "jigsaw",
)
"""Names of tasks as they are in the field."""


def long_space(tasks: int, blocks: int, copies: int | None = None) -> ArchitectureSpace:
    options = ("conv3", "inverted_residual_expansion6_kernel5", "sep3", "mb3_e2", "skip")
    return ArchitectureSpace(
        LONG[:tasks], tuple(BlockChoices(f"encoder_stage_{i}", options) for i in range(blocks)), copies
    )


def on_device(results: Results) -> Results:
    """The same with costs that have units."""
    rows = [
        replace(row, costs={**row.costs, "latency_ms": row.costs["macs"] / 4e5, "size_kib": row.costs["params"] / 256})
        for row in results.rows
    ]
    return replace(results, rows=tuple(rows))


def seeds(count: int, rows: int = 20, more: int = 0, error: float = 0.4) -> list[Results]:
    """Searches of one space that differ in what they evaluated, with a settled reference point."""
    reference = {**{f"error/{task}": error for task in TASKS}, "params": 3e5}
    found = []
    for seed in range(count):
        results = make_results(rows=60)
        chosen = random.Random(seed).sample(results.rows, rows + more * seed)
        found.append(replace(results, rows=tuple(chosen), reference=reference))
    return found


def branch_probabilities(points: int, tasks: int, labels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (points, tasks, labels) and entropies (points, tasks - 1)."""
    logits = np.random.default_rng(0).normal(0, 2, (points, tasks, labels))
    logits[:, np.arange(labels) > np.arange(tasks)[:, None]] = -np.inf
    shares = np.exp(logits)
    shares /= shares.sum(-1, keepdims=True)
    nats = -(shares * np.log(np.maximum(shares, 1e-30))).sum(-1)[:, 1:]
    return shares, nats / np.log(np.minimum(np.arange(2, tasks + 1), labels))


def quantized(space: ArchitectureSpace, seed: int = 0) -> Candidate:
    rng = random.Random(seed)
    architecture = space.draw(rng)
    bits = {
        (block, group[0]): rng.choice([(32, 32), (8, 8), (8, 16), (4, 8)]) for block, group in architecture.tree.nodes()
    }
    return Candidate(architecture, QuantizationPolicy.of(bits))


def history(epochs: int, tasks: Sequence[str] = TASKS) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch + 1,
            "losses": {
                task: None if (epoch + place) % 9 == 8 else (place + 1) * 0.9**epoch for place, task in enumerate(tasks)
            },
        }
        for epoch in range(epochs)
    ]


PHASES = {"hard sharing": 8, "parting": 10, "all trees": 30}

FIGURES: dict[str, Callable[[], Axes | Figure]] = {
    "fronts": lambda: plot_fronts({"one": make_results(), "two": make_results(rows=30)}),
    "fronts, one run": lambda: plot_fronts({"one": make_results(2, 2)}, x="macs", y="error/left_digit"),
    "fronts, one member": lambda: plot_fronts({"one": make_results(rows=1, budgets={})}),
    "fronts, infeasible": lambda: plot_fronts({"a run of a rather long name": make_results(budgets={"params": 1.0})}),
    "fronts, nine runs": lambda: plot_fronts({f"method {i}": make_results(8, rows=9 + i) for i in range(9)}),
    "fronts, none": lambda: plot_fronts({}),
    "pairs of 1 cost": lambda: draw_fronts({"one": make_results(2, 2, objectives=("params",))}),
    "pairs of 3 costs": lambda: draw_fronts(
        {"one": on_device(make_results()), "two": on_device(make_results(rows=9))},
        (MEAN_ERROR, "latency_ms", "size_kib"),
    ),
    "pairs of 5 costs": lambda: draw_fronts({f"seed {i}": run for i, run in enumerate(seeds(3))}),
    "parallel, 2 tasks": lambda: plot_parallel(make_results(2, 2)),
    "parallel, 4 tasks": lambda: plot_parallel(make_results(4, 4, budgets={})),
    "parallel, 8 tasks": lambda: plot_parallel(make_results(8, 4, budgets={})),
    "parallel, 12 tasks": lambda: plot_parallel(make_results(12, 4, budgets={})),
    "parallel, units": lambda: plot_parallel(on_device(make_results()), costs=(MEAN_ERROR, "latency_ms", "size_kib")),
    "parallel, 1 cost": lambda: plot_parallel(make_results(2, 2, objectives=("params",))),
    "parallel, one member": lambda: plot_parallel(make_results(rows=1, budgets={})),
    "parallel, infeasible": lambda: plot_parallel(make_results(budgets={"params": 1.0})),
    "hypervolume": lambda: plot_hypervolume(
        {"predictors": seeds(3), "random search": seeds(2, 15, 9), "TPE": seeds(1)}
    ),
    "hypervolume, one row": lambda: plot_hypervolume({"one": seeds(1, 1)}),
    "hypervolume, none": lambda: plot_hypervolume({}),
    "branching, 1 task": lambda: draw_branching(*branch_probabilities(2, 1, 1), make_space(1, 2)),
    "branching, 2 tasks": lambda: draw_branching(*branch_probabilities(4, 2, 2), make_space(2, 4), title="a " * 60),
    "branching, 4 tasks": lambda: draw_branching(*branch_probabilities(4, 4, 4), make_space(4, 4), title="budget 0.4"),
    "branching, 12 tasks": lambda: draw_branching(*branch_probabilities(8, 12, 12), make_space(12, 8)),
    "branching, 4 copies": lambda: draw_branching(*branch_probabilities(20, 12, 4), long_space(12, 20, copies=4)),
    "branch point": lambda: plot_branch_point(branch_probabilities(1, 4, 4)[0][0], tasks=TASKS, title="block0"),
    "branch point, 12 tasks": lambda: plot_branch_point(
        branch_probabilities(1, 12, 12)[0][0], tasks=LONG, entropies=[0.5] * 11, title="block0", colours="cividis"
    ),
    "policy, 1 task": lambda: plot_policy(quantized(make_space(1, 1)), make_space(1, 1)),
    "policy, 4 tasks": lambda: plot_policy(quantized(make_space(4, 4)), make_space(4, 4)),
    "policy, 12 tasks": lambda: plot_policy(quantized(long_space(12, 20)), long_space(12, 20)),
    "losses": lambda: plot_losses(history(30), phases=PHASES),
    "losses, 12 tasks": lambda: plot_losses(history(60, LONG), phases={**PHASES, "all trees": 60}),
    "losses, one epoch": lambda: plot_losses(history(1)),
    "losses, none": lambda: plot_losses([]),
    "tree, 12 tasks": lambda: plot_tree(
        make_space(12, 20), make_table(make_space(12, 20)), branched(make_space(12, 20))
    ),
    "tree, long names": lambda: plot_tree(
        long_space(12, 20),
        make_table(long_space(12, 20)),
        branched(long_space(12, 20)),
        title="lowest mean error\nof all",
    ),
    "tree, names longer than it is wide": lambda: plot_tree(
        long_space(2, 1), make_table(long_space(2, 1)), branched(long_space(2, 1))
    ),
    "trees": lambda: draw_trees(make_results(4, 3), 3),
}


def branched(space: ArchitectureSpace) -> Any:
    return space.draw(random.Random(2))


def figure_of(drawn: Axes | Figure) -> Figure:
    figure = drawn.figure if isinstance(drawn, Axes) else drawn
    assert isinstance(figure, Figure)
    return figure


# What can be read -----------------------------------------------------------------------------------------------


Corners = NDArray[np.float64]
"""Corners of a text in pixels, one after the other, (4, 2)."""


def drawn_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Corners]]:
    """Every text that is drawn, unlike labels of ticks beyond the ends of an axis, and where."""
    found: dict[int, Text] = {}
    draw = Text.draw

    def record(self: Text, renderer: Any, *args: Any, **kwargs: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            found[id(self)] = self
        draw(self, renderer, *args, **kwargs)

    FigureCanvasAgg(figure)
    with monkeypatch.context() as patched:
        patched.setattr(Text, "draw", record)
        figure.draw_without_rendering()
    return [(text.get_text(), corners(text)) for text in found.values()]


def corners(text: Text) -> Corners:
    angle = text.get_rotation()
    slanted = angle % 90 != 0
    if slanted:
        assert text.get_rotation_mode() == "anchor"
        text.set_rotation(0)
    box = Text.get_window_extent(text)
    found = np.array([(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)])
    if slanted:
        text.set_rotation(angle)
        anchor = text.get_transform().transform(text.get_position())
        turn = math.radians(angle)
        found = (found - anchor) @ [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]] + anchor
    return found


def overlap(one: Corners, other: Corners, slack: float = 1.0) -> bool:
    """Whether two rectangles have more than ``slack`` pixels in common in every direction of their sides."""
    for side in (one[1] - one[0], one[3] - one[0], other[1] - other[0], other[3] - other[0]):
        across = side / np.linalg.norm(side)
        first, second = one @ across, other @ across
        if min(first.max(), second.max()) - max(first.min(), second.min()) <= slack:
            return False
    return True


def overlaps(shown: Sequence[tuple[str, Corners]]) -> list[tuple[str, str]]:
    """Texts that meet, two and two."""
    if not shown:
        return []
    low, high = (np.array([end(box) for _, box in shown]) for end in (lambda box: box.min(0), lambda box: box.max(0)))
    near = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])  # (texts, texts, 2)
    pairs = np.argwhere(np.triu((near > 0).all(2), 1))
    return [(shown[i][0], shown[j][0]) for i, j in pairs if overlap(shown[i][1], shown[j][1])]


def outside(shown: Sequence[tuple[str, Corners]], width: float, height: float) -> list[str]:
    """Texts that leave the rectangle from 0 to a width and height in pixels."""
    return [text for text, box in shown if box.min() < 0 or (box.max(0) > (width, height)).any()]


def test_overlaps_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure(figsize=(3, 3))
    places = {"a": (0.1, 0.1, 0), "b": (0.2, 0.11, 0), "c": (0.1, 0.5, 30), "d": (0.1, 0.64, 30), "e": (0.15, 0.5, 30)}
    for name, (x, y, angle) in {**places, "f": (0.9, 0.9, 0)}.items():
        figure.text(x, y, f"word {name}", rotation=angle, rotation_mode="anchor")
    shown = drawn_texts(figure, monkeypatch)
    assert overlaps(shown) == [("word a", "word b"), ("word c", "word e")]
    assert outside(shown, 300, 300) == ["word f"]


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_meets_another_or_leaves_the_figure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = figure_of(FIGURES[name]())
    shown = drawn_texts(figure, monkeypatch)
    assert shown
    assert outside(shown, figure.bbox.width, figure.bbox.height) == []
    assert overlaps(shown) == []


@pytest.mark.parametrize("name", FIGURES)
def test_vector_files_have_no_pictures_in_them(name: str, tmp_path: Path) -> None:
    figure = figure_of(FIGURES[name]())
    save_figure(figure, tmp_path / "figure.pdf")
    written = (tmp_path / "figure.pdf").read_bytes()
    assert b"/Subtype /Image" not in written
    assert b"/Type3" not in written and b"/FontFile2" in written


IN_AXES: dict[str, Callable[[Axes], Axes]] = {
    "fronts": lambda ax: plot_fronts({"one": make_results()}, ax, legend=False),
    "parallel": lambda ax: plot_parallel(make_results(), ax, legend=False),
    "hypervolume": lambda ax: plot_hypervolume({"one": seeds(2)}, ax, legend=False),
    "branch point": lambda ax: plot_branch_point(branch_probabilities(1, 4, 4)[0][0], ax, tasks=TASKS),
    "policy": lambda ax: plot_policy(quantized(make_space(4, 4)), make_space(4, 4), ax, legend=False),
    "losses": lambda ax: plot_losses(history(9), ax, phases=PHASES, legend=False),
}


@pytest.mark.parametrize("name", IN_AXES)
@pytest.mark.parametrize("size", [(3.3, 2.4), (9.0, 7.0)])
def test_axes_of_somebody_elses_figure_are_drawn_in_and_returned(
    name: str, size: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(matplotlib.rcParams)
    figure = Figure(figsize=(2 * size[0], size[1]), layout="constrained")
    parts: Any = figure.subfigures(1, 2)
    part, other = parts
    ax, untouched = part.add_subplot(), other.add_subplot()
    untouched.set_axis_off()
    children = untouched.get_children()
    assert IN_AXES[name](ax) is ax
    assert ax.get_legend() is None
    assert figure.axes == [ax, untouched] and untouched.get_children() == children
    assert dict(matplotlib.rcParams) == before
    shown = drawn_texts(figure, monkeypatch)
    assert shown
    assert outside(shown, figure.bbox.width / 2, figure.bbox.height) == []
    assert overlaps(shown) == []


def test_dollars_in_names_are_not_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "$\\bad$ $a^$"
    space = ArchitectureSpace((name, "b$"), (BlockChoices("$x_$", ("$\\bad$",)), BlockChoices("y", ("a", "b$"))))
    table = CostTable.plain((1, 1), (((1, 1),), ((1, 1), (2, 2))), ((1, 1), (1, 1)))
    made = make_results(2, 2, rows=9, budgets={})
    costs = [{**row.costs, f"error/{name}": row.costs[MEAN_ERROR], "cost_in_$": 1.0} for row in made.rows]
    rows = tuple(replace(row, costs=each) for row, each in zip(made.rows, costs, strict=True))
    results = replace(made, rows=rows, objectives=(f"error/{name}", "params", "cost_in_$"), reference={"params": 1e9})
    figures = [
        plot_fronts({name: results}, x="cost_in_$", y=f"error/{name}"),
        draw_fronts({name: results}),
        plot_parallel(results),
        plot_hypervolume({name: [results]}, reference={"params": 1e9}),
        draw_branching(*branch_probabilities(2, 2, 2), space, title=name),
        plot_policy(quantized(space), space),
        plot_losses(history(3, (name, "b$")), phases={name: 3}),
        plot_tree(space, table, branched(space), title=name),
    ]
    for drawn in figures:
        shown = [text for text, _ in drawn_texts(figure_of(drawn), monkeypatch)]
        assert any(name.replace("$", r"\$") in text.replace("\n", "") for text in shown), shown


# Fronts ---------------------------------------------------------------------------------------------------------


Points = set[tuple[float, float]]


def points_of(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def front_lines(ax: Axes, run: int, runs: Mapping[str, Results]) -> tuple[Line2D, list[Line2D]]:
    """The line of the best and the pale marks of a run, known by its colour."""
    colour = list(series_styles(runs).values())[run].colour
    own = [line for line in ax.lines if line.get_color() == colour]
    (best,) = (line for line in own if line.get_drawstyle() == "steps-post")
    return best, [line for line in own if line is not best]


@pytest.mark.parametrize(("x", "y"), [("params", MEAN_ERROR), ("error/left_digit", "macs")])
def test_the_marks_of_a_run_are_its_front_and_its_line_the_best_for_two_costs(x: str, y: str) -> None:
    runs = {
        "one": make_results(),
        "two": make_results(rows=30, budgets={}),
        "three": make_results(rows=40, objectives=("params", MEAN_ERROR)),
    }
    ax = plot_fronts(runs, x=x, y=y)
    alone = plot_fronts(runs, x=x, y=y, others=False)
    for place, results in enumerate(runs.values()):
        line, pale = front_lines(ax, place, runs)
        feasible = [row.costs for row, met in zip(results.rows, results.feasible, strict=True) if met]
        pairs = {(costs[x], costs[y]) for costs in feasible}
        best = {  # by definition, not by the code under test
            p for p in pairs if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in pairs)
        }
        assert points_of(line) == sorted(best)
        members: Points = {(row.costs[x], row.costs[y]) for row in results.front()}
        assert len(pale) == 1 and set(points_of(pale[0])) == members - best
        only, none = front_lines(alone, place, runs)
        assert points_of(only) == points_of(line) and none == []


def test_a_budget_is_drawn_if_all_runs_agree_on_it() -> None:
    def said(*budgets: dict[str, float]) -> set[str]:
        runs = {str(place): make_results(budgets=each) for place, each in enumerate(budgets)}
        return {text.get_text() for text in plot_fronts(runs).texts}

    limits = {"params": 160_000.0, MEAN_ERROR: 0.3}
    assert said(limits, limits) == {"budget 160k", "budget 0.3"}
    assert said(limits, {**limits, MEAN_ERROR: 0.31}) == {"budget 160k"}
    assert said(limits, {}) == said({}, limits) == set()


def test_the_legend_names_every_run_and_what_became_of_it() -> None:
    runs = {"good": make_results(), "poor $": make_results(budgets={"params": 1.0}), "new": make_results(rows=0)}
    legend = plot_fronts(runs).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "good",
        "poor \\$ (no candidate meets the budgets)",
        "new (no candidate was evaluated)",
        "pale: best over all objectives",
    ]


def test_a_run_that_does_not_know_a_cost_is_named() -> None:
    runs = {"one": on_device(make_results()), "two": make_results()}
    with pytest.raises(SearchError, match="two: there is no cost 'latency_ms'"):
        plot_fronts(runs, x="latency_ms")


@pytest.mark.parametrize("costs", [("params", MEAN_ERROR), ("macs", "params", MEAN_ERROR), None])
def test_every_pair_of_costs_has_a_panel(costs: tuple[str, ...] | None) -> None:
    runs = {"one": make_results(), "two": make_results(rows=20)}
    names = costs or runs["one"].objectives
    figure = draw_fronts(runs, costs)
    panels = [ax for ax in figure.axes if ax.lines]
    wanted = [(x, y) for place, y in enumerate(names) for x in names[:place]]
    assert len(panels) == len(wanted)
    for ax, (x, y) in zip(panels, wanted, strict=True):
        for place in range(2):
            alone = plot_fronts(runs, x=x, y=y)
            assert points_of(front_lines(ax, place, runs)[0]) == points_of(front_lines(alone, place, runs)[0])


def test_panels_of_a_cost_have_one_scale() -> None:
    runs = {"one": make_results(), "two": make_results(rows=20)}
    names = ("macs", "params", MEAN_ERROR, "error/left_digit")
    panels = [ax for ax in draw_fronts(runs, names, others=False).axes if ax.lines]
    wanted = [(x, y) for place, y in enumerate(names) for x in names[:place]]
    for (one, first), (other, second) in combinations(zip(panels, wanted, strict=True), 2):
        assert first[0] != second[0] or one.get_xlim() == other.get_xlim()
        assert first[1] != second[1] or one.get_ylim() == other.get_ylim()


def test_pairs_of_fewer_than_two_costs_are_refused_or_filled_up() -> None:
    with pytest.raises(SearchError, match=r"2 costs or more, but costs is \['params'\]"):
        draw_fronts({"one": make_results()}, ["params", "params"])
    (ax,) = draw_fronts({"one": make_results(objectives=("macs",))}).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("multiply-accumulates", "parameters")
    (ax,) = draw_fronts({"one": make_results(), "two": make_results(objectives=("params", "macs"))}).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("parameters", "mean error")


# Parallel coordinates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("costs", [None, ("macs", MEAN_ERROR), ("params",)])
@pytest.mark.parametrize("best", [MEAN_ERROR, "macs"])
def test_a_line_is_a_member_and_the_bold_one_the_best(costs: tuple[str, ...] | None, best: str) -> None:
    results = make_results()
    names = costs or results.objectives
    ax = plot_parallel(results, costs=costs, best=best)
    lines = [line for line in ax.lines if np.asarray(line.get_xdata()).tolist() == list(range(len(names)))]
    if len(names) == 1:  # a tick is a point as well
        lines = [line for line in lines if line.get_marker() == "o"]
    front = results.front()
    assert len(front) > 10
    points = np.array([[row.costs[name] for name in names] for row in front])
    scaled = np.where(points.max(0) > 10 * points.min(0), np.log(points), points)
    expected = (scaled - scaled.min(0)) / (scaled.max(0) - scaled.min(0))  # (members, costs)
    drawn = np.array([line.get_ydata() for line in lines])
    assert drawn[np.lexsort(drawn.T)] == pytest.approx(expected[np.lexsort(expected.T)])
    chosen = min(front, key=lambda row: (row.costs[best], row.costs["params"], row.id))
    (bold,) = (line for line in lines if line.get_linewidth() > 2)
    assert np.asarray(bold.get_ydata()) == pytest.approx(expected[front.index(chosen)])
    legend = ax.get_legend()
    assert legend is not None and chosen.id in legend.get_texts()[0].get_text()


def test_every_axis_of_a_parallel_plot_tells_its_own_values_and_unit() -> None:
    results = on_device(make_results(budgets={}))
    names = (MEAN_ERROR, "latency_ms", "size_kib")
    ax = plot_parallel(results, costs=names)
    shown = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    assert shown == ["mean error", "latency (ms)", "size (KiB)"]
    for place, name in enumerate(names):
        values = [row.costs[name] for row in results.front()]
        low, high = min(values), max(values)
        ticks = {
            text.get_text(): text.xy[1] for text in ax.texts if isinstance(text, Annotation) and text.xy[0] == place
        }
        assert len(ticks) >= 4
        assert ticks[human(low)] == 0 and ticks[human(high)] == 1
        for text, height in ticks.items():
            value = low * (high / low) ** height if high > 10 * low else low + (high - low) * height
            assert human(value) == text


def test_a_front_of_one_member_lies_in_the_middle() -> None:
    ax = plot_parallel(make_results(rows=1, budgets={}))
    (line,) = (line for line in ax.lines if line.get_linewidth() > 2)
    assert set(np.asarray(line.get_ydata())) == {0.5}


def test_an_unknown_cost_of_a_parallel_plot_is_named() -> None:
    for use in ({"costs": ("parms",)}, {"best": "parms"}):
        with pytest.raises(SearchError, match="no cost 'parms', did you mean 'params'"):
            plot_parallel(make_results(), **use)


# Hypervolume ----------------------------------------------------------------------------------------------------


def test_the_mean_line_is_the_mean_and_the_band_its_standard_deviation() -> None:
    runs = seeds(3, rows=15, more=5)
    ax = plot_hypervolume({"method": runs, "other": runs[:1]})
    curves = [[run.hypervolume(count + 1) for count in range(len(run.rows))] for run in runs]
    assert 0 < curves[0][-1] < 1 and len({curve[-1] for curve in curves}) == 3
    shared = np.array([curve[:15] for curve in curves])
    (mean,) = (line for line in ax.lines if str(line.get_label()) == "method (mean of 3 runs)")
    assert np.asarray(mean.get_xdata()).tolist() == list(range(1, 16))
    assert np.asarray(mean.get_ydata()) == pytest.approx(shared.mean(0))
    thin = [line for line in ax.lines if line.get_linewidth() < 1]
    assert [np.asarray(line.get_ydata()).tolist() for line in thin] == [pytest.approx(curve) for curve in curves]
    assert [np.asarray(line.get_xdata()).tolist() for line in thin] == [
        list(range(1, len(curve) + 1)) for curve in curves
    ]
    (band,) = (part for part in ax.collections if isinstance(part, PolyCollection))
    outline = np.asarray(band.get_paths()[0].vertices)
    for place in range(15):
        ends = outline[outline[:, 0] == place + 1, 1]
        spread = np.std(shared[:, place], ddof=1)
        assert (ends.min(), ends.max()) == pytest.approx(
            (shared.mean(0)[place] - spread, shared.mean(0)[place] + spread)
        )
    (single,) = (line for line in ax.lines if str(line.get_label()) == "other (1 run)")
    assert np.asarray(single.get_ydata()) == pytest.approx(curves[0])


def test_a_reference_point_that_is_given_counts() -> None:
    run = make_results()  # its own reference point is far away
    box = {"params": 2e5, MEAN_ERROR: 0.3}
    ax = plot_hypervolume({"one": [run]}, reference=box)
    expected = replace(run, objectives=tuple(box), reference=box).hypervolume()
    (line,) = (line for line in ax.lines if str(line.get_label()) == "one (1 run)")
    assert 0.1 < expected < 0.95 and np.asarray(line.get_ydata())[-1] == pytest.approx(expected)


def test_a_reference_point_of_zero_is_refused() -> None:
    with pytest.raises(SearchError, match="the reference point of params must be above 0"):
        plot_hypervolume({"one": seeds(1)}, reference={"params": 0.0})


def test_searches_with_other_reference_points_are_not_compared() -> None:
    one, other = seeds(1), seeds(1, error=0.5)
    with pytest.raises(
        SearchError, match=r"that of first is .*0\.4.* and that of second .*0\.5.*; give one as reference"
    ):
        plot_hypervolume({"first": one, "second": other})
    with pytest.raises(SearchError, match="the reference point lacks"):
        plot_hypervolume({"first": [replace(one[0], reference={})]})


# Heat maps ------------------------------------------------------------------------------------------------------


def cells_of(ax: Axes) -> dict[tuple[float, float, float], float]:
    """Value of every cell by its left and upper edge and its width."""
    (drawn,) = (part for part in ax.collections if isinstance(part, PatchCollection))
    values = drawn.get_array()
    assert values is not None
    found = {}
    for path, value in zip(drawn.get_paths(), values, strict=True):
        (x0, y0), (x1, y1) = path.get_extents().min, path.get_extents().max
        assert y1 - y0 == pytest.approx(1)
        found[float(x0), float(y0), float(x1 - x0)] = float(value)
    return found


@pytest.mark.parametrize(("tasks", "copies"), [(2, None), (4, None), (12, None), (12, 4)])
def test_the_cells_are_the_probabilities(tasks: int, copies: int | None) -> None:
    blocks = [BlockChoices(f"block{i}", ("a",), branching=i != 1) for i in range(4)]
    space = ArchitectureSpace(LONG[:tasks], tuple(blocks), copies)
    shares, entropies = branch_probabilities(3, tasks, copies or tasks)
    figure = draw_branching(shares, entropies, space)
    panels = [ax for ax in figure.axes if any(isinstance(part, PatchCollection) for part in ax.collections)]
    assert [ax.get_title(loc="left") for ax in panels] == ["block0", "block2", "block3"]
    for ax, share, choice in zip(panels, shares, entropies, strict=True):
        allowed = [(label, task, 1) for task in range(tasks) for label in range(min(task + 1, copies or tasks))]
        assert cells_of(ax) == {(x, y, w): share[y, x] for x, y, w in allowed}
        said = [text.get_text() for text in ax.texts]
        assert f"entropy {choice.mean():.2f}" in said
        assert said[:-1] == [f"{100 * share[y, x]:.0f}" for x, y, _ in allowed]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [
        f"{name}  {number}" for number, name in enumerate(LONG[:tasks], start=1)
    ]
    assert any(("go with" in text.get_text()) == (copies is None) for text in figure.texts)


def test_numbers_of_another_space_are_refused() -> None:
    shares, entropies = branch_probabilities(4, 4, 4)
    with pytest.raises(ArchitectureError, match=r"probabilities of shape \(4, 4, 4\) where \(3, 4, 4\) is needed"):
        draw_branching(shares, entropies[:3], make_space(4, 3))
    with pytest.raises(ArchitectureError, match=r"entropies of shape \(4, 2\) where \(4, 3\) is needed"):
        draw_branching(shares, entropies[:, :2], make_space(4, 4))
    with pytest.raises(ArchitectureError, match=r"where \(tasks=4, labels\) is needed"):
        plot_branch_point(shares[0, :3], tasks=TASKS)
    space = ArchitectureSpace(TASKS, (BlockChoices("only", ("a",), branching=False),))
    assert any("no block of this space lets tasks part" in text for text in texts(draw_branching([], [], space)))


@pytest.mark.parametrize(("tasks", "blocks"), [(1, 1), (2, 4), (4, 4), (12, 20)])
def test_a_policy_has_a_cell_for_every_node(tasks: int, blocks: int) -> None:
    space = make_space(tasks, blocks)
    candidate = quantized(space, seed=3)
    ax = plot_policy(candidate, space)
    order = [space.tasks.index(label.get_text()) for label in ax.get_xticklabels()]
    assert sorted(order) == list(range(tasks))
    expected, said = {}, {}
    for block, group in candidate.architecture.tree.nodes():
        columns = sorted(order.index(task) for task in group)
        assert columns == list(range(columns[0], columns[-1] + 1))
        bits = candidate.policy.bits(block, group[0])
        expected[columns[0], block, len(group)] = bits[0]
        said[columns[0] + len(group) / 2, block + 0.5] = notation(bits)
    assert cells_of(ax) == expected
    assert {text.get_position(): text.get_text() for text in ax.texts} == said
    assert [label.get_text() for label in ax.get_yticklabels()] == [block.name for block in space.blocks]


@pytest.mark.parametrize("size", [(3.0, 2.5), (6.0, 6.0), (14.0, 4.0)])
@pytest.mark.parametrize("tasks", [2, 8, 12])
def test_texts_of_cells_stay_in_them_or_are_left_out(tasks: int, size: tuple[float, float]) -> None:
    shares, _ = branch_probabilities(1, tasks, tasks)
    space = make_space(tasks, 8)
    for draw in (
        lambda ax: plot_branch_point(shares[0], ax, tasks=space.tasks),
        lambda ax: plot_policy(quantized(space), space, ax, legend=False),
    ):
        ax = draw(Figure(figsize=size).add_subplot())
        FigureCanvasAgg(figure_of(ax))
        figure_of(ax).draw_without_rendering()
        cells = cells_of(ax)
        inside = [text for text in ax.texts if text.get_text() and not isinstance(text, Annotation)]
        assert len(inside) in (0, len(cells)) and (inside or min(size) < 4 or tasks > 8)
        for text in inside:
            assert text.get_fontsize() >= 5  # smaller ones cannot be read
            box = text.get_window_extent().transformed(ax.transData.inverted())
            (x, y, width) = next(
                cell
                for cell in cells
                if cell[0] < text.get_position()[0] < cell[0] + cell[2] and cell[1] == text.get_position()[1] - 0.5
            )
            assert x < box.x0 and box.x1 < x + width
            assert y < min(box.y0, box.y1) and max(box.y0, box.y1) < y + 1


def test_more_is_darker_and_texts_stand_out() -> None:
    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light = [luminance(colour_of(share, Normalize(0, 1), HEAT)) for share in np.linspace(0, 1, 40)]
    assert all(one > other for one, other in pairwise(light))
    for share in np.linspace(0, 1, 40):
        colour = colour_of(share, Normalize(0, 1), HEAT)
        one, other = sorted((luminance(colour), luminance(ink_on(colour))))
        assert (other + 0.05) / (one + 0.05) > 3.5  # WCAG 2 wants 3 for signs


# Losses ---------------------------------------------------------------------------------------------------------


def test_a_line_is_the_losses_of_a_task() -> None:
    ax = plot_losses(history(30))
    for line, task in zip(ax.lines, TASKS, strict=True):
        losses = [entry["losses"][task] for entry in history(30)]
        assert None in losses
        assert np.asarray(line.get_xdata()).tolist() == list(range(1, 31)) and line.get_label() == task
        assert line.get_color() == task_colours(TASKS)[task]
        assert [None if math.isnan(value) else value for value in np.asarray(line.get_ydata())] == losses
    assert ax.get_yscale() == "log"


def test_every_second_phase_is_on_a_band_from_its_first_epoch_to_its_last() -> None:
    ax = plot_losses(history(20), phases={"none": 0, **PHASES})
    bands = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [(band.get_x(), band.get_x() + band.get_width()) for band in bands] == [(0.5, 8.5), (10.5, 20.5)]
    names = {text.get_text(): text.xy[0] for text in ax.texts if isinstance(text, Annotation)}
    assert names == {"hard sharing": 0.5, "parting": 8.5, "all trees": 10.5}


# Trees ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "blocks"), [(2, 3), (12, 5)])
@pytest.mark.parametrize("size", [None, (4.0, 3.0)])
def test_long_names_stay_whole_in_their_boxes(tasks: int, blocks: int, size: tuple[float, float] | None) -> None:
    space = long_space(tasks, blocks)
    ax = None if size is None else Figure(figsize=size).add_subplot()
    ax = plot_tree(space, make_table(space), branched(space), ax)
    FigureCanvasAgg(figure_of(ax))
    figure_of(ax).draw_without_rendering()
    frames = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    held = 0
    for text in ax.texts:
        extent = text.get_window_extent()
        for frame in frames:
            if frame.contains((extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2):
                held += 1
                assert frame.x0 <= extent.x0 and extent.x1 <= frame.x1
                assert frame.y0 <= extent.y0 + 1 and extent.y1 - 1 <= frame.y1
    assert held == 2 * len(frames)
    said = [text.get_text() for text in ax.texts]
    assert "inverted_residual_\nexpansion6_kernel5" in said
    assert {name.replace("\n", "") for name in said} >= set(LONG[:tasks])


def test_trees_of_one_figure_have_boxes_of_one_size() -> None:
    results = make_results(3, 2, rows=20, budgets={})
    space = replace(long_space(3, 2), tasks=results.space.tasks)
    names = dict(zip(("conv3", "conv5", "sep3", "mb3_e2", "skip"), space.blocks[0].options, strict=True))
    rows = []
    for row in results.rows:
        architecture = row.candidate.architecture
        options = tuple(tuple(names[option] for option in options) for options in architecture.options)
        rows.append(replace(row, candidate=Candidate(replace(architecture, options=options))))
    renamed = replace(results, space=space, cost_table=make_table(space), rows=tuple(rows))
    figure = draw_trees(renamed, 4)
    lines = [max(text.get_text().count("\n") for text in ax.texts) for ax in figure.axes]
    sizes = {
        (round(patch.get_width(), 6), round(patch.get_height(), 6))
        for ax in figure.axes
        for patch in ax.patches
        if isinstance(patch, FancyBboxPatch)
    }
    assert set(lines) == {0, 1} and len(sizes) == 1


def test_input_without_layers_is_written_in_the_middle_of_its_box() -> None:
    space = make_space(2, 2)
    table = replace(make_table(space), stem=(0, 0))
    ax = plot_tree(space, table, branched(space))
    (text,) = (text for text in ax.texts if text.get_text() == "input" and text.get_horizontalalignment() == "center")
    assert not any(other.get_text() == "" for other in ax.texts)
    (box,) = (patch for patch in ax.patches if patch.get_label() == "_input")
    assert isinstance(box, FancyBboxPatch)
    assert abs(text.get_position()[1] - (box.get_y() + box.get_height() / 2)) < 0.04


@pytest.mark.parametrize("tasks", [2, 4, 8, 12, 22])
@pytest.mark.parametrize("way", [-3.0, 3.0, 0.4])
def test_strands_of_a_bundle_keep_their_distance_all_the_way(tasks: int, way: float) -> None:
    names = [str(task) for task in range(tasks)]
    step, gap = strand_step(tasks), layer_gap(tasks)
    paths = {}
    for task, aside in strand_heights(dict.fromkeys(names, way)).items():
        place = step * from_middle(names, task)
        path = strand_path((place, 0.0), (way + place, gap), step * aside)
        bounds = path.get_extents()
        assert bounds.y0 == pytest.approx(0) and bounds.y1 == pytest.approx(gap)
        paths[task] = np.concatenate([part(np.linspace(0, 1, 50)) for part, _ in path.iter_bezier()])
    for one, other in pairwise(names):
        apart = np.linalg.norm(paths[one][:, None] - paths[other][None], axis=2).min(1)
        assert apart.min() > (0.9 if abs(way) > gap else 0.6) * step


def test_strands_to_one_side_do_not_cross_those_that_turn_off_before() -> None:
    across = {"a": -4.0, "b": -4.0, "c": -1.0, "d": 0.0, "e": 2.0, "f": 3.0}
    heights = strand_heights(across)
    assert heights["a"] < heights["b"] < heights["c"] and heights["d"] == 0 and heights["f"] < heights["e"]


# Style ----------------------------------------------------------------------------------------------------------


def test_names_are_broken_at_signs_only_and_only_if_they_are_too_long() -> None:
    assert two_lines("error, left", 9.5, 5.0) == "error, left"
    assert two_lines("error, left", 9.5, 0.0) == "error,\nleft"
    assert two_lines("inseparable", 9.5, 0.0) == "inseparable"
    for name in (*LONG, "multiply-accumulates", "a/b", "_", "__a", "a_"):
        broken = two_lines(name, 9.5, 0.0)
        assert broken.replace("\n", "") == name and broken.count("\n") <= 1
        assert not broken.startswith("\n") and not broken.endswith("\n")
        assert text_inches(broken, 9.5) <= text_inches(name, 9.5)


def test_labels_of_small_axes_are_broken() -> None:
    ax = Figure(figsize=(2, 2)).add_subplot()
    set_labels(ax, "error, vanishing_points", "hypervolume (share of the reference box)")
    assert "\n" in ax.get_xlabel() and "\n" in ax.get_ylabel()


@pytest.mark.parametrize("ax", [plot_hypervolume({"one": seeds(1, 1)}), plot_losses(history(1))])
def test_evaluations_and_epochs_are_whole(ax: Axes) -> None:
    low, high = ax.get_xlim()
    shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert shown and all(tick == round(tick) for tick in shown)


def test_many_runs_can_be_told_apart() -> None:
    styles = series_styles(map(str, range(42))).values()
    assert len({(style.colour, style.marker) for style in styles}) == 42
