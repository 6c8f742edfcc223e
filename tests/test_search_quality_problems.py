"""Search problems of the benchmark: what they promise about costs, constraints, fronts and interactions."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from benchmarks.search_quality.chain import Chain, draw_chain, draw_mains, draw_prices, totals
from benchmarks.search_quality.constrained import constrained
from benchmarks.search_quality.curves import best_known, curves, grid
from benchmarks.search_quality.genes import Genes
from benchmarks.search_quality.inner_nsga2 import inner_search
from benchmarks.search_quality.landscapes import PAIRS, TRIPLES, dearest, exact_front, unit_range
from benchmarks.search_quality.linas import one_hot
from benchmarks.search_quality.macro import NAME as MACRO
from benchmarks.search_quality.macro import nas_bench_macro, read_table
from benchmarks.search_quality.optuna_rivals import OURS
from benchmarks.search_quality.pictures import STYLES
from benchmarks.search_quality.problem import Outcome, Problem
from benchmarks.search_quality.problems import PROBLEMS, problem_named
from benchmarks.search_quality.rivals import RIVALS
from benchmarks.search_quality.runs import Finished, Job, read, run
from benchmarks.search_quality.table import bars_of
from benchmarks.search_quality.two_fronts import regime_of, two_fronts
from mtnas.errors import DataError
from mtnas.results.front import hypervolume, non_dominated

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA_DIR = Path(os.environ["MTNAS_DATA"]) if os.environ.get("MTNAS_DATA") else BESIDE if BESIDE.is_dir() else None
DRAWS = 20_000


@pytest.fixture(params=PROBLEMS)
def problem(request: pytest.FixtureRequest) -> Problem:
    try:
        return problem_named(request.param, DATA_DIR)
    except DataError:
        pytest.skip("needs data files: name their directory in MTNAS_DATA")


def drawn(problem: Problem, count: int = DRAWS, seed: int = 1) -> np.ndarray:
    return problem.genes.draw(np.random.default_rng(seed), count)


def explained_by_additive(problem: Problem, genes: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance that the best additive model explains."""
    inputs = one_hot(problem.genes, genes)
    weights, *_ = np.linalg.lstsq(inputs, values, rcond=None)
    return float(1 - np.mean((inputs @ weights - values) ** 2) / values.var())


# every problem ---------------------------------------------------------------------------------------------------


def test_costs_lie_in_the_unit_box(problem: Problem) -> None:
    costs = problem.costs_of(drawn(problem))
    assert costs.shape == (DRAWS, problem.objectives)
    assert (costs >= -1e-9).all() and (costs <= 1 + 1e-9).all()
    assert (problem.reference == 1.1).all() and len(problem.reference) == problem.objectives


def test_no_draws_beat_the_exact_front(problem: Problem) -> None:
    if problem.exact is None:
        pytest.skip("its exact front is not known")
    reached = hypervolume(problem.costs_of(drawn(problem)), problem.reference)
    assert 0.5 * problem.exact < reached <= problem.exact + 1e-9


def test_evaluation_is_the_same_each_time_and_agrees_with_whole_populations(problem: Problem) -> None:
    genes = drawn(problem, 5)
    outcomes = [problem.evaluate(problem.genes.decode(row)) for row in genes]
    assert outcomes == [problem.evaluate(problem.genes.decode(row)) for row in genes]
    np.testing.assert_allclose([outcome.costs for outcome in outcomes], problem.costs_of(genes))
    assert [outcome.genes for outcome in outcomes] == [tuple(row) for row in genes.tolist()]


def test_a_problem_made_again_is_the_same(problem: Problem) -> None:
    assert PROBLEMS[problem.name](DATA_DIR).fingerprint == problem.fingerprint


def test_no_cost_alone_decides(problem: Problem) -> None:
    """The front has several members, and the least error is not the least price."""
    costs = problem.costs_of(drawn(problem))
    assert non_dominated(costs).sum() >= 5
    assert costs[:, 0].argmin() != costs[:, -1].argmin()


# genes -----------------------------------------------------------------------------------------------------------


def test_genes_decode_what_they_encode() -> None:
    genes = Genes({"a": CategoricalDistribution(("x", None, 3)), "b": IntDistribution(16, 64, step=24)})
    assert genes.sizes == (3, 3) and genes.values[1] == (16, 40, 64) and genes.ordered == (False, True)
    for indices in itertools.product(range(3), range(3)):
        assert tuple(genes.encode(genes.decode(indices))) == indices


def test_genes_refuse_other_distributions() -> None:
    with pytest.raises(TypeError, match="FloatDistribution"):
        Genes({"a": FloatDistribution(0, 1)})


# chains ----------------------------------------------------------------------------------------------------------


def everything(sizes: list[int]) -> np.ndarray:
    return np.array(list(itertools.product(*map(range, sizes))))


def small_chain(seed: int, sizes: list[int], pairs: float, triples: float) -> tuple[Chain, list[list[int]]]:
    rng = np.random.default_rng(seed)
    mains = draw_mains(rng, sizes)
    return draw_chain(rng, mains, pairs, triples), draw_prices(rng, mains)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("pairs", "triples"), [(0.0, 0.0), (PAIRS, TRIPLES)])
def test_exact_front_is_that_of_brute_force(seed: int, pairs: float, triples: float) -> None:
    sizes = [3, 2, 4, 3, 3, 2]
    chain, prices = small_chain(seed, sizes, pairs, triples)
    genes = everything(sizes)
    costs = np.stack([unit_range(chain)(genes), totals(prices, genes) / dearest(prices)], 1)
    expected = np.unique(costs[non_dominated(costs)].round(9), axis=0)
    np.testing.assert_allclose(np.unique(exact_front(chain, prices).round(9), axis=0), expected, atol=2e-9)


@pytest.mark.parametrize("seed", range(3))
def test_range_of_a_chain_is_exact(seed: int) -> None:
    sizes = [3, 3, 2, 4, 3]
    chain, _ = small_chain(seed, sizes, PAIRS, TRIPLES)
    values = chain.values(everything(sizes))
    np.testing.assert_allclose(chain.range(), (values.min(), values.max()))


def test_shares_of_variance_are_exact() -> None:
    """Over all choices: the variance is 1, and means over all but one gene leave the share of single genes."""
    sizes = [3, 2, 4, 3, 3]
    chain, _ = small_chain(0, sizes, PAIRS, TRIPLES)
    values = chain.values(everything(sizes)).reshape(sizes)
    others = [tuple(axis for axis in range(len(sizes)) if axis != gene) for gene in range(len(sizes))]
    assert values.var() == pytest.approx(1)
    assert sum(values.mean(axes).var() for axes in others) == pytest.approx(1 - PAIRS - TRIPLES)


def test_dearer_values_of_a_gene_are_better_where_they_conflict() -> None:
    rng = np.random.default_rng(0)
    mains = draw_mains(rng, [3] * 20)
    for main, price in zip(mains, draw_prices(rng, mains, conflict=1.0), strict=True):
        assert list(np.argsort(main)) == list(np.argsort(price)[::-1]) and min(price) == 0


# single problems -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "errors"), [("interactions 24", 1), ("interactions 60", 2)])
def test_interactions_carry_more_than_half_of_the_variance(name: str, errors: int) -> None:
    problem = problem_named(name)
    genes = drawn(problem)
    costs = problem.costs_of(genes)
    shares = [explained_by_additive(problem, genes, costs[:, index]) for index in range(problem.objectives)]
    assert shares[:errors] == pytest.approx([0.4] * errors, abs=0.02)  # 1 - PAIRS - TRIPLES
    assert shares[errors:] == pytest.approx([1.0])  # the price


def test_trivial_problem_is_additive_and_the_only_one() -> None:
    assert [name for name in PROBLEMS if name != MACRO and problem_named(name).trivial] == ["additive 24"]
    problem = problem_named("additive 24")
    genes = drawn(problem, 2_000)
    for column in problem.costs_of(genes).T:
        assert explained_by_additive(problem, genes, column) == pytest.approx(1)


def test_two_fronts_lie_apart_and_mislead_an_additive_model() -> None:
    problem = two_fronts()
    genes = drawn(problem)
    costs = problem.costs_of(genes)
    regime = regime_of(genes)
    assert regime.mean() == pytest.approx(0.5, abs=0.02)
    for column in costs.T:
        assert explained_by_additive(problem, genes, column) < 0.1
    front = non_dominated(costs)
    cheap, dear = (costs[front & (regime == which)] for which in (0, 1))
    assert len(cheap) >= 5 and len(dear) >= 5
    assert dear[:, 1].min() - cheap[:, 1].max() > 0.1  # nothing of the front in between
    kinds = {type(kind) for kind in problem.distributions.values()}
    assert kinds == {CategoricalDistribution, IntDistribution}


def test_one_draw_in_a_hundred_is_feasible() -> None:
    problem = constrained()
    assert problem.constraints_of is not None
    values = problem.constraints_of(drawn(problem))
    assert values.shape[1] >= 2
    assert 0.005 <= (values <= 0).all(1).mean() <= 0.02
    assert ((values <= 0).mean(0) < 0.5).all()  # each of them binds


def test_macro_table_is_complete() -> None:
    if DATA_DIR is None:
        pytest.skip("needs data files: name their directory in MTNAS_DATA")
    table = read_table(DATA_DIR)
    assert table.shape == (6561, 3) and np.isfinite(table).all() and (table > 0).all()
    problem = nas_bench_macro(DATA_DIR)
    costs = problem.costs_of(everything([3] * 8))
    assert (costs.min(0) == 0).all() and (costs.max(0) == 1).all()
    np.testing.assert_allclose(np.argsort(costs[:, 0]), np.argsort(table[:, 0]))  # row i is architecture i
    assert problem.exact == pytest.approx(hypervolume(costs, problem.reference))


# searches --------------------------------------------------------------------------------------------------------


def test_inner_search_finds_the_front_of_a_small_problem() -> None:
    sizes = [3, 3, 3, 3, 3]
    chain, prices = small_chain(0, sizes, 0.0, 0.0)
    error = unit_range(chain)
    genes = Genes({f"gene{index}": CategoricalDistribution((0, 1, 2)) for index in range(5)})

    def judge(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        costs = np.stack([error(indices), totals(prices, indices) / dearest(prices)], 1)
        return costs, np.zeros(len(indices))

    last = inner_search(genes, judge, np.random.default_rng(0), 50, 2_000)
    assert len(np.unique(last, axis=0)) == len(last) == 50
    best = hypervolume(exact_front(chain, prices), np.full(2, 1.1))
    assert hypervolume(judge(last)[0], np.full(2, 1.1)) == pytest.approx(best)


def test_inner_search_prefers_feasible_points() -> None:
    genes = Genes({f"gene{index}": CategoricalDistribution((0, 1, 2)) for index in range(8)})

    def judge(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([indices.sum(1), -indices.sum(1)], 1) / 16.0, np.maximum(12 - indices.sum(1), 0.0)

    last = inner_search(genes, judge, np.random.default_rng(0), 20, 2_000)
    assert (last.sum(1) >= 12).all()


@pytest.mark.parametrize("name", ["random", "NSGA-II 20 (Optuna)", "LINAS ridge"])
def test_a_search_depends_on_its_seed_only(name: str) -> None:
    problem, search = constrained(), RIVALS[name].search
    outcomes = search(problem, 60, 0)
    assert len(outcomes) == 60 and outcomes == search(problem, 60, 0) != search(problem, 60, 1)


@pytest.mark.parametrize("make", [two_fronts, constrained])
def test_pymoo_searches_without_repeats(make: Callable[[], Problem]) -> None:
    pytest.importorskip("pymoo")
    problem = make()
    outcomes = RIVALS["NSGA-II (pymoo)"].search(problem, 120, 0)
    assert len({outcome.genes for outcome in outcomes}) == len(outcomes) == 120
    assert outcomes == RIVALS["NSGA-II (pymoo)"].search(problem, 120, 0)


def test_a_rival_that_knows_the_constraints_finds_more_feasible_points_than_chance() -> None:
    problem = constrained()
    for name in ("NSGA-II 20 (Optuna)", "TPE multivariate (Optuna)"):
        outcomes = RIVALS[name].search(problem, 120, 0)
        assert np.mean([outcome.feasible for outcome in outcomes]) > 0.04


# runs and curves -------------------------------------------------------------------------------------------------


def test_a_finished_search_is_read_again_unless_something_else_is_asked(tmp_path: Path) -> None:
    job = Job("additive 24", "random", 0, 30, None, tmp_path)
    assert read(job) is None
    run(job)
    kept = read(job)
    assert kept is not None and len(kept.outcomes) == 30
    assert kept.outcomes == tuple(RIVALS["random"].search(problem_named("additive 24"), 30, 0))
    assert read(Job("additive 24", "random", 0, 40, None, tmp_path)) is None


def test_curves_rise_and_count_feasible_points_only() -> None:
    good, better, broken = ((0.5, 0.5), (0.2, 0.2), (0.0, 0.0))
    outcomes = [Outcome((k,), good, (0.0,)) for k in range(10)]
    outcomes += [Outcome((k,), broken, (1.0,)) for k in range(10)]
    outcomes += [Outcome((k,), better, (-1.0,)) for k in range(10)]
    problem = constrained()
    finished = Finished(Job(problem.name, "random", 0, 30, None, Path()), tuple(outcomes), 0.0)
    (curve,) = curves(problem, [finished])
    assert list(curve.shares) == grid(30) == [10, 20, 25, 30]
    assert curve.shares[10] == curve.shares[20] < curve.shares[25] == curve.shares[30] == pytest.approx(1)
    assert best_known(problem, [finished]) == pytest.approx((0.9 / 1.1) ** 2)
    assert curve.feasible == pytest.approx(2 / 3) and curve.repeats == pytest.approx(2 / 3)


def test_ours_is_held_against_the_best_rival_at_each_budget() -> None:
    problem = problem_named("interactions 24")
    outcomes = {"random": (0.5, 0.5), "TPE (Optuna)": (0.4, 0.4), OURS: (0.3, 0.3)}
    runs = [
        Finished(
            Job(problem.name, rival, seed, 250, None, Path()),
            (Outcome((0,), (cost[0], cost[1] + seed / 1e4)),) * 250,
            0.0,
        )
        for rival, cost in outcomes.items()
        for seed in range(5)
    ]
    bars = bars_of(problem, curves(problem, runs))
    assert [bar.name.rpartition(" less ")[2] for bar in bars[:-1]] == ["TPE (Optuna)"] * 5
    assert all(bar.holds and bar.value > 0 for bar in bars[:-1])
    assert bars[-1].holds and bars[-1].value == pytest.approx(1 / 252)  # 5 over 5, all ranked above


def test_every_rival_has_a_style() -> None:
    assert set(STYLES) == set(RIVALS)
