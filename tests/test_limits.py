"""Spaces with fewer copies of a block than tasks."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_space
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training_options import stop_after
from torch import nn
from toys import all_trees, plain_space, plain_table

from mtnas.architecture import (
    Affinities,
    Architecture,
    ArchitectureSpace,
    BlockChoices,
    Candidate,
    Genome,
    Tree,
    copies,
    crossover,
    decode,
    limited,
    mutate,
)
from mtnas.architecture.counting import TreeCounter
from mtnas.architecture.limited_counting import LimitedTreeCounter
from mtnas.architecture.limits import limited_tree
from mtnas.branching import BranchPoints, NodeCosts, leading_trees
from mtnas.errors import ArchitectureError
from mtnas.evaluation import InheritedErrors
from mtnas.refining import RefineSettings, compare, refine
from mtnas.results import corners
from mtnas.runs import Run, load_checkpoint, read_results
from mtnas.searching import SearchSettings, search
from mtnas.searching.parameters import Parameters
from mtnas.searching.tree_genes import TreeGenes
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, load_branching, load_supernetwork, train


def limited_space(tasks: int, copies: int, branching: tuple[bool, ...] = (True, True, True)) -> ArchitectureSpace:
    return replace(plain_space(branching, (2, 1, 3)[: len(branching)], tasks), copies=copies)


seeds = st.integers(0, 2**32 - 1)
limits = st.tuples(st.integers(2, 5), st.integers(2, 4), st.tuples(*[st.booleans()] * 3)).map(
    lambda drawn: limited_space(*drawn)
)


# Trees -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("branching", list(product([True, False], repeat=3)))
@pytest.mark.parametrize("most", [2, 3, 4, 9])
def test_trees_are_counted_and_listed(branching: tuple[bool, ...], most: int) -> None:
    options = (2, 1, 3)
    trees = [tree for tree in all_trees(4, branching) if len(tree.groups(2)) <= most]
    counter = LimitedTreeCounter(4, branching, most)
    assert counter.count() == len(trees) and set(counter.enumerate()) == set(trees)
    with_options = sum(
        int(np.prod([options[block] ** len(tree.groups(block)) for block in range(3)])) for tree in trees
    )
    assert LimitedTreeCounter(4, branching, most, options).count() == with_options
    if most >= 4:
        assert with_options == TreeCounter(4, branching, options).count()


@pytest.mark.parametrize("branching", [(True, True), (False, True), (True, False)])
def test_trees_are_drawn_evenly(branching: tuple[bool, ...]) -> None:
    space = replace(plain_space(branching, (1, 1), 4), copies=2)
    rng = random.Random(0)
    found = Counter(space.draw_tree(rng) for _ in range(400 * space.tree_count))
    assert set(found) == set(space.trees())
    # 400 expected of each, with a standard deviation of 20.
    assert all(300 < count < 500 for count in found.values())


def test_a_hundred_tasks_are_drawn_at_once() -> None:
    names, blocks = tuple(f"t{task}" for task in range(100)), tuple(BlockChoices(f"b{n}", ("o",)) for n in range(18))
    space = ArchitectureSpace(names, blocks, 10)
    tree = space.draw_tree(random.Random(0))
    assert len(tree.groups(17)) <= 10
    assert space.tree_count < replace(space, copies=11).tree_count


@given(space=limits, seed=seeds)
def test_trees_are_made_to_fit(space: ArchitectureSpace, seed: int) -> None:
    rng = random.Random(seed)
    trees = [space.unlimited().draw_tree(rng) for _ in range(5)]
    arrays = np.array([tree.leaders for tree in trees])
    fitted = [Tree(tuple(map(tuple, rows))) for rows in limited(arrays, space.most_groups).tolist()]
    assert fitted == [limited_tree(tree, space.most_groups) for tree in trees]
    for tree, after in zip(trees, fitted, strict=True):
        space.check(space.draw_options(after, rng))
        leaders, left = ([group[0] for group in one.groups(one.blocks - 1)] for one in (tree, after))
        assert left == leaders[: space.most_groups]
        assert (after == tree) == (len(leaders) <= space.most_groups)
        assert limited_tree(after, space.most_groups) == after


@given(space=limits, seed=seeds)
def test_groups_of_a_block_use_different_copies(space: ArchitectureSpace, seed: int) -> None:
    tree = space.draw_tree(random.Random(seed))
    (used,) = copies(np.array([tree.leaders]), space.most_groups).tolist()
    for block in range(tree.blocks):
        of_group = [{used[block][task] for task in group} for group in tree.groups(block)]
        assert all(len(one) == 1 for one in of_group)
        assert len(set().union(*of_group)) == len(of_group) and max(map(max, of_group)) < space.most_groups
    if not space.limited:
        assert used == [list(row) for row in tree.leaders]


def test_a_group_uses_the_copy_of_its_leader_or_the_next_that_is_free() -> None:
    row = [0, 0, 2, 0, 4, 5, 2]  # leaders 0, 2, 4, 5
    assert copies(np.array([[row]]), 4).tolist() == [[[0, 0, 2, 0, 1, 3, 2]]]


def test_too_many_groups_are_refused() -> None:
    space = limited_space(3, 2)
    split = Architecture(Tree.split(3, 3), (("o0",) * 3,) * 3)
    with pytest.raises(ArchitectureError, match="3 groups of tasks at block 'b2', but the space has 2 copies"):
        space.check(split)
    space.unlimited().check(split)
    with pytest.raises(ArchitectureError, match="copies must be at least 2, but is 1"):
        limited_space(3, 1)


@given(space=limits)
def test_the_limit_is_part_of_the_space(space: ArchitectureSpace) -> None:
    assert ArchitectureSpace.from_json(space.to_json()) == space
    assert "copies" not in space.unlimited().to_json()


# Genes -----------------------------------------------------------------------------------------------------------


@given(space=limits, seed=seeds)
def test_all_that_varies_stays_within_the_limit(space: ArchitectureSpace, seed: int) -> None:
    rng = random.Random(seed)
    one, two = space.draw(rng), space.draw(rng)
    for found in (one, mutate(space, one, rng), mutate(space, one, rng, 1.0)):
        space.check(found)
    space.check(crossover(one, two, rng, space.most_groups))
    assert crossover(one, one, rng, space.most_groups) == one
    assert (mutate(space, one, rng) != one) == (space.size > 1)


@given(space=limits, seed=seeds)
def test_genes_of_searches_are_the_same_networks(space: ArchitectureSpace, seed: int) -> None:
    parameters, table = Parameters(space), plain_table(space)
    genes = TreeGenes(space, table, list(parameters.distributions), ["error/mean"], {})
    rng = np.random.default_rng(seed)
    drawn = genes.draw(6, rng)
    drawn = np.concatenate([drawn, genes.vary(drawn, drawn[::-1], rng)])
    distributions = list(parameters.distributions.items())
    for row, leaders, params in zip(drawn, genes.leaders(drawn), genes.costs(drawn)["params"], strict=True):
        values = {name: kind.to_external_repr(int(gene)) for (name, kind), gene in zip(distributions, row, strict=True)}
        architecture = parameters.decode(values)
        space.check(architecture)
        assert [list(one) for one in architecture.tree.leaders] == leaders.tolist()
        assert table.of(space, architecture)["params"] == params
        assert parameters.decode(parameters.encode(architecture)) == architecture


def test_members_reach_each_other() -> None:
    """Trees with other leaders than the first tasks, too."""
    space, rng = limited_space(4, 2, (True,)), random.Random(0)
    seen, edge = {Tree.shared(4, 1)}, [space.draw_options(Tree.shared(4, 1), rng)]
    for _ in range(3000):
        edge.append(mutate(space, rng.choice(edge), rng))
        seen.add(edge[-1].tree)
    assert seen == set(space.trees())


# Branch points ---------------------------------------------------------------------------------------------------


@given(space=limits, seed=seeds)
def test_branch_points_have_a_label_for_every_copy(space: ArchitectureSpace, seed: int) -> None:
    points = BranchPoints(space).double()
    if not sum(points.branching):
        return
    assert points.logits.shape[-1] == space.most_groups
    generator = torch.Generator().manual_seed(seed)
    trees = [points.sample(generator) for _ in range(5)]
    assert all(limited_tree(tree, space.most_groups) == tree for tree in trees)
    points.follow(trees[:1], torch.ones(1, dtype=torch.float64), least=1e-12)
    assert points.most_likely() == trees[0]
    counted = torch.tensor([float(len(trees[0].groups(block))) for block in range(trees[0].blocks)])
    assert torch.allclose(points.expected_nodes(generator), counted.double(), atol=1e-6)
    assert float(points.entropy().detach().max()) < 1e-6


def test_expected_nodes_of_few_copies_and_their_gradient() -> None:
    """Against every combination of labels."""
    space = replace(plain_space((True, True), (1, 1), 3), copies=2)
    points = BranchPoints(space).double()
    torch.manual_seed(0)
    points.logits.data.normal_()
    labels = torch.tensor(list(product(*[range(min(task + 1, 2)) for task in (0, 1, 2)] * 2))).reshape(-1, 2, 3)
    nodes = torch.from_numpy((points.leaders_of(labels) == np.arange(3)).sum(2)).double()
    exact = (points.log_probability(labels).exp()[:, None] * nodes).sum(0)
    (slope,) = torch.autograd.grad(exact.sum(), points.logits)
    drawn = points._sampled_nodes(torch.Generator().manual_seed(0), samples=200_000)
    (found,) = torch.autograd.grad(drawn.sum(), points.logits)
    assert torch.allclose(drawn, exact, atol=0.01) and torch.allclose(found, slope, atol=0.01)


@settings(max_examples=10)
@given(seed=seeds)
def test_leading_trees_stay_within_the_limit(seed: int) -> None:
    space = replace(plain_space((True, True), (1, 1), 4), copies=2)
    rng = np.random.default_rng(seed)
    cost = rng.random((2, 4, 4)) * ~np.eye(4, dtype=bool)
    affinities = Affinities(space.tasks, ("b0", "b1"), (0, 1), cost, np.zeros_like(cost))
    costs = NodeCosts((1.0, 1.0))
    ranked = leading_trees(space, affinities, costs, 4.0, seed % 100, count=1)
    best = min(space.trees(), key=affinities.energy)
    assert ranked[0].energy == pytest.approx(affinities.energy(best))


# The whole way ---------------------------------------------------------------------------------------------------

SPACE = replace(toy_space.space, copies=2)
TRAINING = TrainingSettings(
    epochs=6, shared_warmup=0.34, parting=0.3, learning_rate=0.03, threads=1, device="cpu", ema_decay=0.9
)


def widened(factor: float) -> SearchSpace:
    def plain(shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Linear(shape[0], round(12 * factor)), nn.ReLU())

    def bounded(shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Linear(shape[0], round(12 * factor)), nn.Tanh())

    return replace(SPACE, blocks=[replace(block, options={"plain": plain, "tanh": bounded}) for block in SPACE.blocks])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = Run(tmp_path_factory.mktemp("limits") / "run", 0)
    train(SPACE, toy_space.data(None), found, TRAINING, show_progress=False)
    return found


def copies_in(run: Run) -> set[int]:
    tensors, _ = load_checkpoint(run.checkpoint)
    return {int(name.split(".")[3]) for name in tensors if name.startswith("model.blocks.")}


def test_a_supernetwork_ends_with_so_many_copies(run: Run) -> None:
    supernet = load_supernetwork(SPACE, toy_space.data(None), run, "cpu")
    assert all(len(of_block) == 2 for of_block in supernet.blocks)  # type: ignore[arg-type]
    assert copies_in(run) == {0, 1}
    branching = load_branching(run)
    assert branching is not None and all(points.logits.shape == (3, 3, 2) for points in branching.points)
    assert branching.affinities.cost.any()


@pytest.mark.parametrize("epochs", range(1, 6))
def test_an_interrupted_training_ends_alike(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    other, data = Run(tmp_path / "run", 0), toy_space.data(None)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, epochs)
        train(SPACE, data, other, TRAINING, show_progress=False)
    assert copies_in(other) == ({0, 1, 2} if epochs < 4 else {0, 1})
    train(SPACE, data, other, TRAINING, show_progress=False)
    assert other.checkpoint.read_bytes() == run.checkpoint.read_bytes()


def test_networks_are_judged_and_extracted_by_their_copies(run: Run) -> None:
    data = toy_space.data(None)
    supernet = load_supernetwork(SPACE, data, run, "cpu")
    errors, rng = InheritedErrors(supernet, data), random.Random(0)
    whole = InheritedErrors(supernet, data, keep_mib=0)
    for _ in range(12):
        architecture = SPACE.architectures.draw(rng)
        x = data.example()[0]
        network = supernet.extract(architecture)
        expected = supernet(x, architecture)
        assert all(torch.allclose(value, expected[name], atol=1e-5) for name, value in network(x).items())
        assert errors(architecture) == pytest.approx(whole(architecture), abs=1e-6)


def test_a_search_finds_refines_and_compares_members(tmp_path: Path) -> None:
    run, data, space = Run(tmp_path / "run", 0), toy_space.data(None), widened(1)
    train(space, data, run, replace(TRAINING, ema_decay=0.0), show_progress=False)
    results = search(space, data, run, SearchSettings(evaluations=14, startup=4, threads=1), show_progress=False)
    assert len(results.rows) == 14
    assert {name.split(",")[0] for name in results.corners} == {"hard sharing", "2 groups"}
    assert any(len(row.candidate.architecture.tree.groups(2)) == 2 for row in results.rows)
    again = read_results(run)
    assert [row.costs for row in again.rows] == [row.costs for row in results.rows]
    member = Candidate(corners(*run.architectures())["2 groups, smallest"])
    how = RefineSettings(epochs=1, threads=1)
    assert refine(space, data, run, [member], how, show_progress=False).rows
    comparison = compare(widened, data, run, member, how, seeds=1, tolerance=0.2, show_progress=False)
    single = next(one for one in comparison.networks if one.name == comparison.single)
    assert len(single.candidate.architecture.tree.groups(2)) == 3 and len(comparison.runs) == len(comparison.networks)


def test_a_new_supernetwork_has_no_more_copies_than_its_space() -> None:
    supernet = SuperNetwork(SPACE, toy_space.data(None).example()[0])
    assert all(len(of_block) == 2 for of_block in supernet.blocks)  # type: ignore[arg-type]
    genome = Genome((0, 1), (0, 0), (("plain",) * 3,) * 3)
    with pytest.raises(ArchitectureError, match="2 copies"):
        supernet.view(decode(genome))
    supernet.view(decode(genome, 2))
