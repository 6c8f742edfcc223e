"""Weightings of tasks: each is its paper's formula, and a task without labels takes no part in any."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toys import draws, toy_data, toy_labels, toy_space, toy_tasks, toy_x

from mtnas.architecture import Architecture, Tree
from mtnas.errors import TrainingError
from mtnas.runs import Run
from mtnas.space.task import Task
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.weight_step import add_gradients
from mtnas.training.weighting import (
    AggregatedGradients,
    DynamicWeightAverage,
    EqualWeighting,
    LossWeighting,
    PCGrad,
    RandomWeighting,
    StepPart,
    TaskWeighting,
    UncertaintyWeighting,
    weighting_from_json,
)
from mtnas.training.weighting.pcgrad import project_conflicts
from mtnas.training.weighting.sharing import count_sharers

CPU = torch.device("cpu")
NAMES = [task.name for task in toy_tasks()]
seeds = st.integers(0, 2**32 - 1)


class Sum:
    """The plainest aggregator."""

    def __call__(self, gradients: Tensor) -> Tensor:
        return gradients.sum(0)

    def __repr__(self) -> str:
        return "Sum()"


STORED = [
    EqualWeighting(),
    UncertaintyWeighting(learning_rate=0.1),
    DynamicWeightAverage(temperature=0.5),
    RandomWeighting(),
    PCGrad(),
]
EVERY = [*STORED, AggregatedGradients(Sum(), scale=1.0)]
EVERY_WEIGHTING = pytest.mark.parametrize("weighting", EVERY, ids=lambda weighting: type(weighting).__name__)


def leaf_losses(values: Mapping[str, float]) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(torch.tensor(value)) for name, value in values.items()}


def part_of(losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None, parts: int = 1) -> StepPart:
    return StepPart(losses, weights or dict.fromkeys(losses, 1.0), parts, dict)


def gradient_of(parameter: Tensor) -> float:
    assert parameter.grad is not None
    return float(parameter.grad)


# On losses -------------------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(seed=seeds, parts=st.integers(1, 4))
def test_equal_weighting_is_the_weighted_sum_to_the_last_bit(seed: int, parts: int) -> None:
    space = toy_space(tasks=[replace(task, weight=0.1 + index) for index, task in enumerate(toy_tasks())])
    (architecture,) = draws(space, 1, seed)
    gradients = []
    for ours in (True, False):
        supernet = SuperNetwork(space, toy_x(4)).train()
        x = toy_x(9, seed)
        losses = task_losses(space.tasks, supernet(x, architecture), toy_labels(x, complete=False))
        if ours:
            weights = {task.name: task.weight for task in space.tasks}
            EqualWeighting().begin(NAMES, CPU).backward(part_of(losses, weights, parts))
        else:
            total = weighted_sum(space.tasks, losses)
            assert total is not None
            (total / parts).backward()
        gradients.append([weight.grad for weight in list(supernet.parameters())])
    assert any(gradient is not None for gradient in gradients[0])
    for one, other in zip(*gradients, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


def test_uncertainty_weights_follow_their_formula() -> None:
    state = UncertaintyWeighting(learning_rate=0.1).begin(["a", "b"], CPU)
    s: dict[str, nn.Parameter] = state.log_variances  # type: ignore[attr-defined]
    s["a"].data.fill_(0.7)
    losses = leaf_losses({"a": 3.0, "b": 0.5})
    state.begin_step(0)
    state.backward(part_of(losses, {"a": 2.0, "b": 1.0}, parts=4))
    # d/dL of w (exp(-s) L + s) / parts, and d/ds.
    assert gradient_of(losses["a"]) == pytest.approx(2 * math.exp(-0.7) / 4)
    assert gradient_of(losses["b"]) == pytest.approx(1 / 4)
    assert gradient_of(s["a"]) == pytest.approx(2 * (1 - 3 * math.exp(-0.7)) / 4)
    assert gradient_of(s["b"]) == pytest.approx((1 - 0.5) / 4)
    state.end_step()
    assert float(s["a"].detach()) == pytest.approx(0.8, abs=1e-5)  # Adam's first step has the size of its rate
    assert float(s["b"].detach()) == pytest.approx(-0.1, abs=1e-5)


def test_uncertainty_ends_where_the_paper_says_whatever_the_task_weights() -> None:
    """The weight exp(-s) tends to 1 / L; Task.weight stays a factor between the tasks."""
    state = UncertaintyWeighting(learning_rate=0.05).begin(["a", "b"], CPU)
    for step in range(400):
        losses = leaf_losses({"a": 4.0, "b": 0.25})
        state.begin_step(step)
        state.backward(part_of(losses, {"a": 1.0, "b": 3.0}))
        state.end_step()
    assert gradient_of(losses["a"]) == pytest.approx(1 / 4, rel=1e-2)
    assert gradient_of(losses["b"]) == pytest.approx(3 / 0.25, rel=1e-2)


def history(*epochs: Mapping[str, float | None]) -> list[dict[str, Any]]:
    return [{"losses": dict(losses)} for losses in epochs]


def factors_after(epochs: Sequence[Mapping[str, Any]], temperature: float = 2.0) -> dict[str, float]:
    state = DynamicWeightAverage(temperature).begin(["a", "b", "c"], CPU)
    state.begin_epoch(epochs)
    losses = leaf_losses({"a": 1.0, "b": 1.0, "c": 1.0})
    state.backward(part_of(losses))
    return {name: gradient_of(loss) for name, loss in losses.items()}


def test_dynamic_weight_average_is_the_papers_formula() -> None:
    """lambda_k = K exp(w_k / T) / sum_i exp(w_i / T) with w_k = L_k(t-1) / L_k(t-2)."""
    epochs = history({"a": 9, "b": 9, "c": 9}, {"a": 2.0, "b": 1.0, "c": 4.0}, {"a": 1.0, "b": 0.9, "c": 6.0})
    powers = {name: math.exp(rate / 2) for name, rate in {"a": 0.5, "b": 0.9, "c": 1.5}.items()}
    expected = {name: 3 * power / sum(powers.values()) for name, power in powers.items()}
    assert factors_after(epochs) == pytest.approx(expected)
    assert sum(factors_after(epochs, 0.1).values()) == pytest.approx(3)
    assert factors_after(epochs, 1e6) == pytest.approx({"a": 1, "b": 1, "c": 1}, abs=1e-5)


def test_dynamic_weight_average_begins_equal_and_knows_no_rate_of_tasks_without_labels() -> None:
    equal = {"a": 1, "b": 1, "c": 1}
    assert factors_after([]) == factors_after(history({"a": 1, "b": 2, "c": 3})) == pytest.approx(equal)
    gaps = history({"a": None, "b": 1.0, "c": 0.0}, {"a": 1.0, "b": None, "c": 5.0})
    assert factors_after(gaps) == pytest.approx(equal)
    # A loss that leaps a thousandfold gets all the weight, and no overflow.
    assert factors_after(history(equal, {"a": 1e4, "b": 1, "c": 1})) == pytest.approx({"a": 3, "b": 0, "c": 0})


def test_random_weights_are_a_softmax_that_the_steps_seed_decides() -> None:
    state = RandomWeighting().begin(NAMES, CPU)
    seen = []
    for seed in [*range(2000), 7]:
        state.begin_step(seed)
        losses = leaf_losses(dict.fromkeys(NAMES, 1.0))
        state.backward(part_of(losses))
        seen.append([gradient_of(loss) for loss in losses.values()])
    assert seen[7] == seen[-1] != seen[8]
    weights = torch.tensor(seen)
    assert bool((weights > 0).all())
    torch.testing.assert_close(weights.sum(1), torch.full((2001,), 3.0))
    torch.testing.assert_close(weights.mean(0), torch.ones(3), rtol=0, atol=0.06)
    # Differences of the logarithms of a softmax are those of its normal numbers: variance 2.
    assert float((weights[:, 0] / weights[:, 1]).log().var()) == pytest.approx(2, rel=0.1)


# Gradient surgery ------------------------------------------------------------------------------------------------


def everywhere(gradients: Tensor) -> Tensor:
    return torch.ones_like(gradients, dtype=torch.bool)


def test_conflicting_gradients_are_projected() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    # g1 - (g1.g2 / |g2|^2) g2 = (0.5, 0.5); g2 - (g2.g1 / |g1|^2) g1 = (0, 1).
    found = project_conflicts(gradients, everywhere(gradients), random.Random(0))
    torch.testing.assert_close(found, torch.tensor([0.5, 1.5]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("other", [[0.3, 1.0, 2.0], [0.0, 0.7, 0.1], [0.0, 0.0, 0.0]])
def test_gradients_that_do_not_conflict_are_left_alone(other: list[float]) -> None:
    gradients = torch.tensor([[1.1, 0.0, 0.0], other])
    found = project_conflicts(gradients, everywhere(gradients), random.Random(0))
    assert torch.equal(found, gradients.sum(0))


@given(seed=seeds, count=st.integers(2, 5))
def test_the_projections_are_those_of_algorithm_1(seed: int, count: int) -> None:
    gradients = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rng, total = random.Random(seed), torch.zeros(4, dtype=torch.float64)
    for i in range(count):
        order = [j for j in range(count) if j != i]
        rng.shuffle(order)
        g = gradients[i].clone()
        for j in order:
            if g @ gradients[j] < 0:
                g -= (g @ gradients[j]) / gradients[j].square().sum() * gradients[j]
        total += g
    found = project_conflicts(gradients, everywhere(gradients), random.Random(seed))
    torch.testing.assert_close(found, total)


def test_tasks_are_compared_where_both_are() -> None:
    """The first two weights are shared by all, the last by the second and third task."""
    gradients = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 1.0, 5.0], [0.0, 0.0, 0.0]])
    uses = torch.tensor([[True, True, False], [True, True, True], [True, True, True]])
    found = project_conflicts(gradients, uses, random.Random(0))
    torch.testing.assert_close(found, torch.tensor([0.5, 1.5, 5.0]), rtol=0, atol=1e-6)


TREES = {
    "shared": Tree.shared(3, 3),
    "split": Tree.split(3, 3),
    "branched": Tree.from_groups([[[0, 1, 2]], [[0, 2], [1]], [[0], [1], [2]]]),
    "late": Tree.from_groups([[[0, 1, 2]], [[0, 1, 2]], [[0, 1], [2]]]),
}
EVERY_TREE = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)


def conflicting_tasks() -> list[Task]:
    """The first and last want opposite things."""
    tasks = toy_tasks()
    return [tasks[0], tasks[1], replace(tasks[2], loss=lambda output, label: (output + 2 * label).square().mean())]


def step_gradients(
    weighting: TaskWeighting, tree: Tree, tasks: list[Task], labels: dict[str, Tensor] | None = None, seed: int = 5
) -> tuple[SuperNetwork, dict[str, Tensor | None]]:
    """Gradients of one sub-network on one batch, by the name of the weight."""
    torch.manual_seed(0)
    space = toy_space(norm=False, stem=True, tasks=tasks)
    supernet = SuperNetwork(space, toy_x(4)).train()
    x = toy_x(12, 3)
    state = weighting.begin([task.name for task in tasks], CPU)
    state.begin_step(seed)
    architecture = Architecture.uniform(tree, ("linear", "wide", "linear"))
    how = TrainingSettings(sandwich=False, random_networks=1)
    add_gradients(supernet, [(x, labels or toy_labels(x))], [architecture], state, how, CPU)
    return supernet, {name: weight.grad for name, weight in supernet.named_parameters()}


@EVERY_TREE
def test_pcgrad_on_a_tree_is_algorithm_1_in_the_metric_of_the_step(tree: Tree) -> None:
    """By hand: gradients of every task alone; products in which a node of n tasks counts 1/n; steps of 1/n."""
    tasks = conflicting_tasks()
    supernet, found = step_gradients(PCGrad(), tree, tasks, seed=5)
    architecture = Architecture.uniform(tree, ("linear", "wide", "linear"))
    x = toy_x(12, 3)
    losses = task_losses(tasks, supernet.view(architecture, average_gradients=False)(x), toy_labels(x))
    names, weights = zip(*supernet.named_parameters(), strict=True)
    alone = [torch.autograd.grad(losses[t.name], weights, retain_graph=True, allow_unused=True) for t in tasks]
    sharers = count_sharers(supernet, architecture)
    shared = [i for i in range(len(names)) if sum(row[i] is not None for row in alone) > 1]
    assert bool(shared) and any(sharers[weights[i]] == 3 for i in shared)

    def product(a: Sequence[Tensor | None], b: Sequence[Tensor | None], common: list[int]) -> float:
        return sum(float((a[i] * b[i]).sum()) / sharers[weights[i]] for i in common)  # type: ignore[operator]

    rng = random.Random(5)
    total: dict[int, Tensor] = {}
    projections = 0
    for task, own in enumerate(alone):
        order = [other for other in range(3) if other != task]
        rng.shuffle(order)
        g = list(own)
        for other in order:
            common = [i for i in shared if own[i] is not None and alone[other][i] is not None]
            overlap = product(g, alone[other], common)
            if overlap < 0:
                projections += 1
                factor = overlap / product(alone[other], alone[other], common)
                for i in common:
                    g[i] = g[i] - factor * alone[other][i]  # type: ignore[operator]
        for i, gradient in enumerate(g):
            if gradient is not None:
                total[i] = total.get(i, torch.zeros_like(gradient)) + gradient / sharers[weights[i]]
    assert projections > 0
    for i, name in enumerate(names):
        gradient = found[name]
        assert (gradient is None) == (i not in total), name
        if gradient is not None:
            torch.testing.assert_close(gradient, total[i], rtol=1e-4, atol=1e-6, msg=name)


def assert_same_gradients(found: Mapping[str, Tensor | None], expected: Mapping[str, Tensor | None]) -> None:
    assert found.keys() == expected.keys() and any(gradient is not None for gradient in expected.values())
    for name, gradient in expected.items():
        other = found[name]
        assert (gradient is None) == (other is None), name
        if gradient is not None and other is not None:
            torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-6, msg=name)


@EVERY_TREE
def test_a_sum_of_gradients_is_equal_weighting(tree: Tree) -> None:
    """Also of tasks of unlike weight, one of them without labels: shared nodes see the mean, as ever."""
    tasks = [replace(task, weight=weight) for task, weight in zip(toy_tasks(), (1.0, 0.3, 2.0), strict=True)]
    labels = toy_labels(toy_x(12, 3))
    for gone in (False, True):
        if gone:
            labels["kind"][:] = -100
        expected = step_gradients(EqualWeighting(), tree, tasks, labels)[1]
        assert_same_gradients(step_gradients(AggregatedGradients(Sum(), 1.0), tree, tasks, labels)[1], expected)


def test_pcgrad_of_tasks_that_want_the_same_is_equal_weighting() -> None:
    tasks = toy_tasks()[:1] * 3
    tasks = [replace(task, name=name, label="height", head=same_head) for task, name in zip(tasks, "abc", strict=True)]
    expected = step_gradients(EqualWeighting(), TREES["shared"], tasks)[1]
    assert_same_gradients(step_gradients(PCGrad(), TREES["shared"], tasks)[1], expected)
    opposed = [tasks[0], replace(tasks[1], loss=lambda output, label: (output + label).square().mean()), tasks[2]]
    expected = step_gradients(EqualWeighting(), TREES["shared"], opposed)[1]
    with pytest.raises(AssertionError):
        assert_same_gradients(step_gradients(PCGrad(), TREES["shared"], opposed)[1], expected)


def same_head(shape: tuple[int, ...]) -> nn.Module:
    linear = nn.Linear(shape[0], 1)
    nn.init.constant_(linear.weight, 0.1)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.Flatten(0))


@settings(max_examples=20)
@given(seed=seeds)
def test_a_projected_step_raises_neither_of_two_losses(seed: int) -> None:
    """To first order, also where the tasks part: what the published method promises for hard sharing."""
    tasks = [conflicting_tasks()[0], conflicting_tasks()[2]]
    space = toy_space(norm=False, tasks=tasks)
    (architecture,) = draws(space, 1, seed)
    supernet = SuperNetwork(space, toy_x(4), seed).train()
    x = toy_x(12, seed)
    state = PCGrad().begin([task.name for task in tasks], CPU)
    state.begin_step(seed)
    how = TrainingSettings(sandwich=False, random_networks=1)
    add_gradients(supernet, [(x, toy_labels(x))], [architecture], state, how, CPU)
    losses = task_losses(tasks, supernet.view(architecture, average_gradients=False)(x), toy_labels(x))
    for loss in losses.values():
        own = torch.autograd.grad(loss, list(supernet.parameters()), retain_graph=True, allow_unused=True)
        pairs = [(g, w.grad) for g, w in zip(own, list(supernet.parameters()), strict=True) if g is not None]
        assert sum(float((g * step).sum()) for g, step in pairs if step is not None) >= -1e-5


def test_sharers_are_counted_per_node() -> None:
    supernet = SuperNetwork(toy_space(stem=True), toy_x(4))
    architecture = Architecture.uniform(TREES["branched"], ("linear", "wide", "linear"))
    sharers = count_sharers(supernet, architecture)

    def of(module: nn.Module) -> set[int]:
        return {sharers[weight] for weight in module.parameters()}

    assert of(supernet.stem) == of(supernet.node(0, 0, "linear")) == {3}
    assert of(supernet.node(1, 0, "wide")) == {2} and of(supernet.node(1, 1, "wide")) == {1}
    assert of(supernet.node(2, 2, "linear")) == {1} and of(supernet.heads) == {1}


@pytest.mark.parametrize("seed", range(20))
def test_sharers_are_those_whose_losses_reach_a_weight_where_copies_are_few(seed: int) -> None:
    tasks = [replace(task, name=f"{task.name}_{copy}", label=task.name) for copy in range(2) for task in toy_tasks()]
    space = replace(toy_space(tasks=tasks), copies=3)
    supernet, rng = SuperNetwork(space, toy_x(4)), random.Random(seed)
    architecture = space.architectures.draw_options(space.architectures.draw_tree(rng), rng)
    sharers, x = count_sharers(supernet, architecture), toy_x(4)
    outputs = supernet(x, architecture)
    weights = list(supernet.parameters())
    alone = [
        torch.autograd.grad(y.square().sum(), weights, retain_graph=True, allow_unused=True) for y in outputs.values()
    ]
    for number, weight in enumerate(weights):
        reached = sum(row[number] is not None for row in alone)
        assert reached in (0, sharers.get(weight))
    settings = TrainingSettings(sandwich=False, random_networks=1)
    state = PCGrad().begin([task.name for task in tasks], CPU)
    state.begin_step(seed)
    add_gradients(supernet, [(x, toy_labels(x))], [architecture], state, settings, CPU)


# Aggregators of others -------------------------------------------------------------------------------------------


@EVERY_TREE
def test_torchjd_and_mtnas_agree_on_gradient_surgery_and_on_means(tree: Tree) -> None:
    aggregation = pytest.importorskip("torchjd.aggregation")
    tasks = [conflicting_tasks()[0], conflicting_tasks()[2]]
    tree = Tree(tuple(row[:2] for row in tree.leaders))
    pairs = [
        (PCGrad(), AggregatedGradients(aggregation.PCGrad(), scale=1.0)),
        (EqualWeighting(), AggregatedGradients(aggregation.Mean())),
        (EqualWeighting(), AggregatedGradients(aggregation.Sum(), scale=1.0)),
    ]
    for ours, theirs in pairs:
        assert_same_gradients(step_gradients(theirs, tree, tasks)[1], step_gradients(ours, tree, tasks)[1])


class Counting(Sum):
    def reset(self) -> None:
        pass


@pytest.mark.parametrize(
    ("aggregator", "said"),
    [
        (lambda gradients: gradients.sum(0), "is an address.*give its class a __repr__"),
        (Counting(), "keeps a state from step to step.*use one without"),
        ("UPGrad", "an aggregator is a function of a matrix.*but got 'UPGrad'"),
    ],
)
def test_aggregators_that_no_run_could_go_on_with_are_refused(aggregator: Any, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        AggregatedGradients(aggregator)


# Missing labels --------------------------------------------------------------------------------------------------


@EVERY_TREE
@EVERY_WEIGHTING
def test_a_task_without_labels_in_the_batch_adds_exactly_nothing(weighting: TaskWeighting, tree: Tree) -> None:
    x = toy_x(12, 3)
    labels = toy_labels(x)
    labels["weight"][:] = torch.nan
    found = []
    for loss in (toy_tasks()[2].loss, lambda output, label: 1e3 * output.sum()):
        tasks = [*toy_tasks()[:2], replace(toy_tasks()[2], loss=loss)]
        found.append(step_gradients(weighting, tree, tasks, labels)[1])
    heads = [name for name in found[0] if name.startswith("heads.2.")]
    assert len(heads) == 2 and all(found[0][name] is None for name in heads)
    for name, gradient in found[0].items():
        other = found[1][name]
        assert (gradient is None and other is None) or torch.equal(gradient, other), name  # type: ignore[arg-type]


def test_uncertainty_of_a_task_without_labels_stays_where_it_is() -> None:
    """Not even the momentum of steps before moves it."""
    state = UncertaintyWeighting(learning_rate=0.1).begin(["a", "b"], CPU)
    for step, names in enumerate(["ab", "ab", "a", "a"]):
        before = {name: tensor.clone() for name, tensor in state.tensors().items()}
        state.begin_step(step)
        state.backward(part_of(leaf_losses(dict.fromkeys(names, 5.0))))
        state.end_step()
        after = state.tensors()
        moved = [name for name in "ab" if after[f"log_variance.{name}"] != before[f"log_variance.{name}"]]
        assert moved == list(names)


# Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", STORED, ids=lambda weighting: type(weighting).__name__)
def test_own_weightings_go_to_json_and_back(weighting: TaskWeighting) -> None:
    how = TrainingSettings(weighting=weighting)
    stored = json.loads(json.dumps(how.to_json()))
    assert stored["weighting"]["name"] == type(weighting).__name__
    assert TrainingSettings.from_json(stored) == how
    assert weighting_from_json(stored["weighting"]) == weighting


def test_json_of_other_weightings_is_refused() -> None:
    how = TrainingSettings(weighting=AggregatedGradients(Sum()))
    assert how.to_json()["weighting"] == {"name": "AggregatedGradients", "aggregator": "Sum()", "scale": None}
    with pytest.raises(TrainingError, match="'AggregatedGradients' cannot be made from JSON.*pass the object itself"):
        TrainingSettings.from_json(how.to_json())
    with pytest.raises(TrainingError, match="not settings of PCGrad: .*'order'"):
        weighting_from_json({"name": "PCGrad", "order": 3})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DynamicWeightAverage(0), "^temperature must be above 0, but is 0"),
        (lambda: UncertaintyWeighting(-1), "^learning_rate of the uncertainty weighting must be above 0, but is -1"),
        (lambda: AggregatedGradients(Sum(), 0), "^scale of the aggregated gradients must be above 0, but is 0"),
        (lambda: TrainingSettings(weighting="pcgrad"), "^weighting must be a TaskWeighting .* but is 'pcgrad'"),  # type: ignore[arg-type]
        (lambda: TrainingSettings(weighting=PCGrad), "^weighting must be a TaskWeighting"),  # type: ignore[arg-type]
        (lambda: TrainingSettings(weighting=Own(torch.ones(2))), "Own cannot be kept as JSON .* give it a to_json"),
    ],
)
def test_impossible_weightings_are_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        make()


@dataclass(frozen=True)
class Own(TaskWeighting):
    """A user's own weighting: the square of the sum."""

    power: Any = 2

    def begin(self, tasks: Sequence[str], device: torch.device) -> LossWeighting:
        power = self.power

        class State(LossWeighting):
            def total(self, losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
                total: Tensor = sum(losses.values()) ** power  # type: ignore[assignment]
                return total

        return State()


def test_a_users_own_weighting_needs_nothing_of_the_package(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", 3)
    how = TrainingSettings(epochs=1, shared_warmup=1.0, weighting=Own(3), device="cpu")
    ours = train(toy_space(), toy_data(), run, how, show_progress=False)
    assert run.manifest.section("training")["weighting"] == {"name": "Own", "power": 3}
    with pytest.raises(TrainingError, match="the weighting 'Own' cannot be made from JSON"):
        TrainingSettings.from_json(run.manifest.section("training"))
    equal = replace(how, weighting=EqualWeighting())
    plain = train(toy_space(), toy_data(), Run(tmp_path / "plain", 3), equal, show_progress=False)
    assert not torch.equal(next(iter(ours.heads.parameters())), next(iter(plain.heads.parameters())))
