"""Results: fronts and hypervolumes do not depend on the order of rows and agree with their definitions."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from toys import plain_space, plain_table

from mtnas.architecture import Architecture, Candidate, CostTable, QuantizationPolicy, Tree
from mtnas.errors import SearchError
from mtnas.results import (
    MEAN_ERROR,
    Results,
    Row,
    RunningHypervolume,
    corners,
    hypervolume,
    largest_corner,
    mean_error,
    non_dominated,
)

SPACE = plain_space((True, True, True), (2, 2, 2))
TABLE = plain_table(SPACE, seed=3)
OBJECTIVES = ("error/a", "error/b", "params")

# Few different values, so that points often agree in some or all costs.
coarse = st.integers(0, 5).map(lambda value: value / 5)
clouds = st.integers(1, 4).flatmap(
    lambda width: hnp.arrays(np.float64, st.tuples(st.integers(0, 12), st.just(width)), elements=coarse)
)


def make_results(
    rows: int = 40, seed: int = 0, budgets: dict[str, float] | None = None, objectives: Sequence[str] = OBJECTIVES
) -> Results:
    """Rows of random members with coarse random errors; the corners come first."""
    rng = random.Random(seed)
    members = list(corners(SPACE, TABLE).values()) + [SPACE.draw(rng) for _ in range(rows)]
    made = []
    for number, architecture in enumerate(list(dict.fromkeys(members))[:rows]):
        errors = {task: rng.randrange(1, 6) / 5 for task in SPACE.tasks}
        costs: dict[str, float] = {f"error/{task}": error for task, error in errors.items()}
        costs |= {MEAN_ERROR: mean_error(errors), **TABLE.of(SPACE, architecture)}
        made.append(Row(number, Candidate(architecture), costs))
    reference = {"error/a": 1.0, "error/b": 1.0, "error/c": 1.0, "params": 40.0, MEAN_ERROR: 1.0}
    return Results(SPACE, TABLE, tuple(objectives), budgets or {}, reference, tuple(made))


def shuffled(results: Results, seed: int) -> Results:
    return replace(results, rows=tuple(random.Random(seed).sample(results.rows, len(results.rows))))


# Points ----------------------------------------------------------------------------------------------------------


def brute_non_dominated(points: NDArray[np.float64]) -> list[bool]:
    def beats(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
        return bool((one <= other).all() and (one < other).any())

    return [not any(beats(other, point) for other in points) for point in points]


def inclusion_exclusion(points: NDArray[np.float64]) -> float:
    """Volume of the union of the boxes from each point to (1, ..., 1)."""
    sides = np.clip(1 - points, 0, None)
    terms = (
        (-1) ** (size + 1) * sides[list(chosen)].min(0).prod()
        for size in range(1, len(points) + 1)
        for chosen in combinations(range(len(points)), size)
    )
    return float(sum(terms))


@given(points=clouds)
def test_non_dominated_points_are_those_of_the_definition(points: NDArray[np.float64]) -> None:
    assert non_dominated(points).tolist() == brute_non_dominated(points)


@given(points=clouds, seed=st.integers(0, 2**32))
def test_non_dominance_and_hypervolume_do_not_depend_on_order(points: NDArray[np.float64], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(points))
    assert np.array_equal(non_dominated(points)[order], non_dominated(points[order]))
    reference = np.full(points.shape[1], 0.9)
    assert hypervolume(points, reference) == pytest.approx(hypervolume(points[order], reference), abs=1e-12)


@given(points=clouds, reference=st.floats(0.3, 2))
def test_hypervolume_is_the_volume_of_the_union_of_boxes(points: NDArray[np.float64], reference: float) -> None:
    """Points beyond the reference add nothing, and a unit of its own for each cost changes nothing."""
    points = points[:8]
    expected = inclusion_exclusion(points / reference)
    assert hypervolume(points, np.full(points.shape[1], reference)) == pytest.approx(expected, abs=1e-9)
    units = 10.0 ** np.arange(points.shape[1])
    assert hypervolume(points * units, reference * units) == pytest.approx(expected, abs=1e-9)


@given(points=clouds, more=st.lists(coarse, min_size=4, max_size=4))
def test_more_points_never_shrink_the_hypervolume(points: NDArray[np.float64], more: list[float]) -> None:
    reference = np.ones(points.shape[1])
    larger = np.vstack([points, more[: points.shape[1]]])
    assert hypervolume(larger, reference) >= hypervolume(points, reference) - 1e-12
    assert hypervolume(np.zeros((1, points.shape[1])), reference) == 1


@pytest.mark.parametrize("costs", [7, 12, 34])
def test_over_many_costs_the_hypervolume_is_estimated(costs: int) -> None:
    """Exact algorithms would take minutes over 12 costs, and know no 34."""
    across = np.linspace(0.05, 0.95, 60)
    flat = np.stack([across, 1 - across], axis=1)
    points = np.hstack([flat, np.full((60, costs - 2), 0.1)])
    reference = np.ones(costs)
    found = hypervolume(points, reference)
    assert found == pytest.approx(hypervolume(flat, np.ones(2)) * 0.9 ** (costs - 2), rel=0.02)
    order = np.random.default_rng(0).permutation(60)
    assert hypervolume(points[order], reference) == found
    running = RunningHypervolume(reference)
    values = [running.add(point) for point in points[order]]
    assert values == sorted(values) and values[-1] == pytest.approx(found, rel=0.02)


# Fronts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budgets", [{}, {"params": 20.0}, {"error/c": 0.6, "params": 25.0}, {"params": 0.0}])
@pytest.mark.parametrize("objectives", [OBJECTIVES, ("error/mean",), ("params", "macs")])
def test_the_front_is_that_of_the_definition_among_rows_within_budgets(
    budgets: dict[str, float], objectives: tuple[str, ...]
) -> None:
    results = make_results(budgets=budgets, objectives=objectives)
    feasible = [all(row.costs[name] <= limit for name, limit in budgets.items()) for row in results.rows]
    assert results.feasible.tolist() == feasible
    chosen = [row for row, met in zip(results.rows, feasible, strict=True) if met]
    points = np.array([[row.costs[name] for name in objectives] for row in chosen]).reshape(-1, len(objectives))
    expected = {row.number for row, kept in zip(chosen, brute_non_dominated(points), strict=True) if kept}
    assert {row.number for row in results.front()} == expected
    assert {row.number for row, on in zip(results.rows, results.on_front, strict=True) if on} == expected
    for row in results.front():
        assert all(row.costs[name] <= limit for name, limit in budgets.items())
    first = [row.costs[objectives[0]] for row in results.front()]
    assert first == sorted(first)


@given(seed=st.integers(0, 2**32))
def test_front_hypervolume_and_best_do_not_depend_on_the_order_of_rows(seed: int) -> None:
    results = make_results(rows=20, seed=seed % 7, budgets={"params": 25.0})
    other = shuffled(results, seed)
    assert other.front() == results.front()
    assert other.front(("error/b", "macs")) == results.front(("error/b", "macs"))
    assert other.hypervolume() == pytest.approx(results.hypervolume(), abs=1e-12)
    assert other.best() == results.best() and other.best("params") == results.best("params")


def test_a_front_over_other_costs_is_that_of_results_with_those_objectives() -> None:
    results = make_results(budgets={"params": 25.0})
    other = make_results(budgets={"params": 25.0}, objectives=("error/c", "macs"))
    assert results.front(("error/c", "macs")) == other.front() != results.front()


def test_the_hypervolume_of_the_first_rows_is_theirs_alone() -> None:
    results = make_results(budgets={"error/c": 0.4})
    volumes = [results.hypervolume(first) for first in range(len(results.rows) + 1)]
    assert volumes[0] == 0 and volumes[-1] == results.hypervolume() and volumes == sorted(volumes)
    for first in (3, 10):
        assert replace(results, rows=results.rows[:first]).hypervolume() == volumes[first]
    feasible = results.points()[results.feasible] / [results.reference[name] for name in results.objectives]
    front = feasible[brute_non_dominated(feasible)]
    assert volumes[-1] == pytest.approx(inclusion_exclusion(np.unique(front, axis=0)), abs=1e-9)
    # Rows beyond a budget would have added something.
    assert volumes[-1] < make_results().hypervolume()


def test_an_estimated_hypervolume_is_the_last_of_the_curve() -> None:
    names = (*OBJECTIVES, "error/c", MEAN_ERROR, "macs", "size_kib")
    rows = make_results(rows=60).rows
    sized = [replace(row, costs={**row.costs, "size_kib": 1.0 + row.number % 7}) for row in rows]
    results = replace(
        make_results(rows=60), rows=tuple(sized), objectives=names, reference=dict.fromkeys(names, 50.0), budgets={}
    )
    curve = results.hypervolumes()
    assert results.on_front.sum() > 16 and 0 < curve[-1] < 1
    assert [results.hypervolume(first) for first in (0, 20, len(curve))] == [0, curve[19], curve[-1]]


def test_a_hypervolume_without_its_reference_point_is_refused() -> None:
    with pytest.raises(SearchError, match=r"the reference point lacks \['macs'\]"):
        make_results(objectives=("error/a", "macs")).hypervolume()


def test_the_best_row_is_the_lowest_within_the_budgets() -> None:
    results = make_results(budgets={"params": 20.0})
    allowed = [row for row in results.rows if row.costs["params"] <= 20]
    for cost in (MEAN_ERROR, "error/c", "macs"):
        assert results.best(cost).costs[cost] == min(row.costs[cost] for row in allowed)
    with pytest.raises(SearchError, match=r"none of the 40 rows meets the budgets {'params': -1.0}; raise one"):
        make_results(budgets={"params": -1.0}).best()


def test_no_rows_have_no_front() -> None:
    results = make_results(rows=0)
    assert results.front() == () and results.hypervolume() == 0 and results.points().shape == (0, 3)
    assert len(results.to_frame()) == 0 and results.corner_rows() == {}


# Look-ups --------------------------------------------------------------------------------------------------------


def test_rows_are_found_by_the_start_of_their_id_and_by_their_number() -> None:
    results = make_results()
    ids = [row.id for row in results.rows]
    assert len(set(ids)) == len(ids)
    for row in results.rows:
        assert results.find(row.id) is row and results.find(f"#{row.number}") is row
        for length in range(1, 10):
            start = row.id[:length]
            count = sum(other.startswith(start) for other in ids)
            if count == 1:
                assert results.find(start) is row
            else:
                with pytest.raises(SearchError, match=f"{count} candidates of this run match '{start}'; results.csv"):
                    results.find(start)
    assert any(sum(other[0] == own[0] for other in ids) > 1 for own in ids)
    # Numbers stay with their rows, wherever these stand.
    assert shuffled(results, 1).find("#7") == results.rows[7]


@pytest.mark.parametrize("unknown", ["zz", "#40", "#-1", "#", "# 1"])
def test_unknown_rows_are_named(unknown: str) -> None:
    with pytest.raises(SearchError, match=f"no candidate of this run match.* '{unknown}'; results.csv lists the ids"):
        make_results().find(unknown)


def test_an_unknown_cost_names_the_nearest() -> None:
    results = make_results()
    problem = "there is no cost 'parms', did you mean 'params'.* Known: error/a, error/b"
    for use in (results.values, results.best, lambda cost: results.front((cost,))):
        with pytest.raises(SearchError, match=problem):
            use("parms")
    with pytest.raises(SearchError, match=problem):
        make_results(budgets={"parms": 3.0}).front()
    with pytest.raises(SearchError, match=problem):
        make_results(objectives=("parms",)).front()


# Corners and tables ----------------------------------------------------------------------------------------------


def test_corners_are_the_extremes_of_hard_sharing_and_of_single_task_networks() -> None:
    found = corners(SPACE, TABLE)
    assert list(found) == [
        f"{tree}, {size}" for tree in ("hard sharing", "single-task") for size in ("smallest", "largest")
    ]
    for name, architecture in found.items():
        tree = Tree.shared(3, 3) if name.startswith("hard") else Tree.split(3, 3)
        assert architecture.tree == tree
        params = [TABLE.of(SPACE, a)["params"] for a in SPACE.architectures() if a.tree == tree]
        extreme = min(params) if name.endswith("smallest") else max(params)
        assert TABLE.of(SPACE, architecture)["params"] == extreme


@pytest.mark.parametrize(
    ("branching", "options", "tasks", "names"),
    [
        ((True, True), (1, 1), 3, ["hard sharing, smallest", "single-task, smallest"]),
        ((False, False), (2, 2), 3, ["hard sharing, smallest", "hard sharing, largest"]),
        ((True, True), (2, 2), 1, ["hard sharing, smallest", "hard sharing, largest"]),
        ((True, True), (1, 1), 1, ["hard sharing, smallest"]),
    ],
)
def test_equal_corners_are_named_once(
    branching: tuple[bool, ...], options: tuple[int, ...], tasks: int, names: list[str]
) -> None:
    space = plain_space(branching, options, tasks)
    amounts = tuple(tuple((option, option) for option in range(count)) for count in options)
    found = corners(space, CostTable.plain((0, 0), amounts, ((0, 0),) * tasks))
    assert list(found) == names
    for architecture in found.values():
        space.check(architecture)


@pytest.mark.parametrize(
    ("options", "copies", "shared", "split"),
    [
        ((2, 2), None, "hard sharing, largest", "single-task, largest"),
        ((2, 2), 2, "hard sharing, largest", "2 groups, largest"),
        ((1, 1), None, "hard sharing, smallest", "single-task, smallest"),
        ((1, 1), 2, "hard sharing, smallest", "2 groups, smallest"),
    ],
)
def test_the_largest_corner_is_found_whatever_it_is_called(
    options: tuple[int, ...], copies: int | None, shared: str, split: str
) -> None:
    space = replace(plain_space((True, True), options), copies=copies)
    found = corners(space, CostTable.plain((0, 0), (((1, 1), (2, 2))[: options[0]],) * 2, ((1, 1),) * 3))
    assert largest_corner(found, split=False) == shared
    assert largest_corner(found, split=True) == split
    assert largest_corner([shared], split=True) == ""


def test_a_largest_corner_that_was_not_evaluated_has_no_row() -> None:
    results = make_results()
    assert results.largest_corner_row(split=True) == results.rows[3]
    assert replace(results, rows=results.rows[:3]).largest_corner_row(split=True) is None


def test_corner_rows_are_those_that_were_evaluated_in_float() -> None:
    results = make_results()
    assert list(results.corner_rows()) == list(results.corners)
    for name, row in results.corner_rows().items():
        assert row.candidate == Candidate(results.corners[name])
    assert list(replace(results, rows=results.rows[1:]).corner_rows()) == list(results.corners)[1:]
    quantized = Candidate(results.rows[0].candidate.architecture, QuantizationPolicy.of({(0, 0): (8, 8)}))
    rows = (Row(0, quantized, results.rows[0].costs),)
    assert replace(results, rows=rows).corner_rows() == {}


def test_the_table_holds_everything_of_every_row() -> None:
    results = make_results(budgets={"params": 25.0})
    frame = results.to_frame()
    costs = list(results.rows[0].costs)
    assert list(frame.columns) == [
        *("number", "id", "corner", "tree", "nodes", "policy"),
        *costs,
        *("feasible", "front", "candidate"),
    ]
    front = {row.number for row in results.front()}
    corner_of = {row.number: name for name, row in results.corner_rows().items()}
    for row, line in zip(results.rows, frame.to_dict("records"), strict=True):
        architecture: Architecture = row.candidate.architecture
        assert (line["number"], line["id"]) == (row.number, row.id)
        assert line["corner"] == corner_of.get(row.number, "")
        assert (line["tree"], line["nodes"]) == (str(architecture.tree), architecture.tree.node_count)
        assert {name: line[name] for name in costs} == dict(row.costs)
        assert line["feasible"] == (row.costs["params"] <= 25) and line["front"] == (row.number in front)
        assert Candidate.from_json(json.loads(line["candidate"])) == row.candidate
    assert 0 < frame["front"].sum() <= frame["feasible"].sum() < len(frame)


def test_the_mean_error_is_the_plain_mean() -> None:
    assert mean_error({"a": 0.1, "b": 0.2, "c": 0.6}) == pytest.approx(0.3)
    values = {str(index): 0.1 for index in range(10)}
    assert mean_error(values) == 0.1
