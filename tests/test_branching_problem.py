"""The branching benchmark: the problem with a known tree, its students, measures and rivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import torch

from benchmarks.branching import ours
from benchmarks.branching.compute import Meter
from benchmarks.branching.layers import draw_weights, nodes
from benchmarks.branching.measures import exact, pair_accuracy, rank
from benchmarks.branching.network import Forest, TreeNetwork, errors, fit, test_errors
from benchmarks.branching.problem import Problem, Teacher, identical, make_problem, pairs, renumbered, unrelated
from benchmarks.branching.rivals import bmtas, ceiling, ltb, one_shot, pairwise, random_trees
from benchmarks.branching.rivals.expected_cost import ExpectedCost
from benchmarks.branching.rivals.found import Found, best
from benchmarks.branching.trees import plain_space, tree_of_paths, trees_within
from mtnas.architecture import Tree

test_errors.__test__ = False  # type: ignore[attr-defined]

DEEP = Tree.from_groups([[[0, 1, 2, 3]], [[0, 1, 2, 3]], [[0, 1], [2, 3]]])
WIDTH = 4


def small(seed: int = 0, teacher: Teacher | None = None) -> Problem:
    return make_problem(seed, teacher, train=64, valid=16, test=32)


# problem ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("teacher", [pairs(), pairs(8), unrelated(3), identical(5), Teacher(DEEP)])
def test_truth_is_the_teachers_tree_in_other_numbers(teacher: Teacher) -> None:
    problem = small(1, teacher)
    assert sorted(len(group) for _, group in problem.truth.nodes()) == sorted(
        len(group) for _, group in teacher.tree.nodes()
    )
    assert problem.truth in set(plain_space(problem.tasks, 3).trees()) if problem.tasks < 6 else True
    assert problem.y.shape == (64, teacher.tree.tasks)
    assert small(1, teacher).y.equal(problem.y)


def test_tasks_are_numbered_anew_for_every_seed() -> None:
    truths = {str(small(seed).truth) for seed in range(20)}
    assert truths == {"0123|01.23|01.23", "0123|02.13|02.13", "0123|03.12|03.12"}
    kept = make_problem(3, train=64, valid=16, test=32, permute=False)
    assert kept.truth == pairs().tree
    assert pairs(8).tree.node_count == 9


def test_renumbering_moves_labels_with_the_tree() -> None:
    """The tasks of a problem are those of the unpermuted one in another order, and the tree follows."""
    moved = [(small(seed), make_problem(seed, train=64, valid=16, test=32, permute=False)) for seed in range(5)]
    for problem, plain in moved:
        numbers = [
            next(new for new in range(4) if problem.y_test[:, new].equal(plain.y_test[:, old])) for old in range(4)
        ]
        assert renumbered(plain.truth, numbers) == problem.truth
        assert problem.x.equal(plain.x)
    assert any(not problem.y.equal(plain.y) for problem, plain in moved)


def test_labels_are_standard_and_only_those_to_train_and_judge_by_are_noisy() -> None:
    noisy, clean = make_problem(0), make_problem(0, noise=0.0)
    assert (len(noisy.x), len(noisy.x_valid), len(noisy.x_test)) == (1280, 320, 2000)
    assert clean.y.mean(0).abs().max() < 1e-5
    assert (clean.y.std(0) - 1).abs().max() < 1e-5
    assert noisy.y_test.equal(clean.y_test)
    for with_noise, without in ((noisy.y, clean.y), (noisy.y_valid, clean.y_valid)):
        assert 0.08 < (with_noise - without).std() < 0.12


def test_identical_tasks_differ_by_noise_only_and_unrelated_ones_by_more() -> None:
    same, apart = make_problem(0, identical()), make_problem(0, unrelated())
    assert same.truth == Tree.shared(4, 3)
    assert apart.truth == Tree.split(4, 3)
    assert (same.y_test - same.y_test[:, :1]).abs().max() == 0
    assert (same.y[:, 0] - same.y[:, 1]).std() > 0.1
    assert torch.corrcoef(apart.y_test.T).triu(1).abs().max() < 0.5


def test_an_odd_number_of_tasks_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="even number of tasks"):
        pairs(3)


# networks --------------------------------------------------------------------------------------------------------


def test_nodes_are_tanh_with_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    weights, biases = (tensor[None].requires_grad_() for tensor in draw_weights(3, 5, generator))
    inputs = torch.randn(1, 5, 7, generator=generator, requires_grad=True)
    made, wanted = nodes(weights, biases, inputs), torch.tanh(weights @ inputs + biases)
    torch.testing.assert_close(made, wanted, atol=1e-6, rtol=0)
    towards = torch.randn(1, 3, 7, generator=generator)
    found = torch.autograd.grad((made * towards).sum(), [weights, biases, inputs])
    for grad, other in zip(
        found, torch.autograd.grad((wanted * towards).sum(), [weights, biases, inputs]), strict=True
    ):
        torch.testing.assert_close(grad, other, atol=1e-5, rtol=0)


def test_a_network_computes_its_tree() -> None:
    """Tasks on one path differ by their heads only, and weights are as many as nodes."""
    tree = Tree.from_groups([[[0, 1, 2]], [[0, 2], [1]], [[0], [1], [2]]])
    network = TreeNetwork(tree, WIDTH, 5, seed=0)
    assert [len(weights) for weights in network.forest.weights] == [1, 2, 3, 3]
    x = torch.randn(6, 5)
    weights, biases = network.forest.weights, network.forest.biases
    for task, path in enumerate([(0, 0, 0), (0, 1, 1), (0, 0, 2)]):
        feature = x.T
        for block, node in enumerate(path):
            feature = torch.tanh(weights[block][node] @ feature + biases[block][node])
        wanted = weights[3][task] @ feature + biases[3][task]
        torch.testing.assert_close(network(x)[:, task], wanted[0], atol=1e-5, rtol=0)


def test_a_forest_trains_as_its_trees_do_alone() -> None:
    problem = small()
    trees = [problem.truth, Tree.split(4, 3), Tree.shared(4, 3), DEEP]
    forest = fit(Forest(trees, WIDTH, 16, [0, 1, 2, 3]), problem.x, problem.y, steps=5)
    together = errors(forest, problem.x_test, problem.y_test)
    for seed, tree in enumerate(trees):
        alone = fit(TreeNetwork(tree, WIDTH, 16, seed), problem.x, problem.y, steps=5)
        found = torch.tensor(test_errors(alone, problem.x_test, problem.y_test))
        torch.testing.assert_close(found, together[seed], atol=1e-4, rtol=0)


def test_training_reduces_the_error() -> None:
    problem = small()
    network = TreeNetwork(problem.truth, WIDTH, 16, 0)
    before = sum(test_errors(network, problem.x, problem.y))
    fit(network, problem.x, problem.y, steps=100)
    assert sum(test_errors(network, problem.x, problem.y)) < 0.7 * before


# compute ---------------------------------------------------------------------------------------------------------


def test_one_training_of_the_true_tree_is_one_unit() -> None:
    problem = small()
    meter = Meter(problem)
    meter.trained(problem.truth.node_count, 2500)
    assert meter.units == 1
    meter.judged(3 * problem.truth.node_count, 64)
    assert meter.units == 1 + 1 / 2500
    meter.trained(problem.truth.node_count, 2500, samples=16)
    assert meter.units == 1.25 + 1 / 2500


# trees and measures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "blocks"), [(1, 2), (3, 2), (4, 3), (5, 2)])
def test_trees_within_a_number_of_nodes_are_all_such_trees(tasks: int, blocks: int) -> None:
    every = sorted(plain_space(tasks, blocks).trees())
    for nodes_allowed in range(blocks, tasks * blocks + 1):
        wanted = [tree for tree in every if tree.node_count <= nodes_allowed]
        assert trees_within(tasks, blocks, nodes_allowed) == wanted
    assert len(trees_within(4, 3, 5)) == 21


def test_paths_that_meet_again_are_apart_from_where_they_parted() -> None:
    assert str(tree_of_paths([(0, 0, 1), (0, 2, 1), (0, 0, 1)])) == "012|02.1|02.1"


def test_measures_of_trees_made_by_hand() -> None:
    truth = pairs().tree
    assert exact(Tree.from_groups([[[3, 2, 1, 0]], [[3, 2], [1, 0]], [[1, 0], [2, 3]]]), truth)
    assert not exact(DEEP, truth)
    assert pair_accuracy(truth, truth) == [1, 1, 1]
    assert pair_accuracy(DEEP, truth) == [1, 2 / 6, 1]
    assert pair_accuracy(Tree.split(4, 3), truth) == [0, 4 / 6, 4 / 6]
    other = Tree.from_groups([[[0, 1, 2, 3]], [[0, 2], [1, 3]], [[0, 2], [1], [3]]])
    assert pair_accuracy(other, truth) == [1, 2 / 6, 3 / 6]


def test_rank_is_the_place_of_the_true_tree() -> None:
    truth = pairs().tree
    found = best({Tree.split(4, 3): 0.2, DEEP: 0.1, truth: 0.2}, 1.0, "")
    assert found.tree == DEEP
    assert rank(found, truth) == 2  # of equal ones the first in order
    assert rank(replace(found, ranking=()), truth) is None


# rivals ----------------------------------------------------------------------------------------------------------

RIVALS: dict[str, Callable[[Problem], Found]] = {
    "bmtas": lambda problem: bmtas.find(problem, 0, WIDTH, resource_weight=0.01, steps=10),
    "ltb": lambda problem: ltb.find(problem, 0, WIDTH, steps=10),
    "one-shot": lambda problem: one_shot.find(problem, 0, WIDTH, steps=10),
    "pairwise": lambda problem: pairwise.find(problem, 0, WIDTH, steps=3),
    "random trees": lambda problem: random_trees.find(problem, 0, WIDTH, trees=3, steps=3),
    "ceiling": lambda problem: ceiling.find(problem, 0, WIDTH, steps=3),
}


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("teacher", [pairs(), unrelated(3), identical(2)])
def test_a_rival_finds_a_tree_and_says_what_it_cost(name: str, teacher: Teacher) -> None:
    problem = small(0, teacher)
    found = RIVALS[name](problem)
    assert (found.tree.tasks, found.tree.blocks) == (problem.tasks, problem.blocks)
    assert found.units > 0
    assert RIVALS[name](problem) == found
    if found.ranking:
        assert found.ranking[0] == found.tree
        assert all(tree.node_count <= problem.truth.node_count for tree in found.ranking)


def test_what_the_judged_trees_cost() -> None:
    problem = small()
    judged = 16 / 64 / 3  # of a step, in which all nodes are trained on all samples
    assert ceiling.find(problem, 0, WIDTH, steps=100).units == pytest.approx(13 * (100 + judged) / 2500)
    assert pairwise.find(problem, 0, WIDTH, steps=100).units == pytest.approx(6 * 18 / 5 * (100 + judged) / 2500)
    assert len(ceiling.find(problem, 0, WIDTH, steps=1).ranking) == 13
    assert len(random_trees.find(problem, 0, WIDTH, trees=50, steps=1).ranking) == 21
    assert one_shot.find(problem, 0, WIDTH, units=0.02).units == pytest.approx(0.02, abs=0.002)
    with pytest.raises(ValueError, match="at most 5 trees may be trained, but 13 have 5 nodes"):
        ceiling.find(problem, 0, WIDTH, most=5)


def test_bmtas_side_by_side_is_each_run_alone() -> None:
    problem = small()
    together = bmtas.find_all(problem, 0, WIDTH, resource_weights=[0.0, 0.03], steps=20)
    assert [found.tree for found in together] == [
        bmtas.find(problem, 0, WIDTH, resource_weight=weight, steps=20).tree for weight in (0.0, 0.03)
    ]


def test_a_large_resource_weight_shares_everything() -> None:
    found = bmtas.find(small(1), 0, WIDTH, resource_weight=10.0, steps=500)
    assert found.tree == Tree.shared(4, 3)


def test_expected_cost_of_the_first_block_is_exact_and_of_later_ones_that_of_the_published_recurrence() -> None:
    logits = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    probabilities = logits.softmax(-1)
    for run in range(2):
        exactly = 0.0
        for picks in product(range(3), repeat=3):
            chance = float(torch.stack([probabilities[run, 0, task, pick] for task, pick in enumerate(picks)]).prod())
            exactly += chance * len(set(picks))
        assert float(ExpectedCost(3)(logits)[run]) == pytest.approx(exactly, abs=1e-5)
    uniform = torch.zeros(1, 4, 4, 4)
    by_block = [float(ExpectedCost(4)(uniform[:, :blocks])) for blocks in range(1, 5)]
    assert by_block[0] == pytest.approx(4 * (1 - 0.75**4), abs=1e-5)
    assert by_block[1] - by_block[0] == pytest.approx(3.818, abs=1e-3)
    with pytest.raises(ValueError, match="at most 6 tasks"):
        ExpectedCost(7)


def test_ours_finds_a_tree_and_says_what_it_cost() -> None:
    """By the product's own training, on a stream of whole batches."""
    problem = small(0, pairs())
    found = ours.find(problem, 0, WIDTH, steps=50, finalists=2, trained_steps=3)
    assert (found.tree.tasks, found.tree.blocks) == (problem.tasks, problem.blocks)
    assert found.units > 0 and found.note == "2 trees trained" and found.ranking[0] == found.tree
    assert all(tree.node_count <= problem.truth.node_count for tree in found.ranking)
