"""A search measures what it was asked to, once each, keeps it, and goes on where it stopped."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count, product
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import torch
import toy_space
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from torch import nn
from toy_runs import call, search_toy, searched_run, supernet, trained_run
from toys import draws, plain_space, plain_spaces, plain_table

from mtnas.architecture import EXACT_COSTS, Architecture, ArchitectureSpace, Candidate, CostTable, Tree
from mtnas.errors import RunError, SearchError
from mtnas.evaluation import recalibrate, task_errors
from mtnas.pools.failures import reason
from mtnas.results import MEAN_ERROR, Results, corners
from mtnas.runs import Run
from mtnas.searching import (
    Parameters,
    SearchSettings,
    check_settings,
    cost_names,
    default_objectives,
    read_results,
    search,
)
from mtnas.searching.failures import remark
from mtnas.space.block import Block, Operator
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import regression
from mtnas.training import train

SPACE = toy_space.space.architectures


# Parameters ------------------------------------------------------------------------------------------------------


@given(plain_spaces(), st.integers(0, 2**32))
def test_every_architecture_survives_its_parameters(space: ArchitectureSpace, seed: int) -> None:
    parameters, architecture = Parameters(space), space.draw(random.Random(seed))
    values = parameters.encode(architecture)
    assert parameters.decode(values) == architecture
    assert values.keys() == parameters.distributions.keys()
    for name, distribution in parameters.distributions.items():
        assert distribution._contains(distribution.to_internal_repr(values[name]))


@given(plain_spaces(), st.data())
def test_every_setting_of_the_parameters_is_a_member(space: ArchitectureSpace, draw: st.DataObject) -> None:
    parameters = Parameters(space)
    values = {name: draw.draw(_any_value(d)) for name, d in parameters.distributions.items()}
    architecture = parameters.decode(values)
    space.check(architecture)
    assert parameters.decode(parameters.encode(architecture)) == architecture


def _any_value(distribution: BaseDistribution) -> st.SearchStrategy[Any]:
    assert not distribution.single()  # a gene with one value is no parameter
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return st.sampled_from(distribution.choices)
    assert isinstance(distribution, optuna.distributions.IntDistribution)
    return st.integers(distribution.low, distribution.high)


def test_parameters_reach_every_architecture() -> None:
    space = plain_space((True, False, True), (2, 1, 2))
    parameters = Parameters(space)
    choices = [
        list(d.choices) if isinstance(d, optuna.distributions.CategoricalDistribution) else range(d.low, d.high + 1)
        for d in parameters.distributions.values()
        if isinstance(d, (optuna.distributions.CategoricalDistribution, optuna.distributions.IntDistribution))
    ]
    found = {
        parameters.decode(dict(zip(parameters.distributions, values, strict=True))) for values in product(*choices)
    }
    assert found == set(space.architectures())


def test_names_of_parameters_tell_what_they_are() -> None:
    assert list(Parameters(SPACE).distributions) == [
        "depth/product",
        "parent/total",
        "depth/total",
        *(f"option/{block}/{task}" for block in ("first", "middle", "last") for task in SPACE.tasks),
    ]
    split = Architecture(
        Tree(((0, 0, 0), (0, 1, 1), (0, 1, 2))), (("wide",), ("skip", "plain"), ("plain", "wide", "plain"))
    )
    values = Parameters(SPACE).encode(split)
    assert values["parent/total"] == "product" and values["depth/total"] == 2 and values["depth/product"] == 1
    assert values["option/middle/quadrant"] == "skip" and values["option/middle/product"] == "plain"


# What a search gives ---------------------------------------------------------------------------------------------


class Stubborn(BaseSampler):
    """Proposes the largest single-task network for ever."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, optuna.distributions.CategoricalDistribution):
            return distribution.choices[-1]
        assert isinstance(distribution, optuna.distributions.IntDistribution)
        return distribution.low


SAMPLERS: dict[str, Callable[[], BaseSampler | None]] = {
    "default": lambda: None,
    "random": lambda: RandomSampler(seed=3),
    "tpe": lambda: TPESampler(seed=3, multivariate=True, n_startup_trials=6),
    "nsga2": lambda: NSGAIISampler(seed=3, population_size=4),
    "stubborn": Stubborn,
}
BUDGETS = {"params": 560.0, "macs": 500.0}


@pytest.fixture(scope="module", params=SAMPLERS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    """A search of 12 evaluations within budgets by every kind of sampler."""
    run = trained_run(tmp_path_factory.mktemp("search") / "run")
    return run, search_toy(run, 12, BUDGETS, sampler=SAMPLERS[request.param]())


def costs_of(results: Results) -> list[tuple[Candidate, dict[str, float]]]:
    """The rows as values to compare."""
    return [(row.candidate, dict(row.costs)) for row in results.rows]


def test_exactly_the_asked_number_is_measured_and_nothing_twice(found: tuple[Run, Results]) -> None:
    rows = found[1].rows
    assert len(rows) == len({row.candidate for row in rows}) == len({row.id for row in rows}) == 12
    assert [row.number for row in rows] == list(range(12))
    for row in rows:
        SPACE.check(row.candidate.architecture)


def test_corners_come_first_whatever_the_budgets(found: tuple[Run, Results]) -> None:
    results = found[1]
    expected = corners(SPACE, supernet().found.costs)
    assert [row.candidate.architecture for row in results.rows[:4]] == list(expected.values())
    assert list(results.corner_rows()) == list(expected) == list(results.corners)
    assert not results.feasible[:4].all()  # the largest one is over the budget, and yet there


def test_only_candidates_within_exact_budgets_are_measured(found: tuple[Run, Results]) -> None:
    results = found[1]
    for row in results.rows[4:]:
        assert all(row.costs[name] <= limit for name, limit in BUDGETS.items())
    assert results.budgets == BUDGETS and results.front()
    for row in results.front():
        assert all(row.costs[name] <= limit for name, limit in BUDGETS.items())


def test_costs_are_all_there_and_exact_ones_equal_the_table(found: tuple[Run, Results]) -> None:
    table = supernet().found.costs
    for row in found[1].rows:
        assert tuple(row.costs) == cost_names(SPACE.tasks)
        exact = table.of(SPACE, row.candidate.architecture)
        assert {name: row.costs[name] for name in EXACT_COSTS} == exact
        assert row.costs[MEAN_ERROR] == pytest.approx(sum(row.costs[f"error/{task}"] for task in SPACE.tasks) / 3)


def test_files_say_what_the_search_returned(found: tuple[Run, Results]) -> None:
    run, results = found
    again = read_results(Run(run.path))
    assert costs_of(again) == costs_of(results)
    assert again.reference == results.reference and again.objectives == results.objectives
    table = pd.read_csv(run.results, dtype={"id": str}, keep_default_na=False)
    pd.testing.assert_frame_equal(table, again.to_frame(), check_dtype=False)


def test_rows_equal_what_the_extracted_networks_give(found: tuple[Run, Results]) -> None:
    data = toy_space.data(None)
    for row in found[1].rows[::4]:
        network = supernet().extract(row.candidate)
        recalibrate(network, data.calibration_batches())
        errors = task_errors(network, toy_space.space.tasks, data.valid_batches())
        assert {task: row.costs[f"error/{task}"] for task in SPACE.tasks} == pytest.approx(errors, abs=1e-6)


def test_constraints_in_the_study_are_what_exceeds_the_budgets(found: tuple[Run, Results]) -> None:
    run, results = found
    check_study(run, results, BUDGETS)


def check_study(run: Run, results: Results, budgets: dict[str, float]) -> None:
    """The run's study holds the rows, and each budget as a constraint."""
    name = run.manifest.section("study")["name"]
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{run.study}")
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(trials) == len(results.rows)
    for trial, row in zip(trials, results.rows, strict=True):
        assert trial.values == [row.costs[cost] for cost in results.objectives]
        assert trial.constraints == {cost: row.costs[cost] - limit for cost, limit in budgets.items()}
        assert Parameters(SPACE).decode(trial.params) == row.candidate.architecture


def test_the_reference_point_is_fixed_once(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    first = search_toy(run, 6)
    assert first.reference["params"] == supernet().found.costs.largest(SPACE, "params")
    assert first.reference["error/quadrant"] == 0.75
    worst = max(row.costs["error/product"] for row in first.rows[:4])
    assert first.reference["error/product"] == pytest.approx(1.1 * worst)
    assert first.reference.keys() == set(cost_names(SPACE.tasks))
    assert search_toy(run, 9, {"params": 700}).reference == first.reference
    assert run.manifest.section("reference") == first.reference


@pytest.mark.parametrize("evaluations", [1, 3, 4])
def test_a_search_of_the_corners_alone_is_a_result(evaluations: int, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    assert len(search_toy(run, evaluations).rows) == evaluations
    shown = call("show", run.path)
    assert shown.code == 0 and f"{evaluations} candidates measured" in shown.out
    assert evaluations > 1 or call("plot", run.path, "--dpi", "20").code == 0


def test_a_stated_reference_is_used(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    settings = replace(toy_space.searching, evaluations=5, reference={"error/total": 9.0, "macs": 5000})
    results = search(toy_space.space, toy_space.data(None), run, settings, supernet=supernet(), show_progress=False)
    assert results.reference["error/total"] == 9 and results.reference["macs"] == 5000
    assert search_toy(run, 6).reference == results.reference


@pytest.mark.parametrize("reference", [{"macs": 5000}, {"error/total": 9.0, "latency_ms": 1.0}])
def test_a_reference_that_a_run_does_not_have_is_refused(reference: dict[str, float], tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    settings = replace(toy_space.searching, evaluations=5, reference={"error/total": 9.0})
    for evaluations in (3, 5, 6):  # of which the first ends before it is settled
        some = replace(settings, evaluations=evaluations)
        search(toy_space.space, toy_space.data(None), run, some, supernet=supernet(), show_progress=False)
    with pytest.raises(RunError, match=r"has reference\..* = .*, which stays, but now it is .*mtnas fork"):
        other = replace(settings, reference=reference)
        search(toy_space.space, toy_space.data(None), run, other, supernet=supernet(), show_progress=False)


def scale(shape: tuple[int, ...]) -> nn.Module:
    """Parameters of which none are counted in multiplications."""
    return nn.Sequential(nn.BatchNorm1d(shape[0]), nn.Tanh())


@pytest.mark.parametrize(
    ("operator", "cost"), [(scale, "macs"), (toy_space.plain, "params")], ids=["all are 0", "all are equal"]
)
def test_a_cost_that_all_candidates_have_alike_leaves_a_hypervolume(
    operator: Operator, cost: str, tmp_path: Path
) -> None:
    tasks = [replace(task, head=lambda shape: MeanOf()) for task in toy_space.space.tasks if task.name != "quadrant"]
    options = {"tanh": operator, "sigmoid": lambda shape: nn.Sequential(operator(shape), nn.Sigmoid())}
    space = SearchSpace(tasks, [Block("one", options, branching=False), Block("other", options, branching=False)])
    run = Run(tmp_path / "run")
    train(space, toy_space.data(None), run, replace(toy_space.training, epochs=1), show_progress=False)
    results = search(space, toy_space.data(None), run, SearchSettings(evaluations=4, startup=4), show_progress=False)
    ((same,),) = ({row.costs[cost] for row in results.rows},)
    assert results.reference[cost] == pytest.approx(1.1 * same or 1)
    assert read_results(run).hypervolume() > 0


class MeanOf(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


# Small spaces ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchSpace, Run]:
    """Two tasks and one block of two options: six networks."""
    tasks = [task for task in toy_space.space.tasks if task.name != "product"]
    space = SearchSpace(tasks, [Block("only", {"plain": toy_space.plain, "wide": toy_space.wide})])
    run = Run(tmp_path_factory.mktemp("small") / "run")
    train(space, toy_space.data(None), run, replace(toy_space.training, epochs=1), show_progress=False)
    return space, run


@pytest.mark.parametrize("sampler", ["default", "random", "tpe", "stubborn"])
def test_a_space_that_is_used_up_ends_the_search(
    sampler: str, small: tuple[SearchSpace, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space, trained = small
    run = copy_of(trained, tmp_path)
    settings = SearchSettings(evaluations=50, startup=4)
    for _ in range(2):
        results = search(space, toy_space.data(None), run, settings, sampler=SAMPLERS[sampler]())
        assert "search ended after 6 evaluations: no other candidate is left\n" in capsys.readouterr().err
        assert {row.candidate.architecture for row in results.rows} == set(space.architectures.architectures())
        assert len(results.rows) == space.architectures.size == 6


def test_budgets_leave_fewer_candidates(
    small: tuple[SearchSpace, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space, trained = small
    run = copy_of(trained, tmp_path)
    table = space.dry_run(toy_space.data(None).example()[0]).costs
    sizes = {a: table.of(space.architectures, a)["params"] for a in space.architectures.architectures()}
    limit = sorted(sizes.values())[3]
    settings = SearchSettings(evaluations=50, budgets={"params": limit}, startup=4)
    results = search(space, toy_space.data(None), run, settings)
    assert "evaluations: no other candidate is left within the budgets\n" in capsys.readouterr().err
    allowed = {a for a, size in sizes.items() if size <= limit}
    assert {row.candidate.architecture for row in results.rows} == allowed | set(results.corners.values())


def copy_of(run: Run, folder: Path) -> Run:
    return Run(shutil.copytree(run.path, folder / "run"))


# Going on --------------------------------------------------------------------------------------------------------


def test_a_search_in_parts_equals_one_at_once(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "parts")
    for evaluations in (1, 7, 6, 11):
        search_toy(run, evaluations, BUDGETS)
    whole = search_toy(trained_run(tmp_path / "whole"), 11, BUDGETS)
    assert costs_of(read_results(run)) == costs_of(whole)


@pytest.mark.parametrize("measured", [2, 7])
def test_what_a_killed_process_had_begun_changes_nothing(measured: int, tmp_path: Path) -> None:
    """It may have queued a network or asked for one; the search goes on as if it had never been there."""
    run = trained_run(tmp_path / "parts")
    search_toy(run, measured)
    begun = optuna.load_study(
        study_name=run.manifest.section("study")["name"],
        storage=f"sqlite:///{run.study}",
        sampler=NSGAIISampler(seed=8, population_size=4),
    )
    largest = list(corners(SPACE, supernet().found.costs).values())[2]
    begun.ask(Parameters(SPACE).distributions)
    begun.enqueue_trial(Parameters(SPACE).encode(largest))
    assert costs_of(search_toy(run, 12)) == costs_of(read_results(searched_run(tmp_path / "whole")))


@pytest.mark.parametrize("wrong", [TPESampler, NSGAIISampler, "tpe", 3])
def test_what_is_no_sampler_is_refused_before_anything_is_measured(wrong: Any, tmp_path: Path) -> None:
    """A class would take the number of a proposal for its first argument: TPE's made one without a seed each time."""
    run = trained_run(tmp_path / "run")
    with pytest.raises(SearchError, match=r"sampler must be an Optuna sampler, .* but is (TPES|NSGAIIS|'tpe'|3)"):
        search_toy(run, 7, sampler=wrong)
    assert not run.study.exists()


def test_runs_of_other_seeds_propose_other_candidates(tmp_path: Path) -> None:
    other = trained_run(tmp_path / "other")
    other.manifest.write("run", {**other.manifest.section("run"), "seed": 1})
    rows = search_toy(Run(other.path), 7).rows, read_results(searched_run(tmp_path / "one")).rows[:7]
    assert rows[0][:4] == rows[1][:4] and {row.id for row in rows[0]} != {row.id for row in rows[1]}


def test_asking_for_what_is_there_changes_nothing(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    before = read_results(run)
    after = search_toy(run, 7)
    assert costs_of(after) == costs_of(before) and len(after.rows) == 12


def test_changed_budgets_keep_all_rows_and_measure_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched_run(tmp_path / "run")
    before = read_results(run)
    judged: list[Architecture] = []
    remember(monkeypatch, judged)
    for budgets in (BUDGETS, {"params": 400.0}, {}):
        results = search_toy(run, 12, budgets)
        assert costs_of(results) == costs_of(before) and results.budgets == budgets
        check_study(run, results, budgets)
    assert judged == []
    results = search_toy(run, 15, {"params": 420.0})
    assert costs_of(results)[:12] == costs_of(before)
    assert len(judged) == 3 and len({row.candidate for row in results.rows}) == 15
    assert all(row.costs["params"] <= 420 for row in results.rows[12:])
    check_study(run, results, {"params": 420.0})


def test_a_budget_on_a_cost_that_rows_lack_is_refused_and_leaves_no_study(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"without size_kib, so that it can have no budget there; .*mtnas fork"):
        search_toy(run, 14, {"size_kib": 1000.0})
    assert len(optuna.get_all_study_names(f"sqlite:///{run.study}")) == 1
    assert len(search_toy(run, 13).rows) == 13


def remember(monkeypatch: pytest.MonkeyPatch, judged: list[Architecture]) -> None:
    """Note every architecture that a search judges."""
    from mtnas.evaluation import InheritedErrors

    original = InheritedErrors.__call__

    def judge(self: InheritedErrors, architecture: Architecture) -> dict[str, float]:
        judged.append(architecture)
        return original(self, architecture)

    monkeypatch.setattr(InheritedErrors, "__call__", judge)


def failing(monkeypatch: pytest.MonkeyPatch, which: Callable[[int], bool]) -> None:
    """Let errors of candidates raise, by the number of the call of an error that two of the three tasks have."""
    original, calls = toy_space.SlowSpread.compute, count()

    def compute(self: toy_space.SlowSpread) -> float:
        if which(next(calls)):
            raise ZeroDivisionError("a metric of the user's")
        return original(self)

    monkeypatch.setattr(toy_space.SlowSpread, "compute", compute)


def failures_in(run: Run) -> list[FrozenTrial]:
    study = optuna.load_study(study_name=run.manifest.section("study")["name"], storage=f"sqlite:///{run.study}")
    return study.get_trials(states=(TrialState.FAIL,))


def test_what_fails_is_kept_with_its_traceback_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained_run(tmp_path / "run")
    with monkeypatch.context() as patch:
        failing(patch, lambda call: call in (13, 18))
        results = search_toy(run, 14)
    assert len(results.rows) == 14  # failures are no evaluations
    failed = failures_in(run)
    assert 1 <= len(failed) <= 2
    for trial in failed:
        assert trial.values is None
        assert "ZeroDivisionError: a metric of the user's" in trial.user_attrs["failure"]
        assert "in compute" in trial.user_attrs["failure"]
    lost = {Candidate.from_json(trial.user_attrs["candidate"]) for trial in failed}
    assert not lost & {row.candidate for row in results.rows}
    more = search_toy(run, 20)
    assert not lost & {row.candidate for row in more.rows} and len(failures_in(run)) == len(failed)
    within = search_toy(run, 22, BUDGETS)
    assert not lost & {row.candidate for row in within.rows} and len(failures_in(run)) == len(failed)


def test_failures_are_told_of_at_the_end() -> None:
    one, other = draws(toy_space.space, 2)
    mine = "Traceback (most recent call last):\n  File\nmtnas.errors.DataError: no sample: none at all\n"
    theirs = "Traceback (most recent call last):\n  File\nZeroDivisionError: by zero"
    assert remark({}) == ""
    told = remark({Candidate(one): theirs})
    assert told == f"1 candidate could not be measured; the last one, {Candidate(one).id}: ZeroDivisionError: by zero"
    told = remark({Candidate(one): theirs, Candidate(other): mine})
    assert told.startswith("2 candidates ") and told.endswith(
        f"{Candidate(other).id}: DataError: no sample: none at all"
    )
    assert reason(mine) == "no sample: none at all" and reason(theirs) == f"\n{theirs}"
    assert reason("not finished after 1 s") == "not finished after 1 s"


def test_too_many_failures_in_a_row_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path / "run")
    with monkeypatch.context() as patch:
        failing(patch, lambda call: call > 12)
        with pytest.raises(SearchError, match=r"(?s)5 candidates in a row .*\(most_failures\).*a metric of the user's"):
            search_toy(run, 30)
    before = read_results(run)
    assert 4 < len(before.rows) < 30 and len(failures_in(run)) == 5
    after = search_toy(run, 16)
    assert costs_of(after)[: len(before.rows)] == costs_of(before) and len(after.rows) == 16


def test_a_corner_network_that_fails_ends_the_search_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path / "run")
    with monkeypatch.context() as patch:
        failing(patch, lambda call: True)
        with pytest.raises(SearchError, match="(?s)a corner network, without which no search begins.*a metric of"):
            search_toy(run, 12)
    assert not read_results(run).rows
    assert len(failures_in(run)) == 1
    assert len(search_toy(run, 12).rows) == 12  # once it is mended, the same command goes on


@pytest.mark.parametrize("error", [float("nan"), float("inf")])
def test_an_error_that_is_no_number_is_a_failure(error: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path / "run")
    search_toy(run, 5)
    monkeypatch.setattr(toy_space.SlowSpread, "compute", lambda self: error)
    with pytest.raises(SearchError, match=f"the error of task '(product|total)' is {error}") as found:
        search_toy(run, 30)
    assert "Traceback" not in str(found.value)  # a mistake in what the user gives is one sentence
    rows = read_results(run).rows
    assert 5 <= len(rows) < 30
    assert all(abs(value) < float("inf") for row in rows for value in row.costs.values())


def test_the_study_stays_quiet_and_its_level_is_put_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    search_toy(trained_run(tmp_path / "run"), 6)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


# What is refused -------------------------------------------------------------------------------------------------


def test_other_objectives_are_refused_by_name(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    search_toy(run, 5, objectives=("error/mean", "params"))
    with pytest.raises(RunError, match=r'search\.objectives\[1\] = "params", but now it is "macs"'):
        search_toy(run, 6, objectives=("error/mean", "macs"))
    with pytest.raises(RunError, match=r"search\.objectives .*error/quadrant"):
        search_toy(run, 6)
    assert len(search_toy(run, 6, objectives=("error/mean", "params")).rows) == 6


def test_objectives_by_default_are_errors_and_exact_costs(tmp_path: Path) -> None:
    results = search_toy(trained_run(tmp_path / "run"), 5)
    assert results.objectives == default_objectives(SPACE.tasks)
    assert results.objectives == ("error/quadrant", "error/product", "error/total", "params", "macs")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("objectives", ("error/totl",), "objectives: there is no cost 'error/totl', did you mean 'error/total'?"),
        ("objectives", ("params", "params"), "objectives: 'params' is named twice"),
        ("budgets", {"parms": 500}, "budgets: there is no cost 'parms', did you mean 'params'?"),
        ("budgets", {"latency": 5}, "budgets: there is no cost 'latency', did you mean 'latency_ms'?"),
        ("budgets", {"params": 185}, "the budget params <= 185: the smallest reachable params is 186"),
        ("reference", {"mac": 5}, "reference: there is no cost 'mac', did you mean 'macs'?"),
    ],
)
def test_a_search_that_cannot_be_done_is_refused(field: str, value: Any, sentence: str, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    settings = replace(toy_space.searching, **{field: value})
    with pytest.raises(SearchError) as caught:
        search(toy_space.space, toy_space.data(None), run, settings, supernet=supernet(), show_progress=False)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert not run.study.exists() and "search" not in run.manifest.read()


def test_the_smallest_budget_can_be_met(tmp_path: Path) -> None:
    results = search_toy(trained_run(tmp_path / "run"), 50, {"params": 186})
    assert len(results.rows) == 4 and [row.costs["params"] for row in results.front()] == [186]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("evaluations", 0),
        ("startup", 1),
        ("threads", -1),
        ("tries", 0),
        ("budgets", {"params": 0}),
        ("budgets", {"params": -5.0}),
        ("budgets", {"params": float("nan")}),
        ("budgets", {"params": float("inf")}),
        ("reference", {"macs": float("nan")}),
    ],
)
def test_settings_that_make_no_sense_are_refused(field: str, value: Any) -> None:
    with pytest.raises(SearchError, match=next(iter(value)) if isinstance(value, dict) else field):
        SearchSettings(**{field: value})


def test_budgets_that_only_exclude_each_other_are_refused_together() -> None:
    """The option with few parameters computes much, the one with many computes little."""
    space = plain_space((True, True), (2, 1), tasks=2)
    table = CostTable.plain((0, 0), (((1, 100), (100, 1)), ((0, 0),)), ((5, 5), (5, 5)))
    for budgets in ({"params": 11}, {"macs": 11}, {"params": 110, "macs": 11}):
        check_settings(SearchSettings(budgets=budgets), space, table)
    with pytest.raises(SearchError, match=r"together.*smallest reachable: params 11, macs 11"):
        check_settings(SearchSettings(budgets={"params": 109, "macs": 109}), space, table)


@given(plain_spaces(most_tasks=2, most_blocks=3), st.integers(0, 99), st.integers(1, 25), st.integers(1, 25))
def test_budgets_are_refused_only_if_nothing_meets_them(
    space: ArchitectureSpace, seed: int, params: int, macs: int
) -> None:
    table = plain_table(space, seed)
    settings = SearchSettings(budgets={"params": params, "macs": macs, "error/a": 1e-9})
    costs = [table.of(space, architecture) for architecture in space.architectures()]
    if any(cost["params"] <= params and cost["macs"] <= macs for cost in costs):
        check_settings(settings, space, table)
    else:
        with pytest.raises(SearchError, match="no candidate meets"):
            check_settings(settings, space, table)


def test_a_run_that_is_not_trained_is_not_searched(tmp_path: Path) -> None:
    data, run = toy_space.data(None), Run(tmp_path / "run")
    with pytest.raises(RunError):
        search(toy_space.space, data, run, toy_space.searching, show_progress=False)
    with pytest.raises(RunError, match="no results yet"):
        read_results(trained_run(tmp_path / "trained"))


def test_another_space_is_refused_by_field(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    tasks = [*toy_space.space.tasks[:2], regression("total")]
    other = replace(toy_space.space, tasks=tasks)
    with pytest.raises(RunError, match=r"space\.errors\.total"):
        search(other, toy_space.data(None), run, toy_space.searching, show_progress=False)
