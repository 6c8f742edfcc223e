"""Evaluation: batch-norm statistics of their own, and errors that depend on a task's path only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import Samples, draws, toy_data, toy_labels, toy_samples, toy_space, toy_tasks, toy_x

from mtnas.architecture import Architecture, Candidate, Tree
from mtnas.errors import DataError, SearchError
from mtnas.evaluation import InheritedErrors, extract, recalibrate, task_errors
from mtnas.space.data import Batch, Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.task import on_all
from mtnas.supernet import SuperNetwork

seeds = st.integers(0, 2**32)
OPTIONS = ("linear", "wide", "linear")


@pytest.fixture(scope="module")
def supernet(space: SearchSpace) -> SuperNetwork:
    return SuperNetwork(space, toy_x(4), seed=1).eval()


@contextmanager
def calls_of(modules: list[nn.Module]) -> Iterator[list[nn.Module]]:
    """The modules in the order in which they are called."""
    calls: list[nn.Module] = []
    handles = [module.register_forward_hook(lambda module, *_: calls.append(module)) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def every_node(space: SearchSpace) -> Iterator[tuple[int, int, str]]:
    for block, choices in enumerate(space.architectures.blocks):
        for leader in range(len(space.tasks)):
            for option in choices.options:
                yield block, leader, option


def batches(sizes: list[int], seed: int = 0, *, complete: bool = True) -> list[Batch]:
    x = toy_x(sum(sizes), seed)
    labels = toy_labels(x, complete=complete)
    parts = {name: label.split(sizes) for name, label in labels.items()}
    return [(part, {name: parts[name][index] for name in parts}) for index, part in enumerate(x.split(sizes))]


# Calibration -----------------------------------------------------------------------------------------------------


def norm_network() -> nn.Sequential:
    """Two batch norms behind one another, one that keeps no statistics, and dropout."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 5),
        nn.BatchNorm1d(5, momentum=0.3),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(5, 4),
        nn.BatchNorm1d(4, momentum=None),
        nn.BatchNorm1d(4, track_running_stats=False),
    )


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(2, 9), min_size=1, max_size=5), seed=seeds)
def test_statistics_are_the_average_over_batches_by_their_samples(sizes: list[int], seed: int) -> None:
    """Of each batch's mean and unbiased variance, whatever was there before."""
    network = norm_network().train()
    network(5 + toy_x(30, 1))
    given_batches = batches(sizes, seed)
    recalibrate(network, given_batches)

    first, second = network[1], network[5]
    expected: dict[nn.Module, list[Tensor]] = {first: [], second: []}
    with torch.no_grad():
        for x, _ in given_batches:
            assert isinstance(x, Tensor)
            one = network[0](x)
            expected[first].append(one)
            normalised = (one - one.mean(0)) / (one.var(0, unbiased=False) + first.eps).sqrt()
            expected[second].append(network[4](normalised.relu()))
    for norm, inputs in expected.items():
        mean = sum(len(value) * value.mean(0) for value in inputs) / sum(sizes)
        variance = sum(len(value) * value.var(0) for value in inputs) / sum(sizes)
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=1e-5)
        assert int(norm.num_batches_tracked) == len(sizes)


@pytest.mark.parametrize("sizes", [[6, 6], [8, 3]])
def test_running_averages_of_instance_norm_are_recalibrated_too(sizes: list[int]) -> None:
    norm = nn.InstanceNorm1d(2, track_running_stats=True, momentum=0.3)
    network = nn.Sequential(nn.Unflatten(1, (2, 3)), norm).train()
    network(5 + toy_x(30, 1))
    given_batches = batches(sizes)
    recalibrate(network, given_batches)
    x = torch.cat([one for one, _ in given_batches]).unflatten(1, (2, 3))  # (N, 2, 3)
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2)))
    torch.testing.assert_close(norm.running_var, x.var(2).mean(0))
    assert norm.momentum == 0.3 and not norm.training


def test_calibration_leaves_all_else_as_it_was() -> None:
    network = norm_network().train()
    weights = {name: parameter.clone() for name, parameter in network.named_parameters()}
    recalibrate(network, batches([5, 5]))
    assert not any(module.training for module in network.modules())
    assert [network[index].momentum for index in (1, 5, 6)] == [0.3, None, 0.1]
    assert network[6].running_mean is None
    assert all(torch.equal(parameter, weights[name]) for name, parameter in network.named_parameters())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    # Neither dropout nor what was calibrated before leaves a mark.
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    recalibrate(network, batches([7, 3], 1))
    recalibrate(network, batches([5, 5]))
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())


def test_a_network_without_batch_norm_is_not_run() -> None:
    network = nn.Sequential(nn.Linear(6, 2), nn.Dropout(0.5)).train()
    with calls_of([network]) as calls:
        recalibrate(network, batches([4]))
    assert not calls and not network.training


def test_an_interrupted_calibration_leaves_the_momenta_as_they_were() -> None:
    """Otherwise training that goes on afterwards would average over all of its past."""

    def interrupted() -> Iterator[Batch]:
        yield from batches([4])
        raise KeyboardInterrupt

    network = norm_network()
    with pytest.raises(KeyboardInterrupt):
        recalibrate(network, interrupted())
    assert [network[index].momentum for index in (1, 5, 6)] == [0.3, None, 0.1]
    assert not any(module.training for module in network.modules())


# Errors ----------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5), seed=seeds)
def test_errors_are_of_all_samples_as_one_set(
    space: SearchSpace, supernet: SuperNetwork, sizes: list[int], seed: int
) -> None:
    (architecture,) = draws(space, 1, seed)
    network = supernet.extract(architecture).eval()
    sizes = [*sizes, 5]
    parts = task_errors(network, space.tasks, batches(sizes, seed, complete=False))
    whole = task_errors(network, space.tasks, batches([sum(sizes)], seed, complete=False))
    assert parts == pytest.approx(whole, rel=1e-5) and list(whole) == [task.name for task in space.tasks]

    x, labels = batches([sum(sizes)], seed, complete=False)[0]
    with torch.no_grad():
        output = network(x)
    known = labels["kind"] >= 0
    assert whole["kind"] == pytest.approx(float((output["kind"].argmax(1) != labels["kind"])[known].float().mean()))
    known = ~labels["height"].isnan()
    squares = (output["height"] - labels["height"])[known].square()
    assert whole["height"] == pytest.approx(float(squares.mean().sqrt()), rel=1e-5)


def test_only_tasks_that_the_network_computes_are_judged(space: SearchSpace, supernet: SuperNetwork) -> None:
    (architecture,) = draws(space, 1)
    every = task_errors(supernet.extract(architecture).eval(), space.tasks, batches([9, 9]))
    some = task_errors(supernet.view(architecture, (0, 2)), space.tasks, batches([9, 9]))
    assert some == {name: every[name] for name in ("height", "weight")}
    assert list(task_errors(supernet.view(architecture), space.tasks[1:2], batches([9]))) == ["kind"]


def test_samples_without_a_label_never_reach_the_meter(space: SearchSpace, supernet: SuperNetwork) -> None:
    def share_of_numbers(outputs: Tensor, labels: Tensor) -> float:
        assert len(outputs) == len(labels)
        return float(labels.isfinite().float().mean()) + len(labels)

    task = replace(space.tasks[0], error=on_all(share_of_numbers))
    (x, labels) = batches([9], complete=False)[0]
    known = int(labels["height"].isfinite().sum())
    assert 0 < known < 9
    (architecture,) = draws(space, 1)
    assert task_errors(supernet.extract(architecture).eval(), [task], [(x, labels)]) == {"height": 1 + known}


def test_a_task_without_a_labelled_sample_is_named(space: SearchSpace, supernet: SuperNetwork) -> None:
    samples = toy_samples(20)
    samples.labels["kind"][:] = -100
    errors = InheritedErrors(supernet, Data(toy_samples(60), samples, batch_size=16))
    with pytest.raises(DataError, match="task 'kind' has no labelled sample in the data that judges it; give it"):
        errors(Architecture.uniform(Tree.shared(3, 3), OPTIONS))


def test_an_error_that_is_not_finite_is_refused() -> None:
    first, *others = toy_tasks()
    space = toy_space(tasks=[replace(first, error=on_all(lambda output, label: float("nan"))), *others])
    errors = InheritedErrors(SuperNetwork(space, toy_x(4)), toy_data())
    with pytest.raises(SearchError, match="the error of task 'height' is nan; an error must be a finite number"):
        errors(Architecture.uniform(Tree.shared(3, 3), OPTIONS))


def test_a_negative_error_is_refused() -> None:
    first, *others = toy_tasks()
    space = toy_space(tasks=[replace(first, error=on_all(lambda output, label: -0.5)), *others])
    errors = InheritedErrors(SuperNetwork(space, toy_x(4)), toy_data())
    with pytest.raises(SearchError, match=r"the error of task 'height' is -0\.5, but errors are costs .* as 1 - R\^2"):
        errors(Architecture.uniform(Tree.shared(3, 3), OPTIONS))


# Inherited errors ------------------------------------------------------------------------------------------------


def test_errors_depend_on_the_path_only(space: SearchSpace, supernet: SuperNetwork, data: Data) -> None:
    """To the last bit: each architecture is judged by an evaluator that knows nothing yet."""
    known: dict[object, float] = {}
    met = 0
    for architecture in draws(space, 80):
        found = InheritedErrors(supernet, data)(architecture)
        for index, task in enumerate(space.tasks):
            key = (index, architecture.path(index))
            met += key in known
            assert known.setdefault(key, found[task.name]) == found[task.name]
    assert met > 20 and len(set(known.values())) > 50


def test_known_architectures_are_looked_up(space: SearchSpace, supernet: SuperNetwork, data: Data) -> None:
    errors = InheritedErrors(supernet, data)
    members = list(draws(space, 15))
    first = [errors(architecture) for architecture in members]
    with calls_of(list(supernet.modules())) as calls:
        again = [errors(architecture) for architecture in reversed(members)][::-1]
    assert again == first and not calls
    for architecture, found in zip(members, first, strict=True):
        assert found == InheritedErrors(supernet, data)(architecture)
        assert list(found) == [task.name for task in space.tasks]


def test_new_architectures_of_known_paths_are_looked_up(space: SearchSpace, supernet: SuperNetwork, data: Data) -> None:
    errors = InheritedErrors(supernet, data)
    shared, split = (Architecture.uniform(tree, OPTIONS) for tree in (Tree.shared(3, 3), Tree.split(3, 3)))
    for architecture in (shared, split):
        errors(architecture)
    # Two tasks on the first one's nodes, the third alone: the paths of either are known.
    joined = Architecture.uniform(Tree.from_groups([[[0, 1], [2]]] * 3), OPTIONS)
    with calls_of(list(supernet.modules())) as calls:
        found = errors(joined)
    assert not calls
    assert found == InheritedErrors(supernet, data)(joined)
    assert found == {**errors(shared), "weight": errors(split)["weight"]}


@pytest.mark.parametrize("count", [1, 20])
def test_every_node_behind_a_prefix_is_run_once(
    space: SearchSpace, supernet: SuperNetwork, data: Data, count: int
) -> None:
    """Three calibration batches and two to judge by go through each node behind each different way to it, once.

    Nodes that do nothing are passed over, and heads without batch norm need no calibration.
    """
    errors = InheritedErrors(supernet, data)
    members = list(draws(space, count))
    paths = {(index, member.path(index)) for member in members for index in range(3)}
    prefixes = {path[:length] for _, path in paths for length in (1, 2, 3)}
    nodes = [supernet.node(block, leader, option) for block, leader, option in every_node(space)]
    heads = [supernet.head(task) for task in range(len(supernet.heads))]
    with calls_of(nodes) as calls, calls_of(heads) as judged, calls_of([supernet.stem]) as begun:
        for member in members:
            errors(member)
    used = [supernet.node(len(prefix) - 1, *prefix[-1]) for prefix in prefixes]
    assert Counter(calls) == Counter(node for node in used if not isinstance(node, nn.Identity) for _ in range(5))
    assert Counter(judged) == Counter(supernet.head(index) for index, _ in paths for _ in range(2))
    assert len(begun) == 5


@pytest.mark.parametrize("options", [{"cache_mib": 0}, {"cache_mib": 0.01}, {"keep_mib": 0}])
def test_figures_do_not_depend_on_the_memory_there_is(
    space: SearchSpace, supernet: SuperNetwork, data: Data, options: dict[str, float]
) -> None:
    much, little = InheritedErrors(supernet, data), InheritedErrors(supernet, data, **options)
    for architecture in draws(space, 15):
        assert little(architecture) == much(architecture)


def test_errors_that_were_measured_before_are_taken(space: SearchSpace, supernet: SuperNetwork, data: Data) -> None:
    (architecture,) = draws(space, 1)
    errors = InheritedErrors(supernet, data)
    told = {"height": 0.25, "kind": 0.5, "weight": 0.75}
    errors.remember(architecture, told)
    with calls_of(list(supernet.modules())) as calls:
        assert errors(architecture) == told
    assert not calls


def test_judging_leaves_weights_and_momenta_alone(space: SearchSpace, supernet: SuperNetwork, data: Data) -> None:
    before = {name: parameter.clone() for name, parameter in supernet.named_parameters()}
    errors = InheritedErrors(supernet, data)
    for architecture in draws(space, 5):
        errors(architecture)
    for name, parameter in supernet.named_parameters():
        assert torch.equal(parameter, before[name]) and parameter.grad is None and parameter.requires_grad
    norms = [module for module in supernet.modules() if isinstance(module, nn.BatchNorm1d)]
    assert {norm.momentum for norm in norms} == {0.1} and not any(module.training for module in supernet.modules())


def test_batches_that_are_not_kept_give_the_same_errors(space: SearchSpace, supernet: SuperNetwork) -> None:
    train, valid = toy_samples(60, complete=False), toy_samples(20, 1, complete=False)
    data = Data(train, valid, batch_size=16, eval_batch_size=12, calibration_samples=30)
    kept, read = InheritedErrors(supernet, data), InheritedErrors(supernet, data, keep_mib=0)
    for architecture in draws(space, 5):
        reads = valid.reads
        found = kept(architecture)
        assert valid.reads == reads
        assert read(architecture) == found
        assert valid.reads > reads


def test_calibration_sees_training_samples_and_judging_validation_samples_only(
    space: SearchSpace, supernet: SuperNetwork
) -> None:
    train, valid, test, branch = (toy_samples(count, seed) for seed, count in enumerate((60, 20, 20, 20)))
    data = Data(train, valid, test, branch, batch_size=16, eval_batch_size=10, calibration_samples=30)
    errors = InheritedErrors(supernet, data)
    (architecture,) = draws(space, 1)
    first = errors(architecture)
    assert (train.reads, valid.reads, test.reads, branch.reads) == (30, 20, 0, 0)
    blank = Samples(train.x, {name: torch.zeros_like(label) for name, label in train.labels.items()})
    unlabelled = Data(blank, valid, branch=branch, batch_size=16, eval_batch_size=10, calibration_samples=30)
    assert InheritedErrors(supernet, unlabelled)(architecture) == first


@settings(max_examples=25)
@given(seed=seeds)
def test_what_is_extracted_has_the_errors_that_were_inherited(
    space: SearchSpace, supernet: SuperNetwork, data: Data, seed: int
) -> None:
    (architecture,) = draws(space, 1, seed)
    inherited = InheritedErrors(supernet, data)(architecture)
    network = supernet.extract(architecture)
    recalibrate(network, data.calibration_batches())
    assert task_errors(network, space.tasks, data.valid_batches()) == inherited
    for candidate in (architecture, Candidate(architecture)):
        ready = extract(supernet, candidate, data)
        assert not ready.training
        assert task_errors(ready, space.tasks, data.valid_batches()) == inherited
