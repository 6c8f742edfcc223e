"""A search that begins from the rows of another run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from scipy.stats import kendalltau
from toy_runs import call, refused, search_toy, searched_run, trained_run

from mtnas.architecture import BlockChoices, Candidate
from mtnas.errors import RunError, SearchError
from mtnas.predicting import Advised, IndependentGenes, PlanSettings, Predictors, Rows, Tuned
from mtnas.results import Results
from mtnas.runs import Run, read_results
from mtnas.searching import PredictorSampler


@pytest.fixture
def other(tmp_path: Path) -> Results:
    """A longer search of the same space."""
    return search_toy(searched_run(tmp_path / "other"), 30)


def candidates(results: Results) -> list[Candidate]:
    return [row.candidate for row in results.rows]


def test_the_best_earlier_candidates_are_measured_after_the_corners(tmp_path: Path, other: Results) -> None:
    cold = search_toy(trained_run(tmp_path / "cold"), 12)
    warm = search_toy(trained_run(tmp_path / "warm"), 12, warm_start=other)
    corners = len(cold.corner_rows())
    front = {row.candidate for row in other.front()}
    begun = candidates(warm)[:4]
    assert candidates(cold)[:corners] == candidates(warm)[:corners]
    assert all(candidate in front for candidate in begun[corners:])
    assert candidates(warm) != candidates(cold)


def test_earlier_rows_are_never_rows_of_the_run(tmp_path: Path, other: Results) -> None:
    run = trained_run(tmp_path / "warm")
    assert len(search_toy(run, 12, warm_start=other).rows) == len(read_results(run).rows) == 12


def test_a_warm_search_goes_on_the_same_without_the_other_run(tmp_path: Path, other: Results) -> None:
    whole = search_toy(trained_run(tmp_path / "whole"), 16, warm_start=other)
    run = trained_run(tmp_path / "parts")
    search_toy(run, 7, warm_start=other)
    assert candidates(search_toy(run, 16)) == candidates(whole)


def test_a_warm_search_goes_on_the_same_when_the_other_run_has_grown(tmp_path: Path, other: Results) -> None:
    whole = search_toy(trained_run(tmp_path / "whole"), 16, warm_start=replace(other, rows=other.rows[:20]))
    run = trained_run(tmp_path / "parts")
    search_toy(run, 7, warm_start=replace(other, rows=other.rows[:20]))
    assert candidates(search_toy(run, 16, warm_start=other)) == candidates(whole)
    assert run.manifest.section("earlier")["rows"] == 20


def test_other_rows_or_late_ones_are_refused(tmp_path: Path, other: Results) -> None:
    run = trained_run(tmp_path / "warm")
    search_toy(run, 6, warm_start=other)
    with pytest.raises(RunError, match="began from 30 earlier rows, which are not the first of those given; leave"):
        search_toy(run, 8, warm_start=replace(other, rows=other.rows[:20]))
    late = searched_run(tmp_path / "late")
    with pytest.raises(RunError, match="was searched without rows to begin from"):
        search_toy(late, 14, warm_start=other)


def test_rows_of_another_space_are_refused_by_a_sentence(tmp_path: Path, other: Results) -> None:
    strange = tuple(BlockChoices(f"{block.name}2", block.options, block.branching) for block in other.space.blocks)
    elsewhere = replace(other, space=replace(other.space, blocks=strange))
    with pytest.raises(SearchError, match="none of the 30 rows to begin from is in this space"):
        search_toy(trained_run(tmp_path / "warm"), 6, warm_start=elsewhere)


def test_a_refused_search_does_not_bind_the_run(tmp_path: Path, other: Results) -> None:
    run = trained_run(tmp_path / "run")
    objectives = ("error/mean", "params")
    strange = replace(other, space=replace(other.space, tasks=("x", "y", "z")))
    with pytest.raises(SearchError, match="is in this space"):
        search_toy(run, 6, objectives=objectives, warm_start=strange)
    assert "search" not in run.manifest.read()
    run.manifest.write("search", {"objectives": ["params"]})  # as a search that was killed before its first row left it
    assert search_toy(run, 6, objectives=objectives, warm_start=other).objectives == objectives


def test_rows_that_are_no_members_are_left_out(tmp_path: Path, other: Results) -> None:
    """A space with more options than this one: what uses them cannot be begun from."""
    bigger = tuple(BlockChoices(block.name, (*block.options, "new"), block.branching) for block in other.space.blocks)
    run = trained_run(tmp_path / "warm")
    search_toy(run, 6, warm_start=replace(other, space=replace(other.space, blocks=bigger)))
    assert run.manifest.section("earlier")["rows"] == 30


def test_a_lost_copy_is_named(tmp_path: Path, other: Results) -> None:
    run = trained_run(tmp_path / "warm")
    search_toy(run, 6, warm_start=other)
    (run.path / "earlier.json").unlink()
    with pytest.raises(RunError, match=r"has lost earlier\.json"):
        search_toy(run, 8)


def test_the_command_takes_a_run(tmp_path: Path) -> None:
    search_toy(searched_run(tmp_path / "other"), 20)
    warm = trained_run(tmp_path / "warm").path
    outcome = call("search", warm, "-n", "6", "--warm-start", tmp_path / "other")
    assert outcome.code == 0, outcome
    assert Run(warm).manifest.section("earlier")["rows"] == 20
    refused(call("search", warm, "--warm-start", tmp_path / "nowhere"), "nowhere")


# Advice -------------------------------------------------------------------------------------------------------------


def costs_of(genes: np.ndarray) -> np.ndarray:
    weights = np.linspace(0.5, 1.5, genes.shape[1])
    joint = (genes[:, 1:] == genes[:, :-1]) @ np.linspace(1, 2, genes.shape[1] - 1)
    return np.stack([(genes * weights).sum(1) + joint, -(genes * weights[::-1]).sum(1)], axis=1)


def agreement(earlier_costs: np.ndarray, seed: int) -> tuple[float, float]:
    """Tau of predictions with ten rows: with advice, and without."""
    genetics = IndependentGenes([3] * 12, [False] * 12)
    rng = np.random.default_rng(seed)
    before, few, new = (genetics.draw(count, rng) for count in (100, 10, 300))
    rows, models = Rows(few, costs_of(few), {}), PlanSettings().models
    advised = Advised(genetics, Rows(before, earlier_costs(before), {}), models)
    found = []
    for known in (advised, genetics):
        predictors = Predictors(rows, known, Tuned.on(rows, known, models), -1.0, 0.0, 600)
        found.append(float(kendalltau(predictors.likely(new)[0][:, 0], costs_of(new)[:, 0]).statistic))
    return found[0], found[1]


@pytest.mark.long
def test_advice_on_another_scale_helps() -> None:
    pairs = [agreement(lambda genes: 3 * costs_of(genes) + 7, seed) for seed in range(4)]
    assert all(warm > cold + 0.1 for warm, cold in pairs)


def test_a_sampler_takes_trials_of_an_earlier_study() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {f"x{i}": CategoricalDistribution([0, 1, 2]) for i in range(12)}

    def reached(earlier: list[optuna.trial.FrozenTrial], seed: int, trials: int) -> tuple[float, optuna.Study]:
        study = optuna.create_study(directions=["minimize"] * 2, sampler=PredictorSampler(seed=seed, earlier=earlier))
        for _ in range(trials):
            trial = study.ask(space)
            genes = np.array([[trial.params[name] for name in space]])
            study.tell(trial, costs_of(genes)[0].tolist())
        points = np.array([trial.values for trial in study.trials])
        return float(np.mean([(points @ [share, 1 - share]).min() for share in np.linspace(0.1, 0.9, 9)])), study

    _, before = reached([], 9, 80)
    warm = [reached(before.trials, seed, 20)[0] for seed in range(3)]
    cold = [reached([], seed, 20)[0] for seed in range(3)]
    assert np.mean(warm) < np.mean(cold)
    optuna.logging.set_verbosity(optuna.logging.INFO)
