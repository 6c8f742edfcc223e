"""Trees as genes of the predictor-guided search agree with the values that they stand for."""

from __future__ import annotations

import random
from collections import Counter
from zlib import crc32

import numpy as np
import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from toys import plain_space, plain_spaces, plain_table

from mtnas.architecture import EXACT_COSTS, Affinities, Architecture, ArchitectureSpace, CostTable
from mtnas.branching import Branching, FitSettings, NodeCosts
from mtnas.predicting.genetics import Genes, fingerprints
from mtnas.searching import Parameters, PredictorSampler
from mtnas.searching.predictor_sampler.axis import Axis
from mtnas.searching.tree_genes import Prior, TreeGenes
from mtnas.searching.tree_prior import TreePrior


class Case:
    """A space, its genes, and the way from genes to architectures."""

    def __init__(self, space: ArchitectureSpace, table: CostTable | None = None, prior: Prior | None = None) -> None:
        self.space, self.table, self.parameters = space, table or plain_table(space), Parameters(space)
        self.names = sorted(self.parameters.distributions, key=lambda name: crc32(name.encode()))  # any order will do
        self.axes = {name: Axis.of(self.parameters.distributions[name], 64) for name in self.names}
        objectives = [*(f"error/{task}" for task in space.tasks), "error/mean", "params"]
        self.genes = TreeGenes(space, self.table, self.names, objectives, {"macs": 9.0}, prior)

    def architecture(self, genes: np.ndarray) -> Architecture:
        values = {name: axis.values[gene] for (name, axis), gene in zip(self.axes.items(), genes, strict=True)}
        return self.parameters.decode(values)

    def encoded(self, architecture: Architecture) -> Genes:
        values = self.parameters.encode(architecture)
        return np.array([axis.number(values[name]) for name, axis in self.axes.items()], dtype=np.int64)

    def population(self, seed: int, count: int = 40) -> Genes:
        """Draws and children of them."""
        rng = np.random.default_rng(seed)
        drawn = self.genes.draw(count, rng)
        return np.concatenate([drawn, self.genes.vary(drawn, drawn[::-1], rng)])


@given(plain_spaces(), st.integers(0, 99))
def test_genomes_mean_the_same_where_their_architectures_are_equal(space: ArchitectureSpace, seed: int) -> None:
    case = Case(space)
    genes = case.population(seed)
    architectures = [case.architecture(row) for row in genes]
    prints = fingerprints(case.genes.identity(genes)).tolist()
    assert len(set(zip(prints, architectures, strict=True))) == len(set(prints)) == len(set(architectures))
    canonical = np.array([case.encoded(architecture) for architecture in architectures]).reshape(genes.shape)
    assert fingerprints(case.genes.identity(canonical)).tolist() == prints


@given(plain_spaces(), st.integers(0, 99))
def test_costs_are_those_of_the_table(space: ArchitectureSpace, seed: int) -> None:
    case = Case(space)
    genes = case.population(seed)
    found = case.genes.costs(genes)
    wanted = [case.table.of(space, case.architecture(row)) for row in genes]
    for name in EXACT_COSTS:
        assert found[name].tolist() == [costs[name] for costs in wanted]
    exact = case.genes.exact(genes)
    assert exact.objectives[len(space.tasks) + 1].tolist() == [costs["params"] for costs in wanted]
    assert exact.constraints["macs"].tolist() == [costs["macs"] - 9 for costs in wanted]


def test_costs_follow_the_shapes_that_enter() -> None:
    """A narrow first block makes the second one cheaper."""
    space = plain_space([True, True], [2, 2])
    table = CostTable(
        (1, 1),
        ((((10, 1), (20, 2)),), (((3, 1), (4, 1)), ((5, 1), (6, 1)))),
        (((0, 1),), ((0, 1), (0, 1))),
        (((1, 1),) * 3, ((2, 1),) * 3),
    )
    case = Case(space, table)
    rng = random.Random(0)
    architectures = [space.draw(rng) for _ in range(60)]
    genes = np.array([case.encoded(architecture) for architecture in architectures])
    wanted = [table.of(space, architecture)["params"] for architecture in architectures]
    assert case.genes.costs(genes)["params"].tolist() == wanted


@given(plain_spaces(), st.integers(0, 99))
def test_a_task_s_view_is_its_path_and_the_whole_view_tells_networks_apart(space: ArchitectureSpace, seed: int) -> None:
    case = Case(space)
    genes = case.population(seed, 20)
    architectures = [case.architecture(row) for row in genes]
    for cost, task in enumerate(space.tasks):
        view = case.genes.view(cost)
        assert view == case.genes.view(f"error/{task}") == cost + 1
        features = case.genes.features(genes, view)
        assert features.shape[1] == len(case.genes.groups(view))
        for i, one in enumerate(architectures):
            for j, other in enumerate(architectures[:i]):
                same = bool((features[i] == features[j]).all())
                assert same == (one.path(cost) == other.path(cost))
    whole = case.genes.features(genes, 0)
    assert len({tuple(row) for row in whole.tolist()}) == len(set(architectures))
    assert whole.shape[1] == len(case.genes.groups(0))
    view = case.genes.view(len(space.tasks))
    assert view == case.genes.view("error/mean") == len(space.tasks) + 2
    together = case.genes.features(genes, view)
    paths = [case.genes.features(genes, task + 1) for task in range(len(space.tasks))]
    assert np.allclose(together[:, : paths[0].shape[1]], np.mean(paths, axis=0))
    assert together.shape[1] == len(case.genes.groups(view))


@given(plain_spaces(most_tasks=3, most_blocks=3), st.integers(0, 99))
def test_variation_reaches_every_architecture(space: ArchitectureSpace, seed: int) -> None:
    if space.size > 200:
        return
    case = Case(space)
    rng = np.random.default_rng(seed)
    alive = case.genes.draw(30, rng)
    reached = {case.architecture(row) for row in alive}
    for _ in range(400):
        if len(reached) == space.size:
            break
        alive = case.genes.vary(alive, alive[rng.permutation(30)], rng)
        reached |= {case.architecture(row) for row in alive}
    assert len(reached) == space.size


def test_copies_nearly_always_change_and_only_a_little() -> None:
    case = Case(plain_space([True] * 5, [3] * 5, tasks=4))
    rng = np.random.default_rng(0)
    parents = case.genes.draw(500, rng)
    children = case.genes.vary(parents, parents, rng)
    changed = fingerprints(case.genes.identity(parents)) != fingerprints(case.genes.identity(children))
    assert changed.mean() > 0.75
    nodes = [len(case.architecture(row).tree.nodes()) for row in children]
    assert np.mean(nodes) > 5


def test_a_branch_that_splits_off_starts_as_a_copy() -> None:
    """What a follower's own option genes held before does not matter once they are settled."""
    case = Case(plain_space([True, True], [3, 3], tasks=2))
    values = {
        "depth/b": 2,
        **{f"option/{block}/{task}": option for block in ("b0", "b1") for task, option in (("a", "o0"), ("b", "o2"))},
    }
    shared = np.array([[axis.number(values[name]) for name, axis in case.axes.items()]])
    assert case.architecture(shared[0]).path(1) == ((0, "o0"), (0, "o0"))
    split = case.genes._settled(shared, case.genes.leaders(shared))
    split[:, case.names.index("depth/b")] = 0
    assert case.architecture(split[0]).path(1) == ((1, "o0"), (1, "o0"))


def test_a_prior_draws_a_quarter() -> None:
    def prior(count: int, rng: np.random.Generator) -> Genes:
        return np.ones((count, len(Parameters(space).distributions)), dtype=np.int64)

    space = plain_space([True, True], [2, 2])
    drawn = Case(space, prior=prior).genes.draw(40, np.random.default_rng(0))
    assert (drawn[:10] == 1).all() and not (drawn[10:] == 1).all()
    assert not (drawn[10:20] == 1).all()


def parallel_search(case: Case, trials: int, workers: int) -> list[Architecture]:
    """Networks that a search with several threads proposes."""
    space, parameters = case.space, case.parameters
    study = optuna.create_study(
        directions=["minimize"] * 2,
        sampler=PredictorSampler(
            seed=0,
            genetics=lambda names: TreeGenes(space, case.table, [*names], ("error/a", "params"), {}),
        ),
    )
    rng = random.Random(0)
    noise = {task: {option: rng.random() for option in ["o0", "o1", "o2"]} for task in space.tasks}

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        values = {
            name: trial.suggest_categorical(name, kind.choices)
            if isinstance(kind, CategoricalDistribution)
            else trial.suggest_int(name, kind.low, kind.high)
            for name, kind in parameters.distributions.items()
        }
        architecture = parameters.decode(values)
        error = sum(noise["a"][option] + 0.1 * leader for leader, option in architecture.path(0))
        return error + 0.2 * len(architecture.nodes()), float(case.table.of(space, architecture)["params"])

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study.optimize(objective, n_trials=trials, n_jobs=workers)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    return [parameters.decode(trial.params) for trial in study.trials]


def test_threads_never_propose_one_network_twice() -> None:
    """Different genes may mean one network; those count as the same."""
    networks = parallel_search(Case(plain_space([True] * 3, [3] * 3, tasks=4)), 150, 4)
    assert len(set(networks)) == len(networks) == 150


@given(plain_spaces(), st.integers(0, 99))
def test_genes_of_trees_are_those_of_their_architectures(space: ArchitectureSpace, seed: int) -> None:
    case = Case(space)
    rng = random.Random(seed)
    trees = [space.draw_tree(rng) for _ in range(8)]
    leaders = np.array([tree.leaders for tree in trees])
    genes = case.genes.of_trees(leaders, np.random.default_rng(seed))
    assert genes.shape == (8, len(case.names)) and (genes < case.genes.levels).all() and (genes >= 0).all()
    assert [case.architecture(row).tree for row in genes] == trees
    assert np.array_equal(case.genes.leaders(genes), leaders)


@given(plain_spaces(), st.integers(0, 99))
def test_many_trees_are_worked_out_as_few_are_looked_up(space: ArchitectureSpace, seed: int) -> None:
    case = Case(space)
    genes = case.population(seed)
    other = TreeGenes(space, case.table, case.names, ["params"], {}, most_trees=0)
    assert np.array_equal(other.leaders(genes), case.genes.leaders(genes))
    assert other.costs(genes)["params"].tolist() == case.genes.costs(genes)["params"].tolist()


def test_what_is_kept_of_the_last_genes_is_not_taken_for_others() -> None:
    case = Case(plain_space([True, True], [2, 2]))
    genes = case.population(0)
    before = case.genes.identity(genes)
    genes[:] = genes[::-1].copy()  # the same array with other genes
    assert np.array_equal(case.genes.identity(genes), before[::-1])


def learned(space: ArchitectureSpace, seed: int) -> Branching:
    rng = np.random.default_rng(seed)
    shape = (len(space.split_depths) - 1, len(space.tasks), len(space.tasks))
    names = tuple(block.name for block in space.blocks if block.branching)
    cost = np.abs(rng.normal(size=shape)) * ~np.eye(len(space.tasks), dtype=bool)
    affinities = Affinities(space.tasks, names, space.split_depths[:-1], cost, np.full(shape, 0.01))
    costs = NodeCosts((1.0,) * len(space.blocks))
    return Branching.learn(space, affinities, costs, (0.3, 0.6), seed, FitSettings(steps=10, leading=5))


def test_a_prior_draws_the_trees_of_the_branch_points() -> None:
    space = plain_space((True, True, True), (2, 1, 2), 4)
    case, branching = Case(space), learned(space, 0)
    prior = TreePrior(branching, case.genes)
    drawn, again = (prior(200, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(drawn, again) and drawn.shape == (200, len(case.names))
    seen = Counter(case.architecture(row).tree for row in drawn)
    assert {tree for tree, _ in seen.most_common(2)} == {points.most_likely() for points in branching.points}
    assert {case.architecture(row).options for row in drawn} != {case.architecture(drawn[0]).options}


def test_predictors_of_errors_see_what_company_costs_and_others_do_not() -> None:
    space = plain_space((True, False, True), (2, 2, 2), 3)
    affinities = learned(space, 1).affinities
    plain = Case(space)
    objectives = [*(f"error/{task}" for task in space.tasks), "error/mean", "latency_ms"]
    with_them = TreeGenes(space, plain.table, plain.names, objectives, {}, affinities=affinities)
    without = TreeGenes(space, plain.table, plain.names, objectives, {})
    genes = with_them.draw(50, np.random.default_rng(0))
    leaders = with_them.leaders(genes)
    shared = affinities.together(np.zeros((1, 3, 3), dtype=np.int64))
    scale = np.einsum("npij,pij->nj", shared, affinities.cost).mean()
    company = np.einsum("npij,pij->nj", affinities.together(leaders), affinities.cost) / scale
    for number, name in enumerate(objectives):
        view = with_them.view(number)
        seen, before = with_them.features(genes, view), without.features(genes, view)
        if name == "latency_ms":
            assert np.array_equal(seen, before)
            continue
        expected = company.mean(1) if name == "error/mean" else company[:, number]
        assert np.array_equal(seen[:, :-1], before) and np.allclose(seen[:, -1], expected)
        groups = with_them.groups(view)
        assert len(groups) == seen.shape[1] and groups[-1] == groups[:-1].max() + 1
    assert np.allclose(with_them.features(genes, 0)[:, -1], company.mean(1))
