"""Branch points do what their formulas say, and affinities find who gets along."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor, nn
from toys import (
    Samples,
    all_trees,
    plain_space,
    plain_table,
    toy_data,
    toy_labels,
    toy_samples,
    toy_space,
    toy_tasks,
    toy_x,
)

from mtnas.architecture import Affinities, Architecture, ArchitectureSpace, CostTable, Tree
from mtnas.branching import (
    Branching,
    BranchPoints,
    FitSettings,
    NodeCosts,
    advise,
    cheapest_tied,
    expected_nodes,
    fit_branch_points,
    leading_trees,
    measure_affinities,
)
from mtnas.branching.readouts import Samples as Sets
from mtnas.branching.readouts import as_rows, principal_axes, readout_losses
from mtnas.branching.tree_arrays import as_trees, varied
from mtnas.errors import ArchitectureError
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.targets import as_numbers, one_hot
from mtnas.space.task_types import regression
from mtnas.supernet import SuperNetwork

seeds = st.integers(0, 2**32)


# Branch points ---------------------------------------------------------------------------------------------------


def make_points(branching: tuple[bool, ...], tasks: int, seed: int = 0, scale: float = 1.0) -> BranchPoints:
    """Branch points with random logits, in double."""
    points = BranchPoints(plain_space(branching, (1,) * len(branching), tasks)).double()
    g = torch.Generator().manual_seed(seed)
    points.logits.data.copy_(scale * torch.randn(points.logits.shape, generator=g))
    return points


def label_choices(points: int, tasks: int) -> Iterator[Tensor]:
    """Every way in which the tasks can pick labels, each (points, tasks)."""
    for labels in product(*(range(task + 1) for _ in range(points) for task in range(tasks))):
        yield torch.tensor(labels, dtype=torch.int64).reshape(points, tasks)


branchings = st.lists(st.booleans(), min_size=1, max_size=3).map(tuple)


@settings(max_examples=60)
@given(branching=branchings, tasks=st.integers(1, 5), seed=seeds)
def test_draws_have_the_probability_of_their_labels(branching: tuple[bool, ...], tasks: int, seed: int) -> None:
    points = make_points(branching, tasks, seed)
    labels, same = (points.draw(4, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(labels, same) and labels.shape == (4, sum(branching), tasks)
    assert bool((labels <= torch.arange(tasks)).all())
    expected = points.probabilities().gather(-1, labels[0, :, :, None]).log().sum()
    torch.testing.assert_close(points.log_probability(labels)[0], expected)
    if points.logits.numel():
        points.log_probability(labels).sum().backward()
        gradient = points.logits.grad
        assert gradient is not None and bool(gradient.isfinite().all())
        assert bool((gradient[:, points.mask] == 0).all())
        # The probabilities of a choice sum to one whatever the logits, so the gradients of a draw sum to zero.
        torch.testing.assert_close(gradient.sum(-1), torch.zeros(gradient.shape[:2]).double(), atol=1e-9, rtol=0)


@settings(max_examples=30)
@given(branching=branchings, tasks=st.integers(1, 4), seed=seeds)
def test_a_sample_is_the_tree_of_a_draw(branching: tuple[bool, ...], tasks: int, seed: int) -> None:
    points = make_points(branching, tasks, seed)
    drawn = points.draw(1, torch.Generator().manual_seed(seed))[0]
    assert points.sample(torch.Generator().manual_seed(seed)) == points.tree_of(drawn)


def test_labels_are_drawn_with_their_probabilities() -> None:
    points = make_points((True, False, True), 4, seed=3)
    generator = torch.Generator().manual_seed(0)
    count = 3_000
    choices = points.draw(count, generator)
    probabilities = points.probabilities().detach()
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 4).double())
    for point, task in product(range(2), range(1, 4)):
        seen = choices[:, point, task].bincount(minlength=4)
        expected = count * probabilities[point, task]
        assert seen[task + 1 :].sum() == expected[task + 1 :].sum() == 0
        assert chisquare(seen[: task + 1], expected[: task + 1]).pvalue > 0.01


@pytest.mark.parametrize("branching", list(product((True, False), repeat=2)))
@pytest.mark.parametrize("tasks", [1, 2, 3, 4])
def test_every_tree_is_reached_by_labels_and_no_other(branching: tuple[bool, ...], tasks: int) -> None:
    points = make_points(branching, tasks)
    reached = set()
    for choices in label_choices(sum(branching), tasks):
        tree = points.tree_of(choices)
        reached.add(tree)
        for a, b in product(range(tasks), repeat=2):
            upto = 0
            for block, may_split in enumerate(branching):
                upto += may_split
                alike = torch.equal(choices[:upto, a], choices[:upto, b])
                assert (tree.leaders[block][a] == tree.leaders[block][b]) == alike
    assert reached == set(all_trees(tasks, branching))


@settings(max_examples=40)
@given(branching=branchings, tasks=st.integers(1, 3), seed=seeds)
def test_expected_nodes_are_those_of_trying_every_choice(branching: tuple[bool, ...], tasks: int, seed: int) -> None:
    points = make_points(branching, tasks, seed, scale=2.0)
    probabilities = points.probabilities().detach()
    expected = torch.zeros(len(branching)).double()
    for choices in label_choices(sum(branching), tasks):
        chance = probabilities.gather(-1, choices[..., None]).prod()
        tree = points.tree_of(choices)
        expected += chance * torch.tensor([len(tree.groups(block)) for block in range(len(branching))])
    torch.testing.assert_close(points.expected_nodes(), expected, rtol=0, atol=1e-9)


@settings(max_examples=40)
@given(branching=branchings, tasks=st.integers(1, 6), seed=seeds)
def test_expected_nodes_of_certain_choices_are_those_of_their_tree(
    branching: tuple[bool, ...], tasks: int, seed: int
) -> None:
    points = make_points(branching, tasks, seed, scale=3.0)
    tree = points.most_likely()
    points.logits.data.copy_(1e4 * nn.functional.one_hot(points.masked_logits().argmax(-1), tasks))
    assert points.most_likely() == tree
    for exact_tasks in (12, 0):
        counts = expected_nodes(points.probabilities(), torch.Generator(), exact_tasks=exact_tasks, samples=3)
        own = [len(tree.groups(block)) for block, may_split in enumerate(branching) if may_split]
        torch.testing.assert_close(counts, torch.tensor(own).double(), rtol=0, atol=1e-9)
    found = points.expected_nodes()
    torch.testing.assert_close(found.sum(), torch.tensor(tree.node_count).double(), rtol=0, atol=1e-9)


def test_expected_nodes_are_differentiable() -> None:
    points = make_points((True, True, True), 4)
    logits = points.logits.detach().requires_grad_()

    def of(logits: Tensor) -> Tensor:
        return expected_nodes(logits.masked_fill(points.mask, -math.inf).softmax(-1))

    assert torch.autograd.gradcheck(of, (logits,))


def test_drawn_expected_nodes_are_close_to_exact_ones_and_point_the_same_way() -> None:
    points = make_points((True, True, True), 5, seed=1)
    gradients = []
    counts = []
    for exact_tasks in (12, 4):
        points.logits.grad = None
        count = expected_nodes(
            points.probabilities(), torch.Generator().manual_seed(0), exact_tasks=exact_tasks, samples=4_000
        )
        counts.append(count.detach())
        count.sum().backward()
        assert points.logits.grad is not None
        gradients.append(points.logits.grad.flatten())
    torch.testing.assert_close(counts[0], counts[1], rtol=0.03, atol=0)
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.8


def test_many_tasks_are_drawn_instead_of_counted() -> None:
    points = make_points((True, True), 14)
    counts = [points.expected_nodes(torch.Generator().manual_seed(seed)).detach() for seed in (0, 0, 1)]
    assert torch.equal(counts[0], counts[1]) and not torch.equal(counts[0], counts[2])
    assert bool((counts[0] >= 1).all()) and bool((counts[0] <= 14).all()) and counts[0][0] < counts[0][1]


@given(branching=branchings, tasks=st.integers(1, 5), seed=seeds, scale=st.sampled_from([0.0, 1.0, 10.0, 1e4]))
def test_entropy_is_between_certain_and_uniform(
    branching: tuple[bool, ...], tasks: int, seed: int, scale: float
) -> None:
    points = make_points(branching, tasks, seed, scale)
    entropy = points.entropy()
    assert entropy.shape == (sum(branching), tasks - 1)
    assert bool((entropy >= 0).all()) and bool((entropy <= 1 + 1e-12).all())
    if scale == 0:
        torch.testing.assert_close(entropy, torch.ones_like(entropy))
    elif scale == 1:
        assert bool((entropy < 1).all()) and bool((entropy > 0).all())
    if entropy.numel():
        entropy.sum().backward()
        assert points.logits.grad is not None and bool(points.logits.grad.isfinite().all())


def test_without_a_choice_there_is_one_tree() -> None:
    points = make_points((False, False), 3)
    assert points.sample(torch.Generator()) == points.most_likely() == Tree.shared(3, 2)
    assert points.expected_nodes().tolist() == [1, 1]


# Affinities ------------------------------------------------------------------------------------------------------


def made_affinities(space: ArchitectureSpace, seed: int = 0, noise: float = 0.05) -> Affinities:
    """Random costs without a pattern."""
    rng = np.random.default_rng(seed)
    shape = (len(space.split_depths) - 1, len(space.tasks), len(space.tasks))
    cost = rng.normal(0.3, 0.3, shape) * ~np.eye(len(space.tasks), dtype=bool)
    names = tuple(block.name for block in space.blocks if block.branching)
    return Affinities(space.tasks, names, space.split_depths[:-1], cost, np.full(shape, noise))


def paired(space: ArchitectureSpace, noise: float = 0.05) -> Affinities:
    """Tasks 0 and 2 get along everywhere, tasks 1 and 3 too, others do not after the first block."""
    found = made_affinities(space, noise=noise)
    for a, b in product(range(4), repeat=2):
        found.cost[:, a, b] = 0.0 if a % 2 == b % 2 else 0.8
        found.cost[0, a, b] = 0.0 if a % 2 == b % 2 else 0.02
    return found


PAIRS = Tree.from_groups([[[0, 1, 2, 3]], [[0, 2], [1, 3]], [[0, 2], [1, 3]]])


@settings(max_examples=30)
@given(branching=branchings, tasks=st.integers(1, 4), seed=seeds)
def test_the_energy_is_the_cost_of_all_company_that_tasks_have(
    branching: tuple[bool, ...], tasks: int, seed: int
) -> None:
    space = plain_space(branching, (1,) * len(branching), tasks)
    affinities = made_affinities(space, seed)
    trees = all_trees(tasks, branching)
    leaders = np.array([tree.leaders for tree in trees])
    for tree, energy in zip(trees, affinities.energies(leaders), strict=True):
        expected = 0.0
        for at, block in enumerate(affinities.places):
            for group in tree.groups(block):
                for a, b in combinations(group, 2):
                    expected += affinities.cost[at, a, b] + affinities.cost[at, b, a]
        assert energy == pytest.approx(expected / tasks) == pytest.approx(affinities.energy(tree))
    points = make_points(branching, tasks, seed)
    labels = points.draw(5, torch.Generator().manual_seed(seed))
    drawn = [points.tree_of(one) for one in labels]
    leaders = points.leaders_of(labels)
    assert leaders.tolist() == [[list(row) for row in tree.leaders] for tree in drawn]
    assert affinities.energies(leaders).tolist() == pytest.approx([affinities.energy(tree) for tree in drawn])


@settings(max_examples=40)
@given(branching=branchings, tasks=st.integers(1, 5), seed=seeds)
def test_neighbours_of_trees_are_trees_of_the_space(branching: tuple[bool, ...], tasks: int, seed: int) -> None:
    space = plain_space(branching, (1,) * len(branching), tasks)
    leaders = make_points(branching, tasks, seed).draw_leaders(30, torch.Generator().manual_seed(seed % 100))
    members = set(all_trees(tasks, branching))
    assert set(as_trees(varied(leaders, space.split_depths, np.random.default_rng(seed % 100)))) <= members


def test_every_tree_is_reached_by_variation() -> None:
    space = plain_space((True, False, True), (1, 1, 1), 3)
    rng, leaders = np.random.default_rng(0), np.zeros((200, 3, 3), dtype=np.int64)
    reached: set[Tree] = set()
    for _ in range(8):
        leaders = varied(leaders, space.split_depths, rng)
        reached |= set(as_trees(leaders))
    assert reached == set(all_trees(3, (True, False, True)))


def test_noise_of_a_difference_counts_where_trees_differ_only() -> None:
    space = plain_space((True, True), (1, 1), 3)
    affinities = made_affinities(space, noise=0.3)
    shared, other = Tree.shared(3, 2), Tree.from_groups([[[0, 1, 2]], [[0, 1], [2]]])
    noise = affinities.difference_noise(np.array([shared.leaders, other.leaders]), shared)
    assert noise.tolist() == pytest.approx([0, 0.3 * math.sqrt(4) / 3])
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        redrawn = replace(affinities, cost=affinities.cost + 0.3 * rng.standard_normal(affinities.cost.shape))
        drawn.append(redrawn.energy(other) - redrawn.energy(shared))
    # The diagonal is company of a task with itself, in every tree alike.
    assert np.std(drawn) == pytest.approx(noise[1], rel=0.05)


def test_confidence_is_the_chance_to_be_the_best() -> None:
    space = plain_space((True,), (1,), 2)
    leaders = np.array([Tree.shared(2, 1).leaders, Tree.split(2, 1).leaders])
    for cost, expected in ((0.0, 0.5), (0.1, 1 - 0.9214), (-0.1, 0.9214)):
        affinities = replace(made_affinities(space, noise=0.1), cost=np.full((1, 2, 2), cost) * (1 - np.eye(2)))
        found = affinities.confidences(leaders, 0, draws=20_000)
        assert found.sum() == 1 and found[0] == pytest.approx(expected, abs=0.015)


def test_affinities_go_to_json_and_back_and_those_of_another_space_are_refused() -> None:
    space = plain_space((True, False, True), (1, 2, 1), 3)
    affinities = made_affinities(space)
    value = json.loads(json.dumps(affinities.to_json()))
    again = Affinities.from_json(value, space)
    assert np.array_equal(again.cost, affinities.cost) and np.array_equal(again.noise, affinities.noise)
    with pytest.raises(ArchitectureError, match="not those of the tasks and branch points of this space"):
        Affinities.from_json(value, plain_space((True, True, False), (1, 2, 1), 3))
    for damage in ({"cost": [[["a"]]]}, {"cost": affinities.cost[:1].tolist()}, {"tasks": 3}, {"noise": None}):
        with pytest.raises(ArchitectureError):
            Affinities.from_json({**value, **damage}, space)
    value["cost"][0][0][1] = math.inf
    with pytest.raises(ArchitectureError, match="not affinities"):
        Affinities.from_json(value, space)


# Costs of nodes --------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(branching=branchings, tasks=st.integers(1, 3), seed=seeds, column=st.sampled_from(["params", "macs", "ms"]))
def test_expected_costs_are_those_of_trying_every_choice(
    branching: tuple[bool, ...], tasks: int, seed: int, column: str
) -> None:
    """Params and MACs of a table, and latencies of nodes that someone has measured."""
    space = plain_space(branching, (2,) * len(branching), tasks)
    rng = np.random.default_rng(seed)
    if column == "ms":
        costs = NodeCosts(tuple(rng.random(len(branching))), float(rng.random()))
    else:
        costs = NodeCosts.mean(space, plain_table(space, seed), column)
    points = make_points(branching, tasks, seed, scale=2.0)
    probabilities = points.probabilities().detach()
    expected = 0.0
    for choices in label_choices(sum(branching), tasks):
        chance = float(probabilities.gather(-1, choices[..., None]).prod())
        expected += chance * float(costs.of([points.tree_of(choices).leaders])[0])
    assert float(costs.expected(points).detach()) == pytest.approx(expected, abs=1e-9, rel=1e-12)


@settings(max_examples=30)
@given(branching=branchings, tasks=st.integers(1, 5), seed=seeds)
def test_expected_costs_of_certain_choices_are_those_of_the_network(
    branching: tuple[bool, ...], tasks: int, seed: int
) -> None:
    space = plain_space(branching, (1,) * len(branching), tasks)
    table = plain_table(space, seed % 1000)
    points = make_points(branching, tasks, seed, scale=3.0)
    tree = points.most_likely()
    points.logits.data.copy_(1e4 * nn.functional.one_hot(points.masked_logits().argmax(-1), tasks))
    counted = table.of(space, Architecture.uniform(tree, ("o0",) * len(branching)))
    for cost in ("params", "macs"):
        costs = NodeCosts.mean(space, table, cost)
        assert float(costs.expected(points).detach()) == pytest.approx(counted[cost], abs=1e-9)


# Learning and leading trees --------------------------------------------------------------------------------------


def test_branch_points_learn_the_tree_that_affinities_speak_for() -> None:
    space = plain_space((True, True, True), (1, 1, 1), 4)
    affinities, costs = paired(space), NodeCosts((1.0,) * 3)
    points = fit_branch_points(space, affinities, costs, 2 / 9, seed=0)
    assert points.most_likely() == PAIRS
    assert float(costs.expected(points).detach()) <= 5.2
    again = fit_branch_points(space, affinities, costs, 2 / 9, seed=0)
    assert torch.equal(points.logits, again.logits)


def test_a_smaller_budget_gives_fewer_nodes_and_no_affinity_gives_no_certainty() -> None:
    space = plain_space((True, True, True), (1, 1, 1), 4)
    costs = NodeCosts((1.0,) * 3)
    expected = [
        float(costs.expected(fit_branch_points(space, made_affinities(space, 3), costs, share, 0)).detach())
        for share in (0.1, 0.4, 0.7, 1.0)
    ]
    assert expected == sorted(expected) and expected[0] < 4.1 and expected[-1] > 9
    nothing = replace(paired(space, noise=0.3), cost=np.zeros((3, 4, 4)))
    entropies = [
        float(fit_branch_points(space, one, costs, 1.0, 0).entropy().mean().detach())
        for one in (nothing, paired(space))
    ]
    assert entropies[0] > 0.9 and entropies[1] < 0.8


@pytest.mark.parametrize("tasks", [1, 3])
def test_without_a_choice_nothing_is_learned(tasks: int) -> None:
    space = plain_space((tasks == 1,), (1,), tasks)
    points = fit_branch_points(space, made_affinities(space), NodeCosts((1.0,)), 0.5, 0)
    assert points.most_likely() == Tree.shared(tasks, 1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), nodes=st.integers(3, 12))
def test_leading_trees_are_the_best_of_all(seed: int, nodes: int) -> None:
    space = plain_space((True, True, True), (1, 2, 1), 4)
    affinities, costs = made_affinities(space, seed), NodeCosts((1.0,) * 3)
    points = BranchPoints(space).double()
    ranked = leading_trees(space, affinities, costs, nodes, seed, points, count=5)
    within = [tree for tree in all_trees(4, (True,) * 3) if tree.node_count <= nodes]
    best = sorted(within, key=affinities.energy)[: len(ranked)]
    assert [one.energy for one in ranked] == pytest.approx([affinities.energy(tree) for tree in best])
    assert ranked[0].behind == ranked[0].noise == 0 and all(one.cost <= nodes for one in ranked)
    assert sum(one.confidence for one in ranked) == pytest.approx(1)


def test_a_budget_below_hard_sharing_leaves_hard_sharing() -> None:
    space = plain_space((True, True), (1, 1), 3)
    (only,) = leading_trees(space, made_affinities(space), NodeCosts((1.0,) * 2), 1, 0)
    assert only.tree == Tree.shared(3, 2) and only.sure


def test_where_tasks_do_not_care_the_cheapest_tree_is_taken() -> None:
    space = plain_space((True, True, True), (1, 1, 1), 4)
    costs = NodeCosts((1.0,) * 3)
    rng = np.random.default_rng(0)
    noise = replace(made_affinities(space), cost=rng.normal(0, 0.02, (3, 4, 4)), noise=np.full((3, 4, 4), 0.02))
    for affinities, expected in (
        (noise, Tree.shared(4, 3)),
        (paired(space, 0.02), Tree.from_groups([[[0, 2], [1, 3]]] * 3)),
    ):
        best = leading_trees(space, affinities, costs, 12, 0, count=1)[0].tree
        assert cheapest_tied(space, affinities, costs, best, 0) == expected


def test_budgets_hold_also_where_tasks_gain_by_company() -> None:
    """Hard sharing then costs nothing, while trees beyond the budget may gain."""
    space = plain_space((True, True), (1, 1), 4)
    cost = np.full((2, 4, 4), 0.05)
    cost[:, [0, 1], [1, 0]] = cost[:, [2, 3], [3, 2]] = -0.11
    cost[:, range(4), range(4)] = 0
    affinities = replace(made_affinities(space), cost=cost, noise=np.full((2, 4, 4), 0.02))
    assert affinities.energy(Tree.shared(4, 2)) < 0 and affinities.energy(Tree.from_groups([[[0, 1], [2, 3]]] * 2)) < 0
    assert affinities.least_energy == pytest.approx(affinities.energy(Tree.from_groups([[[0, 1], [2, 3]]] * 2)))
    costs = NodeCosts((1.0, 1.0))
    for share, nodes in ((0.0, 2.0), (1.0, 4.0)):
        points = fit_branch_points(space, affinities, costs, share, seed=0)
        assert float(costs.expected(points).detach()) == pytest.approx(nodes, abs=0.1)


def test_what_was_learned_goes_to_json_and_back() -> None:
    space = plain_space((True, False, True), (1, 2, 1), 3)
    few = FitSettings(steps=5, samples=4, leading=3, keep_every=2)
    learned = Branching.learn(space, made_affinities(space), NodeCosts((1.0,) * 3), (0.4, 0.8), 0, few)
    value = json.loads(json.dumps(learned.to_json()))
    again = Branching.from_json(value, space)
    assert again.shares == (0.4, 0.8)
    for mine, yours in zip(learned.points, again.points, strict=True):
        assert torch.equal(mine.logits, yours.logits)
    assert again.figures() == learned.figures() and again.courses == learned.courses
    assert [course.steps for course in learned.courses] == [[0, 2, 4, 5]] * 2
    for course, points in zip(learned.courses, learned.points, strict=True):
        last, now = torch.tensor(course.probabilities[-1]), points.probabilities().detach()
        assert torch.allclose(last.double(), now, atol=1e-4) and course.probabilities[0] != course.probabilities[-1]
        assert torch.allclose(torch.tensor(course.entropies[-1]).double(), points.entropy().detach(), atol=1e-4)
    old = {**value, "budgets": [{k: v for k, v in one.items() if k != "course"} for one in value["budgets"]]}
    assert [course.steps for course in Branching.from_json(old, space).courses] == [[], []]
    kept = value["budgets"][0]["course"]
    wrong = ({"steps": [0, 4, 2, 5]}, {"steps": [0]}, {"probabilities": [[1.5]]}, {"entropies": 3})
    courses = [{"budgets": [{**value["budgets"][0], "course": {**kept, **one}}]} for one in wrong]
    for damage in (
        *courses,
        {"budgets": [{**value["budgets"][0], "course": [1]}]},
        {"budgets": [{"share": 0.4, "logits": [1.0]}]},
        {"budgets": 3},
        {"affinities": {}},
    ):
        with pytest.raises(ArchitectureError):
            Branching.from_json({**value, **damage}, space)


def test_advice_is_given_for_any_budget_and_says_when_it_is_not_sure() -> None:
    space = plain_space((True, True, True), (1, 1, 1), 4)
    table = CostTable.plain((0, 0), [[(1, 1)]] * 3, [(2, 1)] * 4)
    few = FitSettings(steps=20, leading=10)
    clear = Branching.learn(space, paired(space, 0.01), NodeCosts.mean(space, table), (2 / 9,), 0, few)
    for share, nodes in ((0.0, 3), (2 / 9, 5), (0.5, 7.5), (1.0, 12)):
        advice = advise(space, table, clear, share, 0)
        assert advice.budget == pytest.approx(8 + nodes) and all(one.cost <= 8 + nodes for one in advice.trees)
        assert len(advice.choices) == 9 and all(0 < one.largest <= 1 for one in advice.choices)
    advice = advise(space, table, clear, 2 / 9, 0)
    assert advice.trees[0].tree == PAIRS and advice.sure and not advice.even
    told = advice.to_json(space)
    assert told["sure"] and told["trees"][0]["groups"]["b1"] == [["a", "c"], ["b", "d"]]
    assert json.loads(json.dumps(told)) == told
    nothing = replace(paired(space, 0.3), cost=np.zeros((3, 4, 4)))
    vague = advise(space, table, Branching.learn(space, nothing, NodeCosts.mean(space, table), (1.0,), 0), 1.0, 0)
    assert not vague.sure and vague.even and vague.cheapest == Tree.shared(4, 3)


def test_advice_on_another_cost_is_not_that_of_budgets_of_params() -> None:
    """Almost all MACs are in the first block, so that the same share of them allows more groups after it."""
    space = plain_space((True, True, True), (1, 1, 1), 4)
    table = CostTable.plain((0, 0), [[(1, 100)], [(1, 1)], [(1, 1)]], [(0, 0)] * 4)
    params, affinities = NodeCosts.mean(space, table), paired(space, 0.01)
    known, unknown = (Branching.learn(space, affinities, params, (share,), 0) for share in (2 / 9, 0.9))
    told, other = (advise(space, table, one, 2 / 9, 0, cost="macs") for one in (known, unknown))
    assert told.choices == other.choices and told.trees == other.trees
    assert told.choices != advise(space, table, known, 2 / 9, 0).choices


# Measuring -------------------------------------------------------------------------------------------------------


def test_readouts_see_what_is_in_the_features_and_are_judged_on_other_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(600, 5, generator=generator)
    linear = x[:, :1] * 2 - x[:, 3:4] + 1
    unrelated = torch.randn(600, 1, generator=generator)
    half = [Sets(t[:400], t[400:]) for t in (x, linear, unrelated)]
    seen, unseen = readout_losses(half[0], half[1:], (1e-6, 1e-2, 1.0))
    assert float(seen.mean()) < 1e-6 and 0.6 < float(unseen.mean()) < 1.4
    linear[5] = torch.nan
    linear[450] = torch.nan
    (again,) = readout_losses(half[0], [Sets(linear[:400], linear[400:])], (1e-6,))
    assert bool(again[50].isnan()) and float(again.nanmean()) < 1e-6


def test_maps_and_tokens_become_rows_of_few_places() -> None:
    assert as_rows(torch.randn(2, 3, 9, 7), 3).shape == (2, 27)
    assert as_rows(torch.randn(2, 3, 2, 1), 3).shape == (2, 6)
    assert as_rows(torch.randn(2, 20, 4), 3).shape == (2, 36)
    assert as_rows(torch.randn(2, 5), 3).shape == (2, 5)
    constant = as_rows(torch.arange(3.0).view(1, 3, 1, 1).expand(1, 3, 6, 6), 2)
    assert constant.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]]


def test_series_and_videos_become_rows_of_few_places() -> None:
    assert as_rows(torch.randn(2, 5, 100), 3, series=True).shape == (2, 5 * 9)
    assert as_rows(torch.randn(2, 5, 4), 3, series=True).shape == (2, 5 * 9)  # a batch of short ones beside others
    assert as_rows(torch.randn(2, 4, 2, 9, 9), 3).shape == (2, 4 * 2 * 3 * 3)
    assert as_rows(torch.randn(2, 4, 5, 6, 3, 4), 3).shape == (2, 4 * 27)
    channels = as_rows(torch.arange(2.0).view(1, 2, 1).expand(1, 2, 50), 2, series=True)
    assert channels.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]


def test_wide_maps_have_fewer_places_and_complex_ones_both_parts() -> None:
    assert as_rows(torch.randn(2, 8, 9, 9), 3, most=40).shape == (2, 8 * 4)
    assert as_rows(torch.randn(2, 8, 9, 9), 3, most=5).shape == (2, 8)
    assert as_rows(torch.randn(2, 20, 8), 3, most=40).shape == (2, 8 * 5)
    assert as_rows(torch.randn(2, 8, 4, 4, 4), 2, most=63).shape == (2, 8)
    assert as_rows({"a": torch.randn(2, 8, 9, 9), "b": torch.randn(2, 8)}, 3, most=80).shape == (2, 8 * 4 + 8)
    x = torch.complex(torch.ones(1, 2, 4, 4), torch.full((1, 2, 4, 4), 3.0))
    assert as_rows(x, 1).tolist() == [[1, 1, 3, 3]]


@pytest.mark.parametrize("rows", [30, 90])
def test_principal_axes_are_found_by_samples_where_there_are_fewer_of_them(rows: int) -> None:
    x = torch.randn(rows, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x -= x.mean(0)
    values, axes = principal_axes(x)
    assert axes.shape == (50, len(values)) and len(values) <= min(rows, 50)
    assert torch.allclose(axes.T @ axes, torch.eye(len(values), dtype=torch.float64))
    assert torch.allclose(axes * values @ axes.T, x.T @ x / rows)


def test_affinities_of_series_keep_channels_apart() -> None:
    """Each task wants the mean of one channel of many, which its own node lets pass, and the other's does not."""

    class Waves(torch.utils.data.Dataset[tuple[torch.Tensor, dict[str, torch.Tensor]]]):
        x = torch.randn(400, 24, 1, generator=torch.Generator().manual_seed(0)).expand(400, 24, 40).clone()

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, i: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            return self.x[i], {"a": self.x[i, 10].mean(), "b": self.x[i, 11].mean()}

    def head(shape: tuple[int, ...]) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1], 1), nn.Flatten(0))

    space = SearchSpace(
        [regression(name, head=head) for name in "ab"],
        [Block("only", {"conv": lambda shape: nn.Conv1d(shape[0], shape[0], 1)})],
    )
    supernet = SuperNetwork(space, Waves.x[:2])
    with torch.no_grad():
        for copy, gone in ((0, 11), (1, 10)):
            weight = torch.eye(24)
            weight[gone] = 0
            supernet.node(0, copy, "conv").weight.copy_(weight[:, :, None])  # type: ignore[operator, union-attr]
    found = measure_affinities(supernet, Data(Waves(), Waves(), branch=Waves(), batch_size=50))
    # What is left of an error that is next to nothing is the floor of .03.
    assert found.cost[0, 0, 1] == pytest.approx(math.log(1.03 / 0.03), rel=0.1)
    assert found.cost[0, 1, 0] == pytest.approx(math.log(1.03 / 0.03), rel=0.1)


def test_labels_become_numbers() -> None:
    assert one_hot(torch.tensor([1, -100, 0]), classes=2, missing=-100).tolist() == [[0, 1], [0, 0], [1, 0]]
    assert one_hot(torch.zeros(2, 4, 5, dtype=torch.uint8), classes=3, missing=255).shape == (2, 3, 4, 5)
    numbers = as_numbers(torch.tensor([[1.0, math.nan], [3.0, 5.0]]), missing=math.nan)
    assert numbers.tolist() == [[1, 5], [3, 5]]


def test_a_fork_shares_all_before_it_and_nothing_after() -> None:
    assert Tree.parting(3, 3, 1) == Tree.from_groups([[[0, 1, 2]], [[0], [1], [2]], [[0], [1], [2]]])
    assert Tree.parting(3, 2, 0) == Tree.split(3, 2)


def test_affinities_of_nodes_that_throw_away_what_another_task_needs() -> None:
    """Copies of the last block are set by hand: those of tasks 0 and 1 keep all, that of task 2 gives nothing."""
    supernet = SuperNetwork(toy_space(norm=False), toy_x(4), seed=0).eval()
    with torch.no_grad():
        for option in ("linear", "wide"):
            for parameter in supernet.node(2, 2, option).parameters():
                parameter.zero_()
    found = measure_affinities(supernet, toy_data(), samples=60)
    assert found.blocks == ("first", "middle", "last") and found.places == (0, 1, 2)
    assert found.cost.shape == (3, 3, 3) and np.isfinite(found.cost).all()
    for at in range(3):
        assert np.diag(found.cost[at]).tolist() == [0, 0, 0] and np.diag(found.noise[at]).tolist() == [0, 0, 0]
    assert found.cost[2, 2, :2].min() > 0.2 > found.cost[2, :2, 2].max()
    assert (found.noise[2, :2, :2][~np.eye(2, dtype=bool)] > 0).all()
    again = measure_affinities(supernet, toy_data(), samples=60)
    assert np.array_equal(found.cost, again.cost)


def test_a_task_that_does_not_say_what_it_wants_is_read_from_its_head() -> None:
    tasks = [replace(task, targets=None) for task in toy_tasks()]
    supernet = SuperNetwork(toy_space(tasks=tasks), toy_x(4), seed=0).eval()
    found = measure_affinities(supernet, toy_data(), samples=60)
    # A linear head can be read from what it reads.
    assert found.cost[2][~np.eye(3, dtype=bool)].min() > 0


def test_a_task_without_labels_costs_nothing() -> None:
    x = toy_x(20, 1)
    labels = toy_labels(x)
    weight = next(task for task in toy_tasks() if task.name == "weight")
    labels["weight"] = torch.full_like(labels["weight"], weight.missing)
    supernet = SuperNetwork(toy_space(), toy_x(4), seed=0).eval()
    held = Samples(x, labels)
    found = measure_affinities(supernet, Data(toy_samples(40), held, branch=held))
    index = supernet.space.architectures.tasks.index("weight")
    assert not found.cost[:, :, index].any() and found.cost[:, index].any()
