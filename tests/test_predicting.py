"""Predictors, the evolutionary search on them, and the choice of a batch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.stats import kendalltau
from sklearn.linear_model import BayesianRidge, Ridge

from mtnas.predicting import (
    ChoiceProcess,
    DisturbedModel,
    GroupedRidge,
    IndependentGenes,
    Model,
    PlanSettings,
    ProcessModel,
    RegressorModel,
    Rows,
    Tuned,
)
from mtnas.predicting.draws import coins, seldom
from mtnas.predicting.evolution import crowding, distinct, evolve, ranks, survivors
from mtnas.predicting.gaussian_process import _NegativeLogPosterior
from mtnas.predicting.genetics import Exact, fingerprints
from mtnas.predicting.improvement import Improvement
from mtnas.predicting.model import most_likely
from mtnas.predicting.plan import Plan, plan
from mtnas.predicting.polish import polished
from mtnas.predicting.predictors import Predictors
from mtnas.predicting.quality import conformal_width, quality, rank_agreement
from mtnas.predicting.warp import Warp
from mtnas.results.front import hypervolume

NOTHING = np.zeros(0, dtype=np.uint64)


def genes_of(count: int = 10, levels: int = 3) -> IndependentGenes:
    return IndependentGenes([levels] * count, [False] * count)


def problem(genes: np.ndarray) -> np.ndarray:
    """Two costs that conflict, the first with interactions."""
    weights = np.linspace(0.5, 1.5, genes.shape[1])
    joint = (genes[:, 1:] == genes[:, :-1]) @ np.linspace(1, 2, genes.shape[1] - 1)
    return np.stack([(genes * weights).sum(1) + joint, 30 - (genes * weights[::-1]).sum(1)], axis=1)


def rows_of(count: int, seed: int = 0) -> tuple[IndependentGenes, Rows]:
    genetics = genes_of()
    genes = genetics.draw(count, np.random.default_rng(seed))
    return genetics, Rows(genes, problem(genes), {})


# Gaussian process ---------------------------------------------------------------------------------------------------


def test_gradient_of_the_posterior_is_that_of_differences() -> None:
    genetics, rows = rows_of(30)
    X = genetics.features(rows.genes, 0)
    objective = _NegativeLogPosterior(X, (rows.costs[:, 0] - 10) / 3, genetics.groups(0), 1.0)
    theta = objective.prior_mean + np.random.default_rng(1).normal(0, 0.4, len(objective.prior_mean))
    off = check_grad(lambda t: objective(t)[0], lambda t: objective(t)[1], theta)
    assert off < 1e-4 * np.linalg.norm(objective(theta)[1])


def test_leave_one_out_is_what_a_process_without_the_row_predicts() -> None:
    genetics, rows = rows_of(25)
    X, y = genetics.features(rows.genes, 0), rows.costs[:, 0]
    y = (y - y.mean()) / y.std()
    process = ChoiceProcess(genetics.groups(0)).fit(X, y)
    mean, spread = process.leave_one_out()
    for left_out in range(0, 25, 6):
        keep = np.arange(25) != left_out
        other = ChoiceProcess(genetics.groups(0), 1.0)
        other.theta_ = process.theta_
        other.condition(X[keep], y[keep])
        # The leave-one-out process keeps the mean and spread of all rows, so it is put on the same footing.
        kernel = other._kernel(X[keep], X[keep]) + np.exp(process.theta_[-1]) * np.eye(24)
        cross = other._kernel(X[keep], X[[left_out]])[:, 0]
        solved = np.linalg.solve(kernel, cross)
        assert mean[left_out] == pytest.approx(float(solved @ y[keep]), abs=1e-6)
        own = float(other._kernel(X[[left_out]], X[[left_out]])[0, 0]) + np.exp(process.theta_[-1])
        assert spread[left_out] == pytest.approx(float(np.sqrt(own - solved @ cross)), rel=1e-6)


def test_samples_have_the_mean_and_spread_of_the_prediction() -> None:
    genetics, rows = rows_of(40)
    X = genetics.features(rows.genes, 0)
    process = ChoiceProcess(genetics.groups(0)).fit(X, rows.costs[:, 0])
    new = genetics.features(genetics.draw(5, np.random.default_rng(9)), 0)
    mean, spread = process.predict(new, return_std=True)
    drawn = process.samples(new, 20_000, np.random.default_rng(0))
    assert np.allclose(drawn.mean(0), mean, atol=4 * spread.max() / np.sqrt(20_000))
    noise = process.spread_**2 * np.exp(process.theta_[-1])
    assert np.allclose(drawn.std(0), np.sqrt(spread**2 - noise), rtol=0.05, atol=1e-3 * process.spread_)


def test_additive_costs_are_learned_from_few_rows() -> None:
    genetics = genes_of(12)
    rng = np.random.default_rng(3)
    effects = rng.normal(size=(12, 3))
    genes = genetics.draw(300, rng)
    y = effects[np.arange(12), genes].sum(1)
    X = genetics.features(genes, 0)
    process = ChoiceProcess(genetics.groups(0)).fit(X[:60], y[:60])
    assert np.abs(process.predict(X[60:]) - y[60:]).mean() < 0.1 * y.std()


def test_single_precision_predictions_agree_with_the_exact_ones() -> None:
    genetics, rows = rows_of(60)
    X = genetics.features(rows.genes, 0)
    process = ChoiceProcess(genetics.groups(0)).fit(X, rows.costs[:, 0])
    new = genetics.features(genetics.draw(50, np.random.default_rng(4)), 0)
    exact = process.mean_ + process.spread_ * process._kernel(new, X) @ process.alpha_
    assert np.allclose(process.predict(new), exact, atol=1e-3 * process.spread_)


# Warp, quality ------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100), min_size=3, max_size=30))
def test_warp_is_undone_and_keeps_the_order(values: list[float]) -> None:
    array = np.array(values)
    warp = Warp(array)
    warped = warp(array)
    assert np.allclose(warp.inverse(warped), array, rtol=1e-4, atol=1e-4 * (1 + np.ptp(array)))
    assert (np.diff(warped[np.argsort(array, kind="stable")]) >= -1e-9).all()
    assert np.isfinite(warp.inverse(np.array([-1e9, 1e9]))).all()


def test_intervals_cover_new_rows_about_as_often_as_they_say() -> None:
    genetics, rows = rows_of(400)
    noisy = rows.costs[:, 0] + np.random.default_rng(2).normal(0, 1.5, 400)
    X, groups = genetics.features(rows.genes, 0), genetics.groups(0)
    for model in (ProcessModel(warped=False), RegressorModel(Ridge())):
        fitted = model.tuned(X[:100], noisy[:100], groups)(X[:100], noisy[:100])
        figures = quality(model.name, fitted.held_out(), noisy[:100])
        low, high = fitted.interval(X[100:], figures.width)
        assert 0.82 <= np.mean((low <= noisy[100:]) & (noisy[100:] <= high)) <= 0.97
        assert 0.8 <= figures.coverage <= 1


def test_conformal_width_is_the_corrected_quantile() -> None:
    assert conformal_width(np.arange(1.0, 100.0)) == 90.0  # ceil(100 * 0.9) = the 90th of 99
    assert conformal_width(np.array([0.1, 0.2])) == pytest.approx(1.645, abs=1e-3)  # too few rows: normal


def test_noise_is_not_trusted_and_the_plan_says_so() -> None:
    genetics = genes_of()
    rng = np.random.default_rng(0)
    genes = genetics.draw(40, rng)
    rows = Rows(genes, rng.normal(size=(40, 2)), {})
    chosen = PlanSettings(least_tau=0.5)
    made = plan(
        rows,
        genetics,
        Tuned.on(rows, genetics, chosen.models),
        chosen,
        known=fingerprints(genes),
        pending=genes[:0],
        count=5,
        seed=0,
    )
    assert "no predictor comes near a tau of 0.5" in made.note
    assert len(made.genes) == 5 and not any(made.trusted.values())


def test_the_better_model_is_chosen_by_held_out_rows() -> None:
    genetics, rows = rows_of(80)

    class Useless(Ridge):
        def predict(self, X: np.ndarray) -> np.ndarray:
            return np.zeros(len(X))

    tuned = Tuned.on(rows, genetics, [RegressorModel(Useless()), RegressorModel(Ridge())])
    assert [chosen.name for chosen in tuned.models.values()] == ["Ridge", "Ridge"]


def test_variants_compete_where_their_model_has_won() -> None:
    genetics, rows = rows_of(80)
    rough, useless = RegressorModel(Ridge(alpha=1e3)), RegressorModel(Ridge(alpha=1e9))
    rough.name, useless.name = "rough", "useless"
    rough.variants = [RegressorModel(Ridge(alpha=1e-3))]

    def chosen(*models: RegressorModel) -> list[str]:
        return [found.name for found in Tuned.on(rows, genetics, models).models.values()]

    assert chosen(useless, rough) == chosen(rough) == ["Ridge", "Ridge"]
    useless.variants, rough.variants = rough.variants, ()
    assert chosen(useless, rough) == ["rough", "rough"]


# Evolution ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=25))
def test_ranks_are_those_of_peeling_fronts_off(points: list[tuple[int, int, int]]) -> None:
    costs = np.array([point[:2] for point in points], dtype=float)
    violation = np.array([max(0, point[2] - 1) for point in points], dtype=float)

    def beats(a: int, b: int) -> bool:
        if violation[a] != violation[b]:
            return bool(violation[a] < violation[b])
        return violation[a] == 0 and bool((costs[a] <= costs[b]).all() and (costs[a] < costs[b]).any())

    found, left, rank = ranks(costs, violation), set(range(len(points))), 0
    while left:
        front = {b for b in left if not any(beats(a, b) for a in left)}
        assert {int(found[i]) for i in front} == {rank}
        left, rank = left - front, rank + 1


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 4), min_size=n + 1, max_size=n + 1), min_size=1)
    ),
    st.integers(1, 25),
)
def test_fronts_behind_those_that_are_enough_are_not_told_apart(rows: list[list[int]], enough: int) -> None:
    costs = np.array(rows, dtype=float)[:, 1:]
    violation = np.array([max(0, row[0] - 2) for row in rows], dtype=float)
    every, few = ranks(costs, violation), ranks(costs, violation, enough)
    near = every <= np.sort(every)[min(enough, len(every)) - 1]
    feasible = violation == 0
    assert (few[near & feasible] == every[near & feasible]).all()
    assert few[~near].min(initial=99) > few[near].max()
    assert few[~feasible].min(initial=99) > few[feasible].max(initial=-1)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=60))
def test_rank_agreement_is_kendalls(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs, dtype=float).T
    expected = kendalltau(one, other).statistic
    found = rank_agreement(one, other)
    assert found == pytest.approx(expected) if np.isfinite(expected) else found == 0


def test_crowding_is_infinite_at_the_ends_of_a_front() -> None:
    costs = np.array([[0.0, 4], [1, 2], [2, 1], [4, 0], [5, 5]])
    distance = crowding(costs, np.array([0, 0, 0, 0, 1]))
    assert np.isinf(distance[[0, 3, 4]]).all()
    assert distance[1] == pytest.approx(2 / 5 + 3 / 5)


def test_survivors_are_the_first_fronts() -> None:
    costs = problem(genes_of().draw(60, np.random.default_rng(0)))
    kept = survivors(costs, np.zeros(60), 20)
    found = ranks(costs, np.zeros(60))
    assert found[kept].max() <= np.sort(found)[19]


def test_evolution_finds_the_front_of_a_small_space_and_visits_nothing_twice() -> None:
    genetics = genes_of(7)
    every = np.array(np.meshgrid(*[range(3)] * 7)).reshape(7, -1).T

    def judge(genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return problem(genes), np.zeros(len(genes))

    seen = evolve(
        genetics,
        genetics.draw(40, np.random.default_rng(0)),
        judge,
        np.random.default_rng(1),
        population=60,
        children=100,
        evaluations=1500,
    )
    assert len(np.unique(seen.genes, axis=0)) == len(seen.genes) <= 1600
    reference = problem(every).max(0) * 1.1
    assert hypervolume(seen.costs, reference) > 0.995 * hypervolume(problem(every), reference)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.booleans())
def test_a_child_of_twins_differs_from_them_and_stays_in_range(seed: int, ordered: bool) -> None:
    genetics = IndependentGenes([1, 2, 5, 40], [ordered] * 4)
    rng = np.random.default_rng(seed)
    parents = genetics.draw(30, rng)
    children = genetics.vary(parents, parents, rng)
    assert (children != parents).any(1).all()
    assert ((children >= 0) & (children < genetics.levels)).all()


def test_ordered_genes_are_nearer_to_their_neighbours() -> None:
    genetics = IndependentGenes([40], [True])
    X = genetics.features(np.arange(40)[:, None], 0)
    squares = ((X - X[10]) ** 2).sum(1)
    assert (np.diff(squares[10:]) > 0).all() and (np.diff(squares[:11]) < 0).all()
    assert squares.max() <= 1 + 1e-9


def test_distinct_leaves_out_what_is_known_and_repeats() -> None:
    genetics = genes_of(3)
    genes = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 0], [2, 1, 0]])
    found, _ = distinct(genetics, genes, fingerprints(genes[:1]))
    assert found.tolist() == [[1, 0, 0], [2, 1, 0]]


def test_fingerprints_of_a_million_genomes_all_differ() -> None:
    every = np.array(np.meshgrid(*[range(4)] * 10)).reshape(10, -1).T
    assert len(np.unique(fingerprints(every))) == 4**10


# Batches ------------------------------------------------------------------------------------------------------------


def test_scalarised_hypervolume_is_the_exact_one_up_to_a_constant() -> None:
    rng = np.random.default_rng(0)
    reference = np.full(3, 1.1)
    ratios = []
    for _ in range(5):
        points = rng.random((8, 3))
        estimate = float(Improvement(reference, points, 8192, np.random.default_rng(1)).best.mean())
        ratios.append(estimate / (hypervolume(points, reference) * 1.1**3))
    assert np.std(ratios) < 0.02 * np.mean(ratios)


def test_a_batch_spreads_over_the_front_and_skips_what_is_not_allowed() -> None:
    measured = np.array([[0.5, 0.5]])
    candidates = np.array([[0.1, 0.9], [0.11, 0.9], [0.9, 0.1], [0.0, 0.0]])
    worlds = np.broadcast_to(candidates, (4, 4, 2))
    allowed = np.ones((4, 4), dtype=bool)
    allowed[:, 3] = False
    chooser = Improvement(np.full(2, 1.1), measured, 256, np.random.default_rng(0))
    assert set(chooser.pick(worlds, allowed, 2)) == {0, 2}
    # What is being measured counts as measured, and is not picked again.
    assert chooser.pick(worlds, allowed, 1, pending=1) == [2]


def planned(rows: Rows, genetics: IndependentGenes, tuned: Tuned, chosen: PlanSettings, **more: Any) -> Plan:
    """A plan while nothing is being measured."""
    return plan(rows, genetics, tuned, chosen, known=fingerprints(rows.genes), pending=rows.genes[:0], **more)


@pytest.mark.parametrize(
    "chosen",
    [
        PlanSettings(),
        PlanSettings(hopeful_rows=(40, 40)),
        PlanSettings(polish=2),
        PlanSettings([RegressorModel(Ridge())], polish=2),
        PlanSettings([RegressorModel(Ridge())], hopeful_rows=(40, 40)),
    ],
)
def test_plans_hold_no_known_genome_and_depend_on_the_seed_only(chosen: PlanSettings) -> None:
    genetics, rows = rows_of(40)
    tuned = Tuned.on(rows, genetics, chosen.models)

    def made(seed: int) -> np.ndarray:
        return planned(rows, genetics, tuned, chosen, count=12, seed=seed).genes

    first = made(0)
    assert (first == made(0)).all()
    assert not np.isin(fingerprints(first), fingerprints(rows.genes)).any()
    assert len(np.unique(first, axis=0)) == len(first) == 12


def test_polishing_finds_candidates_that_promise_more() -> None:
    genetics, rows = rows_of(30)
    tuned = Tuned.on(rows, genetics, PlanSettings().models)
    predictors = Predictors(rows, genetics, tuned, least_tau=-1, errors=0, most_rows=600)
    unit = rows.costs.min(0), np.ptp(rows.costs, axis=0)
    measured = (rows.costs - unit[0]) / unit[1]
    improvement = Improvement(np.full(2, 1.1), measured, 64, np.random.default_rng(0))
    start = genetics.draw(60, np.random.default_rng(1))
    found = polished(
        genetics,
        predictors,
        improvement,
        unit,
        start,
        np.random.default_rng(2),
        known=fingerprints(rows.genes),
        count=2,
        rounds=6,
        children=50,
    )
    assert not np.isin(fingerprints(found), fingerprints(rows.genes)).any()

    def best(genes: np.ndarray) -> float:
        costs, _ = predictors.worlds(genes, 64, np.random.default_rng(3))
        reached = improvement.reach((costs - unit[0]) / unit[1], np.ones(costs.shape[:2], dtype=bool))
        return float(improvement.gains(reached, np.tile(improvement.best, (64, 1))).max())

    assert best(found) > 1.2 * best(start)


def test_quantiles_are_those_of_the_draws() -> None:
    """Of a cost that is predicted, of one that is not trusted, and of a constraint."""
    genetics, rows = rows_of(60)
    noise = np.random.default_rng(5).random(60)
    rows = Rows(rows.genes, np.stack([rows.costs[:, 0], noise], axis=1), {"limit": rows.costs[:, 1] - 20})
    tuned = Tuned.on(rows, genetics, PlanSettings().models)
    predictors = Predictors(rows, genetics, tuned, least_tau=0.5, errors=0, most_rows=600)
    assert predictors.trusted == {0: True, 1: False, "limit": True}
    genes = genetics.draw(20, np.random.default_rng(6))
    costs, values = predictors.worlds(genes, 4000, np.random.default_rng(7))
    deviations = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    at_costs, at_values = predictors.quantiles(genes, deviations)
    for drawn, at in (
        (costs[..., 0], at_costs[..., 0]),
        (costs[..., 1], at_costs[..., 1]),
        (values[..., 0], at_values[..., 0]),
    ):
        assert at.shape == (2, 20)
        for share, quantile in zip((0.5, 0.8413), at, strict=True):
            assert np.abs(np.quantile(drawn, share, axis=0) - quantile).max() < 0.25 * drawn.std()


def test_hopeful_costs_are_lower_and_break_constraints_less() -> None:
    genetics, rows = rows_of(60)
    limit = rows.costs[:, 1] - np.median(rows.costs[:, 1])
    rows = Rows(rows.genes, rows.costs, {"limit": limit})
    tuned = Tuned.on(rows, genetics, PlanSettings().models)
    predictors = Predictors(rows, genetics, tuned, least_tau=-1, errors=0, most_rows=600)
    genes = genetics.draw(200, np.random.default_rng(6))
    costs, violation = predictors.hopeful(genes, 1.0)
    likely, broken = predictors.hopeful(genes, 0.0)
    assert (costs < likely).all() and (violation <= broken).all() and (violation < broken).any()
    assert np.allclose(likely, predictors.likely(genes)[0], atol=1e-3 * likely.std())
    _, values = predictors.quantiles(genes, np.full((1, 3), -1.0))
    assert np.allclose(violation, np.maximum(values[0, :, 0], 0) / limit.std())


@pytest.mark.parametrize(("count", "searches"), [(59, 1), (60, 2), (80, 2), (81, 1)])
def test_a_second_search_is_hopeful_while_rows_are_neither_few_nor_many(
    count: int, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    genetics, rows = rows_of(count)
    settings = PlanSettings(hopeful_rows=(60, 80))
    tuned = Tuned.on(rows, genetics, settings.models)
    made = []

    def spied(*arguments: Any, **more: Any) -> Any:
        made.append(evolve(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(sys.modules[plan.__module__], "evolve", spied)
    found = planned(rows, genetics, tuned, settings, count=5, seed=0)
    assert len(made) == searches
    # What the next plan goes on from is what probably is good.
    probable = set(map(tuple, made[0].genes.tolist()))
    assert set(map(tuple, found.shortlist.tolist())) <= probable


def test_exact_costs_are_not_predicted() -> None:
    class Known(IndependentGenes):
        def exact(self, genes: np.ndarray) -> Exact:
            return Exact({1: problem(genes)[:, 1]}, {"limit": genes[:, 0] - 1.0})

    genetics = Known([3] * 10, [False] * 10)
    genes = genetics.draw(30, np.random.default_rng(0))
    genes = genes[genes[:, 0] <= 1]
    rows = Rows(genes, problem(genes), {"limit": genes[:, 0] - 1.0})
    for chosen in (PlanSettings(), PlanSettings(polish=1)):
        tuned = Tuned.on(rows, genetics, chosen.models)
        assert list(tuned.models) == [0]
        made = plan(rows, genetics, tuned, chosen, known=NOTHING, pending=genes[:0], count=30, seed=0)
        assert (made.genes[:, 0] <= 1).all()


def test_coins_and_seldom_ones_have_their_chances_and_do_not_depend_on_each_other() -> None:
    rng = np.random.default_rng(0)
    for made, chance in ((coins(rng, (4000, 9)), 0.5), (seldom(rng, (4000, 9), 1 / 9), 1 / 9)):
        assert made.shape == (4000, 9)
        assert made.dtype == bool
        error = np.sqrt(chance * (1 - chance) / 4000)
        assert np.abs(made.mean(0) - chance).max() < 4 * error
        assert np.abs(np.corrcoef(made.T)[np.triu_indices(9, 1)]).max() < 0.08
        assert abs(np.corrcoef(made.ravel()[1:], made.ravel()[:-1])[0, 1]) < 0.03
    assert seldom(rng, (3, 2), 1.0).all()
    assert seldom(rng, (0, 4), 0.5).shape == coins(rng, (0, 4)).shape == (0, 4)


def test_means_together_are_those_of_each_predictor() -> None:
    genetics, rows = rows_of(40)
    X, groups = genetics.features(rows.genes, 0), genetics.groups(0)
    models = (ProcessModel(True), RegressorModel(Ridge()), ProcessModel(False))
    fitted = [
        model.tuned(X, rows.costs[:, cost], groups)(X, rows.costs[:, cost])
        for model, cost in zip(models, (0, 1, 1), strict=True)
    ]
    new = genetics.features(genetics.draw(50, np.random.default_rng(1)), 0)
    for together, one in zip(most_likely(fitted, new), fitted, strict=True):
        np.testing.assert_allclose(together, one.mean(new))


def test_a_plan_that_goes_on_looks_at_new_candidates_if_few_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    genetics, rows = rows_of(60)
    settings = PlanSettings(evaluations=300, further=0.2, children=100, optimism=0)
    tuned = Tuned.on(rows, genetics, settings.models)
    before = genetics.draw(100, np.random.default_rng(5))
    looked_at = []

    def spied(*arguments: Any, **more: Any) -> Any:
        found = evolve(*arguments, **more)
        looked_at.append(len(found.genes))
        return found

    monkeypatch.setattr(sys.modules[plan.__module__], "evolve", spied)
    for start in (None, before):
        made = planned(rows, genetics, tuned, settings, count=5, seed=0, before=start)
        assert len(made.genes) == 5 and len(made.shortlist) == 100
    assert looked_at[0] >= 300
    assert 200 < looked_at[1] <= 300  # 200 to begin with, and one generation


def _measured_with_disturbances(share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, costs that are linear in them within a percent, and the same with a share of them raised by half."""
    rng = np.random.default_rng(1)
    X = rng.random((120, 6))
    true = 1 + X @ np.arange(1.0, 7)
    y = true * (1 + 0.01 * rng.standard_normal(len(X)))
    return X, true, np.where(rng.random(len(X)) < share, 1.5 * y, y)


def test_rows_that_were_disturbed_are_left_out() -> None:
    X, true, y = _measured_with_disturbances(0.15)
    groups = np.arange(X.shape[1])

    def off(model: Model) -> float:
        fitted = model.tuned(X[:80], y[:80], groups)(X[:80], y[:80])
        return float(np.mean(np.abs(fitted.mean(X[80:]) / true[80:] - 1)))

    plain = RegressorModel(BayesianRidge())
    assert off(DisturbedModel(plain)) < 0.01 < off(plain) / 2


def test_disturbed_rows_count_in_the_quality() -> None:
    X, true, y = _measured_with_disturbances(0.15)
    fitted = DisturbedModel(RegressorModel(BayesianRidge())).tuned(X, y, np.arange(X.shape[1]))(X, y)
    mean, low, high = fitted.held_out()
    assert len(mean) == len(low) == len(high) == len(y) and (low < high).all()
    assert np.allclose(mean, true, rtol=0.05)  # rows that were left out are predicted as if they had not been disturbed
    assert quality("", (mean, low, high), y).mape > 0.05  # and that is told


def test_nothing_is_left_out_where_nothing_was_disturbed_or_too_little_is_known() -> None:
    plain = RegressorModel(BayesianRidge())
    for share, rows in ((0.0, 120), (0.15, 19)):
        X, _, y = (part[:rows] for part in _measured_with_disturbances(share))
        groups = np.arange(X.shape[1])
        found = DisturbedModel(plain).tuned(X, y, groups)(X, y)
        assert np.array_equal(found.mean(X), plain.tuned(X, y, groups)(X, y).mean(X))
    X, _, y = _measured_with_disturbances(0.15)
    y -= y.min()
    groups = np.arange(X.shape[1])
    found = DisturbedModel(plain).tuned(X, y, groups)(X, y)
    assert np.array_equal(found.mean(X), plain.tuned(X, y, groups)(X, y).mean(X))


# Costs that add up --------------------------------------------------------------------------------------------------


def _adding_up(rows: int, columns: int = 60, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of three kinds of things, of which the first two cost something, and what they cost together."""
    rng = np.random.default_rng(2)
    X = rng.integers(0, 3, (rows, columns)).astype(float)
    groups = np.repeat([0, 1, 2], columns // 3)
    slopes = np.array([1.0, 0.05, 0.0])[groups] * rng.random(columns)
    return X, (3 + X @ slopes) * (1 + noise * rng.standard_normal(rows)), groups


def test_a_cost_that_adds_up_is_known_from_fewer_rows_than_columns() -> None:
    X, y, groups = _adding_up(150, noise=0.005)
    fitted = GroupedRidge().tuned(X[:40], y[:40], groups)(X[:40], y[:40])
    alike = GroupedRidge().tuned(X[:40], y[:40], np.zeros_like(groups))(X[:40], y[:40])
    off, off_alike = (np.mean(np.abs(one.mean(X[40:]) / y[40:] - 1)) for one in (fitted, alike))
    assert off < 0.02 and off < 0.7 * off_alike


@pytest.mark.parametrize("rows", [40, 100])
def test_leaving_rows_out_by_leverage_is_leaving_them_out(rows: int) -> None:
    X, y, groups = _adding_up(rows, noise=0.02)
    fit = GroupedRidge().tuned(X, y, groups)
    mean, low, high = fit(X, y).held_out()
    assert (low < mean).all() and (mean < high).all()
    for row in range(5):
        rest = np.arange(rows) != row
        # Weights and units of the rows are those of all: only nearly the same.
        without = fit(X[rest], y[rest])
        assert mean[row] == pytest.approx(without.mean(X[[row]])[0], rel=2e-3)
        assert high[row] - low[row] == pytest.approx(
            float(np.diff(without.interval(X[[row]], 1.0), axis=0)[0, 0]), rel=0.1
        )


@pytest.mark.parametrize("rows", [40, 100])
def test_its_intervals_hold_and_its_lines_spread_as_far(rows: int) -> None:
    X, y, groups = _adding_up(rows + 200, noise=0.02)
    fitted = GroupedRidge().tuned(X[:rows], y[:rows], groups)(X[:rows], y[:rows])
    new, rng = X[rows:], np.random.default_rng(0)
    low, high = fitted.interval(new, 1.645)
    assert 0.7 <= np.mean((low <= y[rows:]) & (y[rows:] <= high)) <= 0.97
    drawn = fitted.samples(new, 4000, rng)
    assert drawn.shape == (4000, 200)
    straight = GroupedRidge(powers=(1.0,)).tuned(X[:rows], y[:rows], groups)(X[:rows], y[:rows])
    assert np.allclose(straight.samples(new, 4000, rng).mean(0), straight.mean(new))
    # Powers bend the lines, which lie opposite each other before: only those in the middle stay there.
    assert np.allclose(np.median(drawn, axis=0), fitted.mean(new), rtol=1e-3)
    # A measurement is off by the noise on top of the line.
    assert (drawn.std(0) < (high - low) / 2 / 1.645).all()
    assert fitted.samples(new, 3, rng).shape == (3, 200)


@pytest.mark.parametrize("power", [0.85, 1.3])
def test_parts_may_cost_more_or_less_together_than_each_alone(power: float) -> None:
    X, y, groups = _adding_up(400, noise=0.002)
    y = y**power
    off = {}
    for powers in ((1.0,), GroupedRidge().powers):
        fitted = GroupedRidge(powers=powers).tuned(X[:200], y[:200], groups)(X[:200], y[:200])
        off[powers] = np.mean(np.abs(fitted.mean(X[200:]) / y[200:] - 1))
        low, high = fitted.interval(X[200:], 1.645)
        assert np.mean((low <= y[200:]) & (y[200:] <= high)) >= 0.85
    straight, bent = off.values()
    assert bent < 0.8 * straight


def test_a_cost_that_adds_up_is_not_bent() -> None:
    X, y, groups = _adding_up(300, noise=0.005)
    straight, bent = (
        GroupedRidge(powers=powers).tuned(X[:60], y[:60], groups)(X[:60], y[:60]).mean(X[60:])
        for powers in ((1.0,), GroupedRidge().powers)
    )
    assert np.mean(np.abs(bent / y[60:] - 1)) < 1.1 * np.mean(np.abs(straight / y[60:] - 1))


def test_more_columns_than_rows_do_not_seem_to_be_without_noise() -> None:
    X, y, groups = _adding_up(30, columns=120, noise=0.02)
    fitted = GroupedRidge().tuned(X, y, groups)(X, y)
    low, high = fitted.interval(X, 1.0)
    assert np.median((high - low) / 2 / y) > 0.01


@pytest.mark.parametrize("made", [np.zeros(12), np.full(12, 3.0), np.linspace(-1, 1, 12), np.linspace(0, 1, 12)])
def test_any_costs_are_predicted_by_finite_numbers(made: np.ndarray) -> None:
    X = np.random.default_rng(0).random((12, 5))
    fitted = GroupedRidge().tuned(X, made, np.arange(5) // 2)(X, made)
    for found in (
        fitted.mean(X),
        *fitted.interval(X, 1.0),
        *fitted.held_out(),
        fitted.samples(X, 2, np.random.default_rng(0)),
    ):
        assert np.isfinite(found).all()
    assert np.allclose(fitted.mean(X), made, atol=0.75 * (np.ptp(made) or 1e-3))


def test_variances_are_settled_on_some_of_many_rows_and_slopes_on_all() -> None:
    X, y, groups = _adding_up(900, noise=0.01)
    few = GroupedRidge(rows=100).tuned(X, y, groups)(X, y)
    all_of_them = GroupedRidge(rows=900).tuned(X, y, groups)(X, y)
    assert np.allclose(few.mean(X), all_of_them.mean(X), rtol=2e-3)


def test_what_was_settled_holds_for_later_rows_of_another_range() -> None:
    """In the costs' own unit, whatever the mean and spread of the rows are."""
    X, y, groups = _adding_up(300, noise=0.01)
    alike = np.argsort(np.abs(y - np.median(y)))[:60]
    few = GroupedRidge(noise_rows=0.1).tuned(X, y, groups)(X[alike], y[alike])
    wide = np.ptp(few.interval(X, 1.0), axis=0) / 2
    assert 0.01 < np.median(wide / few.mean(X)) < 0.03  # the noise, and what few rows leave open
