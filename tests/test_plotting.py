"""Pictures of results: what they show is checked against the results, not against stored images."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from mtnas.architecture import ArchitectureSpace, BlockChoices, Candidate, CostTable, QuantizationPolicy, to_graph
from mtnas.errors import MtnasError, SearchError
from mtnas.plotting import (
    choose_members,
    draw_front,
    draw_trees,
    human,
    label,
    plot_front,
    plot_tree,
    save_figure,
    task_colours,
    tree_layout,
)
from mtnas.plotting.marks import FRONT, STAIRCASE, corner_marker
from mtnas.results import MEAN_ERROR, Results, Row, corners, mean_error

TASKS = ("left_digit", "left_parity", "right_digit", "right_parity")
OPTIONS = ("conv3", "conv5", "sep3", "mb3_e2", "skip")


def make_space(tasks: int, blocks: int) -> ArchitectureSpace:
    names = TASKS[:tasks] if tasks <= len(TASKS) else tuple(f"task_{i}" for i in range(tasks))
    return ArchitectureSpace(names, tuple(BlockChoices(f"block{i}", OPTIONS) for i in range(blocks)))


def make_table(space: ArchitectureSpace) -> CostTable:
    options = tuple(
        tuple((100 * 4**i * k, 9_000 * 2**i * k) for k in (9, 25, 3, 6, 0)) for i in range(len(space.blocks))
    )
    return CostTable.plain((224, 50_176), options, tuple((130 + i, 1_000) for i in range(len(space.tasks))))


def make_results(
    tasks: int = 4,
    blocks: int = 4,
    rows: int = 60,
    budgets: dict[str, float] | None = None,
    objectives: tuple[str, ...] | None = None,
) -> Results:
    """Rows whose errors fall with parameters and depend on the tree."""
    rng = random.Random(7)
    space = make_space(tasks, blocks)
    table = make_table(space)
    architectures = list(corners(space, table).values())[:rows]
    architectures += [space.draw(rng) for _ in range(rows - len(architectures))]
    made = []
    for number, architecture in enumerate(dict.fromkeys(architectures)):
        costs: dict[str, float] = dict(table.of(space, architecture))
        used = [
            sum(
                table.options[block][0][space.blocks[block].options.index(option)][0]
                for block, (_, option) in enumerate(architecture.path(task))
            )
            for task in range(tasks)
        ]
        errors = {
            name: 0.02 + 0.3 / (1 + amount / 3_000) * rng.uniform(0.8, 1.2)
            for name, amount in zip(space.tasks, used, strict=True)
        }
        costs |= {f"error/{name}": error for name, error in errors.items()}
        costs[MEAN_ERROR] = mean_error(errors)
        made.append(Row(number, Candidate(architecture), costs))
    names = objectives or (*(f"error/{name}" for name in space.tasks), "params")
    return Results(
        space,
        table,
        names,
        {"params": 160_000.0} if budgets is None else budgets,
        dict.fromkeys(names, 1e9),
        tuple(made),
    )


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def boxes(ax: Axes) -> dict[str, FancyBboxPatch]:
    found = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    by_name = {str(patch.get_label())[1:]: patch for patch in found}
    assert len(by_name) == len(found)
    return by_name


def offsets(ax: Axes, start: str) -> list[tuple[float, float]]:
    """Points of the scatters whose label starts so."""
    found = [c for c in ax.collections if str(c.get_label()).startswith(start)]
    return [(float(x), float(y)) for c in found for x, y in np.asarray(c.get_offsets())]


# Front ---------------------------------------------------------------------------------------------------------


def test_plot_front_draws_in_the_axes_it_is_given() -> None:
    ax = Figure().add_subplot()
    assert plot_front(make_results(), ax) is ax


@pytest.mark.parametrize(("x", "y"), [("params", MEAN_ERROR), ("macs", "error/left_digit")])
def test_every_row_is_drawn_in_its_class(x: str, y: str) -> None:
    results = make_results(budgets={"params": 400_000.0}, objectives=("params", MEAN_ERROR))
    ax = plot_front(results, x=x, y=y)
    assert results.on_front.sum() > 3 and (results.feasible & ~results.on_front).sum() > 3

    def expected(mask: list[bool]) -> list[tuple[float, float]]:
        return sorted((row.costs[x], row.costs[y]) for row, chosen in zip(results.rows, mask, strict=True) if chosen)

    front, feasible = list(results.on_front), list(results.feasible)
    assert sorted(offsets(ax, FRONT)) == expected(front)
    corners = {row.number for row in results.corner_rows().values()}  # they have marks that say so themselves
    over = [not f and row.number not in corners for f, row in zip(feasible, results.rows, strict=True)]
    assert sum(over) < len(feasible) - sum(feasible) and sorted(offsets(ax, "over a budget")) == expected(over)
    assert sorted(offsets(ax, "dominated")) == expected([f and not m for f, m in zip(feasible, front, strict=True)])


@pytest.mark.parametrize(("x", "y"), [("params", MEAN_ERROR), ("macs", "error/right_parity")])
def test_the_staircase_is_the_non_dominated_set_of_the_two_costs(x: str, y: str) -> None:
    results = make_results()
    points = {(r.costs[x], r.costs[y]) for r, met in zip(results.rows, results.feasible, strict=True) if met}
    best = {
        p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    }  # by definition, not by the code under test
    (line,) = (line for line in plot_front(results, x=x, y=y).lines if line.get_label() == STAIRCASE)
    assert [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())] == sorted(best)
    assert line.get_drawstyle() == "steps-post"


def test_marks_of_corners_tell_tree_and_size() -> None:
    names = ("hard sharing, smallest", "hard sharing, largest", "single-task, smallest", "3 groups, largest")
    assert [corner_marker(name)[0] for name in names] == ["s", "s", "^", "^"]
    fills = [corner_marker(name)[1] for name in names]
    assert fills[0] == fills[2] != fills[1] == fills[3]


@pytest.mark.parametrize("budgets", [None, {}, {"params": 1.0}])
def test_every_corner_row_is_marked_and_named(budgets: dict[str, float] | None) -> None:
    results = make_results(budgets=budgets)
    ax = plot_front(results)
    assert len(results.corner_rows()) == 4
    legend = ax.get_legend()
    assert legend is not None
    named = [text.get_text() for text in legend.get_texts()]
    for name, row in results.corner_rows().items():
        assert offsets(ax, name) == [(row.costs["params"], row.costs[MEAN_ERROR])]
        assert any(text.startswith(name) for text in named)


def test_budgets_are_drawn_inside_the_axes_or_named_with_an_arrow() -> None:
    near = plot_front(make_results(budgets={"params": 160_000.0, MEAN_ERROR: 0.1}))
    assert {"budget 160k", "budget 0.1"} <= {text.get_text() for text in near.texts}
    assert near.get_xlim()[0] < 160_000 < near.get_xlim()[1]
    assert near.get_ylim()[0] < 0.1 < near.get_ylim()[1]
    far = plot_front(make_results(budgets={"params": 1e12, MEAN_ERROR: 50.0}))
    assert {"budget 1T →", "↑ budget 50"} <= {text.get_text() for text in far.texts}
    assert far.get_xlim()[1] < 1e9
    assert {"← budget 0"} <= {text.get_text() for text in plot_front(make_results(budgets={"params": 0.0})).texts}


def test_an_unknown_cost_is_named() -> None:
    with pytest.raises(SearchError, match="no cost 'parms', did you mean 'params'"):
        plot_front(make_results(), x="parms")


def test_the_front_figure_has_a_panel_for_every_resource_and_every_task() -> None:
    figure = draw_front(make_results())
    shown = {(ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes}
    assert shown == {
        ("parameters", "mean error"),
        ("multiply-accumulates", "mean error"),
        *(("parameters", f"error, {task}") for task in TASKS),
    }


@pytest.mark.parametrize("budgets", [{"params": 1.0}, {}])
@pytest.mark.parametrize(("tasks", "blocks", "rows"), [(3, 2, 15), (1, 1, 5), (2, 1, 1), (2, 2, 0)])
def test_small_and_hopeless_results_can_be_drawn(
    tmp_path: Path, tasks: int, blocks: int, rows: int, budgets: dict[str, float]
) -> None:
    results = make_results(tasks, blocks, rows, budgets=budgets, objectives=(MEAN_ERROR, "params"))
    for number, figure in enumerate((draw_front(results), draw_trees(results, 1))):
        save_figure(figure, tmp_path / f"{number}.png", dpi=30)
        said = "no candidate was evaluated" if not rows else "no candidate meets the budgets"
        assert any(said in text for text in texts(figure)) == bool(budgets or not rows)


@pytest.mark.parametrize("tasks", [1, 4])
@pytest.mark.parametrize("budgets", [{}, {"params": 1.0}, {"params": 160_000.0, MEAN_ERROR: 0.05}])
def test_nothing_of_a_figure_is_cut_off(tasks: int, budgets: dict[str, float]) -> None:
    results = make_results(tasks, 2, rows=20, budgets=budgets)
    for figure in (draw_front(results), draw_trees(results, 1), plot_front(results).figure):
        assert isinstance(figure, Figure)
        figure.draw_without_rendering()  # the layout
        drawn = figure.get_tightbbox()  # inches
        width, height = figure.get_size_inches()
        assert drawn.x0 >= 0 and drawn.x1 <= width and drawn.y0 >= 0 and drawn.y1 <= height


# Members -------------------------------------------------------------------------------------------------------


def test_members_do_not_depend_on_the_order_of_rows() -> None:
    results = make_results()
    expected = choose_members(results, 6)
    for seed in range(5):
        rows = list(results.rows)
        random.Random(seed).shuffle(rows)
        other = Results(
            results.space, results.cost_table, results.objectives, results.budgets, results.reference, tuple(rows)
        )
        found = choose_members(other, 6)
        assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10, 1_000])
def test_members_are_distinct_and_on_the_front(count: int) -> None:
    results = make_results()
    front = {row.id: row for row in results.front()}
    assert len(front) > 10
    members = choose_members(results, count)
    assert len(members) == len({row.id for row in members.values()}) == min(count, len(front))
    assert all(front[row.id] == row for row in members.values())
    assert members["lowest mean error"].costs[MEAN_ERROR] == min(row.costs[MEAN_ERROR] for row in front.values())
    if count > 1:
        assert members["smallest"].costs["params"] == min(row.costs["params"] for row in front.values())


def test_a_network_that_is_best_in_all_is_named_once() -> None:
    results = make_results(rows=1, budgets={})
    assert list(choose_members(results)) == ["lowest mean error"]


def test_no_members_without_a_feasible_row() -> None:
    assert choose_members(make_results(budgets={"params": 1.0})) == {}


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(SearchError, match="0 members of the front were asked for, but at least 1"):
        choose_members(make_results(), 0)


# Trees ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "blocks"), [(1, 1), (1, 4), (4, 1), (2, 2), (4, 4), (8, 8), (12, 20)])
def test_layout_keeps_nodes_apart_and_over_their_heads(tasks: int, blocks: int) -> None:
    space = make_space(tasks, blocks)
    rng = random.Random(3)
    for _ in range(20):
        graph = to_graph(space, space.draw(rng))
        places = tree_layout(graph)
        assert set(places) == set(graph)
        heads = sorted(places[f"head/{task}"][0] for task in space.tasks)
        assert heads == list(range(tasks))
        for node, (column, layer) in places.items():
            below = sorted(places[f"head/{task}"][0] for task in graph.nodes[node]["tasks"])
            assert below[-1] - below[0] == len(below) - 1  # contiguous
            assert column == (below[0] + below[-1]) / 2
            assert layer == graph.nodes[node]["layer"]
        for one, other in combinations(places.values(), 2):
            assert one[1] != other[1] or abs(one[0] - other[0]) >= 1
        for (a, b), (c, d) in combinations(graph.edges, 2):  # edges between the same layers do not cross
            if places[a][1] == places[c][1]:
                assert (places[a][0] - places[c][0]) * (places[b][0] - places[d][0]) >= 0


@pytest.mark.parametrize(("tasks", "blocks"), [(1, 1), (2, 2), (4, 4), (8, 6)])
def test_a_tree_has_one_box_per_node_with_its_operator_and_cost(tasks: int, blocks: int) -> None:
    space = make_space(tasks, blocks)
    table = make_table(space)
    architecture = space.draw(random.Random(5))
    ax = plot_tree(space, table, architecture)
    graph = to_graph(space, architecture)
    found = boxes(ax)
    assert set(found) == set(graph)
    for node, box in found.items():
        x, y, width, height = box.get_x(), box.get_y(), box.get_width(), box.get_height()
        inside = [
            t.get_text()
            for t in ax.texts
            if x < t.get_position()[0] < x + width and y < t.get_position()[1] < y + height
        ]
        values = graph.nodes[node]
        if values["kind"] == "block":
            block = values["layer"] - 1
            cost = table.options[block][0][space.blocks[block].options.index(values["option"])][0]
            assert inside == [values["option"], human(cost)]
        else:
            name, cost = (
                ("stem", 224) if node == "input" else (values["tasks"][0], 130 + space.tasks.index(values["tasks"][0]))
            )
            assert inside == [name, human(cost)]
    for one, other in combinations(found.values(), 2):
        apart = (
            abs(one.get_x() - other.get_x()) >= one.get_width() or abs(one.get_y() - other.get_y()) >= one.get_height()
        )
        assert apart


@pytest.mark.parametrize(("width", "height"), [(2.0, 1.5), (12.0, 9.0)])
def test_texts_stay_in_their_boxes_in_axes_of_any_size(width: float, height: float) -> None:
    space = make_space(4, 4)
    figure = Figure(figsize=(width, height))
    ax = figure.add_subplot()
    architecture = space.draw(random.Random(1))
    assert plot_tree(space, make_table(space), architecture, ax, title="knee\nsmall") is ax
    figure.draw_without_rendering()
    for box in boxes(ax).values():
        frame = box.get_window_extent()
        for text in ax.texts:
            extent = text.get_window_extent()
            middle = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
            if frame.contains(*middle):
                assert frame.x0 <= extent.x0 and extent.x1 <= frame.x1


def test_bits_of_quantized_nodes_are_shown() -> None:
    space = make_space(2, 2)
    architecture = space.draw(random.Random(1))
    policy = QuantizationPolicy.of({(0, 0): (8, 8), (1, 0): (4, 8)})
    ax = plot_tree(space, make_table(space), architecture, policy=policy, cost="macs")
    shown = [text.get_text() for text in ax.texts]
    assert sum(text.endswith(", 8 bit") for text in shown) == sum(text.endswith(", W4A8") for text in shown) == 1


def test_an_unknown_tree_cost_is_named() -> None:
    space = make_space(2, 2)
    with pytest.raises(SearchError, match="no exact cost 'mac', did you mean 'macs'"):
        plot_tree(space, make_table(space), space.draw(random.Random(1)), cost="mac")


def test_the_figure_of_trees_shows_every_member_with_its_costs() -> None:
    results = make_results()
    figure = draw_trees(results, count=3)
    members = choose_members(results, 3)
    assert len(figure.axes) == len(members)
    shown = texts(figure)
    for (name, row), ax in zip(members.items(), figure.axes, strict=True):
        assert ax.get_title(loc="left") == f"{name}  ({row.id})"
        assert any(f"mean error {human(row.costs[MEAN_ERROR])}" in text for text in shown)
        assert set(boxes(ax)) == set(to_graph(results.space, row.candidate.architecture))
    assert all(shown.count(task) == len(members) + 1 for task in TASKS)  # a head each, and the one legend


# Style and files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.9, "1k"),
        (12_345, "12.3k"),
        (999_999, "1M"),
        (4.5e6, "4.5M"),
        (0.0312, "0.0312"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert human(value) == text


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        ("params", "parameters"),
        ("macs", "multiply-accumulates"),
        ("error/mean", "mean error"),
        ("error/left_digit", "error, left_digit"),
        ("latency_ms", "latency (ms)"),
        ("size_kib", "size (KiB)"),
        ("cost_in_$", r"cost_in_\$"),
    ],
)
def test_labels_tell_units(cost: str, text: str) -> None:
    assert label(cost) == text


def test_tasks_have_different_colours() -> None:
    assert len(set(task_colours([str(i) for i in range(22)]).values())) == 22


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figure(draw_trees(make_results(2, 2, rows=10), 1), tmp_path / "trees.svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_a_saved_figure_is_of_the_format_of_its_name_and_always_the_same(
    tmp_path: Path, suffix: str, start: bytes
) -> None:
    written = []
    for name in ("one", "two"):
        save_figure(plot_front(make_results(rows=10)).figure, tmp_path / f"{name}{suffix}", dpi=40)  # type: ignore[arg-type]
        written.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert written[0].startswith(start)
    assert written[0] == written[1]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_figure_that_cannot_be_drawn_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    path.write_bytes(b"old")
    figure = Figure()
    figure.text(0.5, 0.5, "$\\notacommand$")  # fails only when it is rendered
    with pytest.raises(ValueError, match="notacommand"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["front.png"]


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MtnasError, match=r"'front\.jpg'; end the name with \.png, \.svg, \.pdf"):
        save_figure(Figure(), tmp_path / "front.jpg")


def test_dollars_in_names_are_not_formulas(tmp_path: Path) -> None:
    space = ArchitectureSpace(("$a^$", "b$"), (BlockChoices("$x_$", ("$\\bad$",)),))
    table = CostTable.plain((1, 1), (((1, 1),),), ((1, 1), (1, 1)))
    figure = plot_tree(space, table, space.draw(random.Random(0)), title="$\\bad$").figure
    save_figure(figure, tmp_path / "tree.svg")  # type: ignore[arg-type]
