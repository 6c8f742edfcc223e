"""The row that is picked is the best of those within the budgets, by the definition, and nothing is loaded for it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_runs import call, contents, refused, searched_run
from toys import plain_space, plain_table

import mtnas
from mtnas.architecture import Candidate
from mtnas.errors import SearchError
from mtnas.results import MEAN_ERROR, Results, Row, mean_error, pick, task_weights, weighted_error
from mtnas.runs import read_results

SPACE = plain_space((True, True, True), (2, 2, 2))
TABLE = plain_table(SPACE, seed=3)
NAMES = tuple(f"error/{task}" for task in SPACE.tasks)

# Few different values without rounding, so that rows often agree in some or all costs.
quarters = st.integers(0, 2).map(lambda value: value / 4)
weightings = st.fixed_dictionaries({}, optional={task: st.integers(0, 4) for task in SPACE.tasks}).filter(
    lambda weights: any(weights.get(task, 1) for task in SPACE.tasks)
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "params": st.integers(5, 40),
        "macs": st.integers(5, 40),
        "error/a": quarters.map(lambda error: error + 0.1),
    },
)


@st.composite
def tables(draw: st.DrawFn) -> Results:
    """Rows of random members; their params and macs are drawn as well, to have ties of every kind."""
    rng = random.Random(draw(st.integers(0, 99)))
    rows = []
    for number in range(draw(st.integers(1, 12))):
        errors = {task: draw(quarters) for task in SPACE.tasks}
        costs: dict[str, float] = {f"error/{task}": error for task, error in errors.items()}
        costs |= {MEAN_ERROR: mean_error(errors), "params": draw(st.integers(5, 8)), "macs": draw(st.integers(5, 8))}
        rows.append(Row(number, Candidate(SPACE.draw(rng)), costs))
    return Results(SPACE, TABLE, (*NAMES, "params"), draw(limits), {}, tuple(rows))


def exact(row: Row, weights: Mapping[str, int]) -> Fraction:
    """Weighted mean of the errors in rational numbers."""
    full = {task: weights.get(task, 1) for task in SPACE.tasks}
    return sum((weight * Fraction(row.costs[f"error/{task}"]) for task, weight in full.items()), Fraction(0)) / sum(
        full.values()
    )


def within(results: Results, budgets: Mapping[str, float]) -> list[Row]:
    every = [*results.budgets.items(), *budgets.items()]
    return [row for row in results.rows if all(row.costs[name] <= limit for name, limit in every)]


def picked(results: Results, weights: Mapping[str, float], budgets: Mapping[str, float]) -> Row | None:
    """The pick, or None where nothing meets the budgets, which must be so."""
    if within(results, budgets):
        return pick(results, weights, budgets)
    with pytest.raises(SearchError, match="measured rows meets"):
        pick(results, weights, budgets)
    return None


# Which row -------------------------------------------------------------------------------------------------------


@given(tables(), weightings, limits)
def test_the_pick_is_the_lowest_by_the_definition(
    results: Results, weights: dict[str, int], budgets: dict[str, float]
) -> None:
    row = picked(results, weights, budgets)
    if row is None:
        return
    allowed = within(results, budgets)
    assert row in allowed
    best = min((exact(other, weights), other.costs["params"]) for other in allowed)
    assert (exact(row, weights), row.costs["params"]) == best
    full = task_weights(SPACE.tasks, weights)
    assert weighted_error(row, full) == pytest.approx(float(best[0]), abs=1e-15)
    equal = [other for other in allowed if other.costs == row.costs]
    assert row.number == min(other.number for other in equal)


@pytest.mark.parametrize("better", ["params", "error/c", "macs", "none"])
def test_of_rows_that_weigh_the_same_the_smaller_is_picked(better: str) -> None:
    """By params, then by the errors that have no weight, then by macs, then the one measured first."""
    first = two_rows().rows[0]
    worse = {"params": {"error/c": 1, MEAN_ERROR: 1, "macs": 1e6}, "error/c": {MEAN_ERROR: 0, "macs": 1e6}}
    second = Row(1, first.candidate, {**first.costs, **worse.get(better, {}), better: 0})
    for rows in ((first, second), (second, first)):
        chosen = pick(replace(two_rows(), rows=rows), {"b": 0, "c": 0})
        assert chosen is (first if better == "none" else second)


@given(tables(), st.sampled_from(SPACE.tasks), limits)
def test_a_task_that_alone_has_a_weight_gets_its_smallest_error(
    results: Results, task: str, budgets: dict[str, float]
) -> None:
    row = picked(results, {other: float(other == task) for other in SPACE.tasks}, budgets)
    if row is not None:
        assert row.costs[f"error/{task}"] == min(other.costs[f"error/{task}"] for other in within(results, budgets))


@given(tables(), weightings, limits)
def test_no_row_within_the_budgets_dominates_the_pick(
    results: Results, weights: dict[str, int], budgets: dict[str, float]
) -> None:
    row = picked(results, weights, budgets)
    if row is not None:
        costs = [row.costs[name] for name in (*NAMES, "params", "macs")]
        for other in within(results, budgets):
            others = [other.costs[name] for name in (*NAMES, "params", "macs")]
            assert others == costs or any(theirs > its for theirs, its in zip(others, costs, strict=True))


@given(tables(), weightings, limits, st.integers(0, 2**32), st.sampled_from([0.25, 2, 2.0**900]))
def test_only_ratios_of_weights_matter_and_no_order(
    results: Results, weights: dict[str, int], budgets: dict[str, float], seed: int, factor: float
) -> None:
    row = picked(results, weights, budgets)
    if row is not None:
        other = replace(results, rows=tuple(random.Random(seed).sample(results.rows, len(results.rows))))
        scaled = {task: factor * weights.get(task, 1) for task in SPACE.tasks}
        assert pick(other, weights, budgets) == pick(results, scaled, budgets) == row


@given(tables(), weightings, limits, limits)
def test_more_budgets_never_help(
    results: Results, weights: dict[str, int], budgets: dict[str, float], more: dict[str, float]
) -> None:
    """A budget that is stated afterwards adds to the run's own, whichever is tighter."""
    tight = {name: min(limit, budgets.get(name, limit)) for name, limit in {**budgets, **more}.items()}
    row, other = picked(results, weights, budgets), picked(results, weights, tight)
    if other is not None:
        assert row is not None and exact(row, weights) <= exact(other, weights)
        assert picked(replace(results, budgets={}), weights, {**tight, **_tighter(results.budgets, tight)}) == other


def _tighter(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: min(limit, other.get(name, limit)) for name, limit in one.items()}


@given(tables(), limits)
def test_equal_weights_give_the_lowest_mean_error(results: Results, budgets: dict[str, float]) -> None:
    row = picked(results, {}, budgets)
    if row is not None:
        assert row.costs[MEAN_ERROR] == replace(results, rows=tuple(within(results, budgets))).best().costs[MEAN_ERROR]
        assert weighted_error(row, task_weights(SPACE.tasks, {})) == row.costs[MEAN_ERROR]


# What is refused -------------------------------------------------------------------------------------------------


def two_rows() -> Results:
    """One row is small, the other computes little."""
    rows = []
    for number, (params, macs) in enumerate(((10, 4000), (2000, 30))):
        costs = {"error/a": 0.5, "error/b": 0.25, "error/c": 0.125, MEAN_ERROR: 0.3, "params": params, "macs": macs}
        rows.append(Row(number, Candidate(SPACE.draw(random.Random(number))), costs))
    return Results(SPACE, TABLE, (*NAMES, "params"), {}, {}, tuple(rows))


@pytest.mark.parametrize(
    ("weights", "budgets", "sentence"),
    [
        ({"dept": 1}, {}, "weights: there is no task 'dept'. Known: a, b, c"),
        ({"a": -1}, {}, "the weight of a must be at least 0, but is -1"),
        ({"b": float("nan")}, {}, "the weight of b must be at least 0, but is nan"),
        ({"b": float("inf")}, {}, "the weight of b must be at least 0, but is inf"),
        ({"a": 0, "b": 0, "c": 0}, {}, "the weights of all tasks are 0 (a, b, c)"),
        ({}, {"parms": 9}, "there is no cost 'parms', did you mean 'params'?"),
        ({}, {"params": 0}, "the budget of params must be above 0, but is 0"),
        ({}, {"params": 9, "macs": 50}, "none of the 2 measured rows meets params <= 9 (smallest measured: params 10)"),
        ({}, {"params": 9, "macs": 2}, "params <= 9 and macs <= 2 (smallest measured: params 10, macs 30)"),
        ({}, {"params": 1999, "macs": 31}, "<= 1,999 and macs <= 31 together (smallest measured: params 10, macs 30)"),
        ({}, {"error/a": 0.25}, "meets error/a <= 0.25 (smallest measured: error/a 0.5)"),
    ],
)
def test_a_preference_that_nothing_meets_is_a_sentence(
    weights: dict[str, float], budgets: dict[str, float], sentence: str
) -> None:
    with pytest.raises(SearchError) as caught:
        mtnas.pick(two_rows(), weights, budgets)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_without_rows_is_told_to_search() -> None:
    with pytest.raises(SearchError, match="search first"):
        pick(replace(two_rows(), rows=()))
    with pytest.raises(SearchError, match="search first"):
        pick(replace(two_rows(), rows=()), budgets={"params": 3})


def test_the_budgets_of_the_run_hold_too() -> None:
    with pytest.raises(SearchError, match="params <= 20 and macs <= 100 together"):
        pick(replace(two_rows(), budgets={"params": 20}), budgets={"params": 500, "macs": 100})
    assert pick(replace(two_rows(), budgets={"params": 20}), budgets={"params": 5000}).number == 0


# The command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> mtnas.Run:
    return searched_run(tmp_path_factory.mktemp("pick") / "run")


@pytest.mark.parametrize(
    ("words", "weights", "budgets"),
    [
        ([], {}, {}),
        (["--weight", "total=3"], {"total": 3}, {}),
        (["-w", "total=0", "-w", "product=0", "--budget", "params=0.5k"], {"total": 0, "product": 0}, {"params": 500}),
        (["-w", "quadrant=0.5", "-b", "macs=400", "-b", "error/total=2"], {"quadrant": 0.5}, {"macs": 400}),
    ],
)
def test_the_command_prints_the_pick_and_writes_nothing(
    words: list[str], weights: dict[str, float], budgets: dict[str, float], run: mtnas.Run
) -> None:
    before, results = contents(run.path), read_results(run)
    row, full = pick(results, weights, budgets), task_weights(results.space.tasks, weights)
    shown = call("pick", run.path, *words)
    assert shown.code == 0 and shown.err == ""
    values = [*(row.costs[f"error/{task}"] for task in full), row.costs[MEAN_ERROR], weighted_error(row, full)]
    for text in (row.id, *(f"{value:.4f}" for value in values), str(row.candidate.architecture.tree)):
        assert text in shown.out
    told: dict[str, Any] = json.loads(call("pick", run.path, *words, "--json").out)
    assert told["id"] == row.id and told["number"] == row.number and told["costs"] == row.costs
    assert told["weights"] == full and told["weighted_error"] == weighted_error(row, full)
    assert Candidate.from_json(told["candidate"]) == row.candidate
    assert contents(run.path) == before


def test_the_command_refuses_what_nothing_meets(run: mtnas.Run) -> None:
    smallest = min(row.costs["params"] for row in read_results(run).rows)
    for more in ([], ["--json"]):
        refused(
            call("pick", run.path, "-b", "params=3", *more), "params <= 3", f"smallest measured: params {smallest:g}"
        )
        refused(call("pick", run.path, "-w", "totl=3", *more), "no task 'totl', did you mean 'total'?")
    for text in ("total", "=3", "total=", "total=much"):
        refused(call("pick", run.path, "-w", text), f"TASK=NUMBER, for example depth=3, but got '{text}'")
    refused(call("pick", run.path, "-w", "total=1", "-w", "total=2"), "the weight of total is given twice")


def test_the_command_loads_no_library_that_trains_searches_or_draws(run: mtnas.Run) -> None:
    code = (
        "import sys\nfrom mtnas.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'optuna', 'sqlalchemy', 'pandas', 'matplotlib', 'sklearn', 'networkx', 'scipy'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    for words in (["pick", str(run.path)], ["show", str(run.path)]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    refused(call("pick", tmp_path / "nowhere"), "there is no run in", "mtnas run")
