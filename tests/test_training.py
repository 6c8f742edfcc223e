"""Training: seeds decide everything, interruptions change nothing, and each gradient is that of its formula."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import IterableDataset
from toys import (
    Samples,
    draws,
    plain_space,
    plain_spaces,
    plain_table,
    toy_data,
    toy_labels,
    toy_samples,
    toy_space,
    toy_tasks,
    toy_x,
)

from mtnas.architecture import Architecture, ArchitectureSpace, Tree
from mtnas.errors import DataError, MtnasError, RunError, TrainingError
from mtnas.evaluation import task_errors
from mtnas.runs import Run, load_checkpoint
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.task import Task
from mtnas.space.task_types import binary, classification, multilabel, regression
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, load_branching, load_supernetwork, resolve_device, train
from mtnas.training.batch_labels import BatchLabels
from mtnas.training.distillation import mix_with_teacher
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.sampling import Sandwich
from mtnas.training.schedule import learning_rate_factor
from mtnas.training.trainer import Trainer

seeds = st.integers(0, 2**32)
SETTINGS = TrainingSettings(epochs=3, learning_rate=0.01, shared_warmup=0.34, device="cpu")
"""One epoch of hard sharing, one in which tasks part, one of all trees; an epoch has three steps."""
SPACE = toy_space(dropout=0.2)


def trained(path: Path, seed: int = 3, how: TrainingSettings = SETTINGS, data: Data | None = None) -> SuperNetwork:
    return train(SPACE, data or toy_data(), Run(path, seed), how, show_progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, SuperNetwork]:
    """A run that was never interrupted."""
    path = tmp_path_factory.mktemp("finished") / "run"
    supernet = trained(path)
    return Run(path), supernet


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    mine, yours = one.state_dict(), other.state_dict()
    assert mine.keys() == yours.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, yours[name]), name


def assert_same_checkpoint(one: Run, other: Run) -> None:
    """Weights, state of the optimizers and history."""
    (mine, note), (yours, other_note) = load_checkpoint(one.checkpoint), load_checkpoint(other.checkpoint)
    assert note == other_note and mine.keys() == yours.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, yours[name]), name


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, calls: int) -> None:
    """Let the trainer be stopped by the user once ``method`` has been called so many times."""
    original = getattr(Trainer, method)
    count = 0

    def interrupted(self: Trainer, *args: Any) -> Any:
        nonlocal count
        if count == calls:
            raise KeyboardInterrupt
        count += 1
        return original(self, *args)

    monkeypatch.setattr(Trainer, method, interrupted)


# Runs ------------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_whatever_happened_before(
    tmp_path: Path, finished: tuple[Run, SuperNetwork]
) -> None:
    torch.manual_seed(99)
    random.seed(99)
    supernet = trained(tmp_path / "run")
    assert not supernet.training
    assert_same_weights(supernet, finished[1])
    assert_same_checkpoint(Run(tmp_path / "run"), finished[0])


@pytest.mark.parametrize("draw", [lambda: float(torch.rand(())), np.random.rand, random.random])
def test_augmentation_by_any_global_generator_follows_the_seed(tmp_path: Path, draw: Callable[[], float]) -> None:
    """In training, in measuring affinities and in calibrating."""

    class Augmented(Samples):
        def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
            x, labels = super().__getitem__(index)
            return x + draw(), labels

    plain = toy_samples(60)
    data = Data(Augmented(plain.x, plain.labels), toy_samples(20, 1), batch_size=16, calibration_samples=30)
    found = []
    for chance in (1, 2):
        torch.manual_seed(chance)
        np.random.seed(chance)
        random.seed(chance)
        supernet = trained(tmp_path / str(chance), data=data)
        batches = torch.cat([x for x, _ in data.calibration_batches()])
        found.append((supernet, load_branching(Run(tmp_path / str(chance))), batches, draw()))
    (one, branching, batches, after), (other, same, again, later) = found
    assert_same_weights(one, other)
    assert branching is not None and same is not None
    assert branching.affinities.to_json() == same.affinities.to_json()
    assert torch.equal(batches, again) and after != later


def test_another_seed_gives_other_weights(tmp_path: Path, finished: tuple[Run, SuperNetwork]) -> None:
    other = trained(tmp_path / "run", seed=4)
    pairs = list(zip(other.parameters(), finished[1].parameters(), strict=True))
    assert sum(torch.equal(one, two) for one, two in pairs) < len(pairs) / 10


@pytest.mark.parametrize(
    ("method", "calls", "epochs"),
    [
        *(("train_epoch", calls, calls) for calls in (0, 1, 2)),
        *(("_weight_step", calls, calls // 3) for calls in (1, 3, 5, 8)),
        ("_learn_branching", 0, 1),
    ],
)
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    finished: tuple[Run, SuperNetwork],
    method: str,
    calls: int,
    epochs: int,
) -> None:
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt(patch, method, calls)
        with pytest.raises(KeyboardInterrupt):
            trained(path)
    assert Run(path).checkpoint.exists() == (epochs > 0)
    if epochs:
        assert load_checkpoint(Run(path).checkpoint)[1]["epoch"] == epochs
        with pytest.raises(RunError, match=f"has trained {epochs} of 3 epochs; finish the training first"):
            load_supernetwork(SPACE, toy_data(), Run(path), "cpu")
    torch.manual_seed(calls)
    assert_same_weights(trained(path), finished[1])
    assert_same_checkpoint(Run(path), finished[0])


def test_a_training_interrupted_after_every_epoch_gets_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: tuple[Run, SuperNetwork]
) -> None:
    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            interrupt(patch, "train_epoch", 1)
            trained(tmp_path / "run")
    interrupt(monkeypatch, "train_epoch", 1)
    assert_same_weights(trained(tmp_path / "run"), finished[1])


def test_a_finished_run_trains_nothing_again(
    monkeypatch: pytest.MonkeyPatch, finished: tuple[Run, SuperNetwork]
) -> None:
    run, supernet = finished
    before = run.checkpoint.read_bytes()
    interrupt(monkeypatch, "train_epoch", 0)
    assert_same_weights(trained(run.path), supernet)
    loaded = load_supernetwork(SPACE, toy_data(), run, "cpu")
    assert not loaded.training
    assert_same_weights(loaded, supernet)
    assert run.checkpoint.read_bytes() == before


def test_every_epoch_tells_its_history(finished: tuple[Run, SuperNetwork]) -> None:
    history = load_checkpoint(finished[0].checkpoint)[1]["history"]
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    for entry in history:
        assert list(entry["losses"]) == [task.name for task in toy_tasks()]
    assert ["branching" in entry for entry in history] == [False, True, False]
    learned = history[1]["branching"]
    assert learned["budgets"] == [0.0, 0.25, 0.5, 0.75]
    assert torch.tensor(learned["probabilities"]).shape == (4, 3, 3, 3)
    assert torch.tensor(learned["entropy"]).shape == (4, 3, 2)


def test_training_lowers_every_loss(tmp_path: Path) -> None:
    how = TrainingSettings(epochs=20, learning_rate=0.03, device="cpu")
    train(toy_space(), toy_data(), Run(tmp_path / "run"), how, show_progress=False)
    history = load_checkpoint(Run(tmp_path / "run").checkpoint)[1]["history"]
    for task in toy_tasks():
        assert history[-1]["losses"][task.name] < 0.8 * history[0]["losses"][task.name]


Value = TypeVar("Value")


def test_every_epoch_sees_every_sample_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    """Samples for the weights, for the branch points and to judge by are kept apart."""

    class Logged(Samples):
        def __init__(self, count: int, seed: int) -> None:
            samples = toy_samples(count, seed)
            super().__init__(samples.x, samples.labels)
            self.log: list[int] = []

        def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
            self.log.append(index)
            return super().__getitem__(index)

    orders = []
    for name in ("one", "two"):
        weights, valid, test, branch = (Logged(count, seed) for seed, count in enumerate((40, 20, 20, 20)))
        trained(tmp_path / name, data=Data(weights, valid, test, branch, batch_size=16))
        for part in (weights, branch, valid, test) * 2:  # a digest is taken in order, twice, a dry run before it
            del part.log[: part.log.index(len(part) - 1) + 1]
        # After the second epoch all of them tell, with those of the branch points, which tasks get along.
        # They are read once for each of the three blocks where tasks may part.
        assert len(weights.log) == 120 + 3 * 40 and len(branch.log) == 3 * 20 and valid.log == test.log == []
        epochs = [weights.log[start : start + 40] for start in (0, 40, 200)]
        assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 3 and sorted(epochs[0]) not in epochs
        orders.append((weights.log, branch.log))
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"how": replace(SETTINGS, epochs=4)}, "training.epochs = 3, but now it is 4"),
        ({"how": replace(SETTINGS, learning_rate=0.02)}, "training.learning_rate = 0.01, but now it is 0.02"),
        ({"data": toy_data(1)}, "data.branch"),
        ({"data": Data(toy_samples(60), toy_samples(20, 7), batch_size=16)}, "data."),
        ({"space": toy_space(dropout=0.3)}, r"space.modules.first.linear = "),
        (
            {"space": toy_space(dropout=0.2, branching=(True, False, True))},
            r"space.architectures.blocks\[1\].branching = true, but now it is false",
        ),
        ({"space": toy_space(dropout=0.2, tasks=toy_tasks()[::-1])}, r"space.architectures.tasks\[0\] = .height"),
        ({"seed": 4}, "seed = 3, but now it is 4"),
    ],
)
def test_a_run_refuses_what_it_does_not_belong_to_by_name(
    finished: tuple[Run, SuperNetwork], change: dict[str, Any], field: str
) -> None:
    run, _ = finished
    before = run.manifest.read()
    with pytest.raises(RunError, match=f"has {field}.* use another run directory"):
        train(
            change.get("space", SPACE),
            change.get("data") or toy_data(),
            Run(run.path, change.get("seed", 3)),
            change.get("how", SETTINGS),
            show_progress=False,
        )
    assert run.manifest.read() == before


def test_a_refusal_shows_both_values_where_they_differ(finished: tuple[Run, SuperNetwork]) -> None:
    with pytest.raises(RunError, match=r"space.modules.first.linear = .*p=0\.2.*, but now it is .*p=0\.3"):
        train(toy_space(dropout=0.3), toy_data(), Run(finished[0].path), SETTINGS, show_progress=False)


def test_the_device_and_its_threads_may_change(finished: tuple[Run, SuperNetwork]) -> None:
    how = TrainingSettings.from_json({**SETTINGS.to_json(), "threads": 1, "device": "cpu"})
    assert_same_weights(trained(finished[0].path, how=how), finished[1])


def test_weights_of_another_space_are_not_loaded(finished: tuple[Run, SuperNetwork]) -> None:
    with pytest.raises(RunError, match=r"has space.modules.first.linear"):
        load_supernetwork(toy_space(), toy_data(), finished[0], "cpu")
    with pytest.raises(RunError, match="has no training yet"):
        load_supernetwork(SPACE, toy_data(), Run(finished[0].path.parent / "nowhere"), "cpu")


# Losses that are not finite --------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: tuple[Run, SuperNetwork]
) -> None:
    samples = toy_samples(60, complete=False)
    good = samples.labels["weight"].clone()
    data = Data(samples, toy_samples(20, 1, complete=False), batch_size=16, eval_batch_size=12, calibration_samples=30)
    original = Trainer.train_epoch

    def spoiling(self: Trainer) -> str:
        text = original(self)
        samples.labels["weight"][:] = torch.inf
        return text

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_epoch", spoiling)
        with pytest.raises(TrainingError, match=r"the loss of task 'weight' is inf; look for labels"):
            trained(tmp_path / "run", data=data)
    tensors, note = load_checkpoint(Run(tmp_path / "run").checkpoint)
    assert note["epoch"] == 1 and all(tensor.isfinite().all() for tensor in tensors.values())
    samples.labels["weight"] = good
    assert_same_weights(trained(tmp_path / "run"), finished[1])


def test_labels_that_are_not_numbers_are_not_taken_for_missing_ones() -> None:
    """-1 means missing here, so NaN is a mistake."""
    (task,) = [task for task in toy_tasks() if task.name == "height"]
    outputs = {"height": torch.zeros(4)}
    labels = {"height": torch.tensor([0.0, torch.nan, 0.0, 0.0])}
    missing_minus_one = replace(task, loss=lambda output, label: (output - label).square().mean(), missing=-1)
    with pytest.raises(TrainingError, match="the loss of task 'height' is nan"):
        task_losses([missing_minus_one], outputs, labels)
    assert float(task_losses([task], outputs, labels)["height"]) == 0


def test_outputs_that_are_not_finite_are_blamed_on_no_label() -> None:
    outputs = {
        "height": torch.tensor([0.0, torch.nan]),
        "kind": torch.zeros(2, 3),
        "weight": torch.full((2,), torch.inf),
    }
    labels = {"height": torch.zeros(2), "kind": torch.zeros(2).long(), "weight": torch.zeros(2)}
    with pytest.raises(TrainingError, match=r"the network's outputs for height, weight are not finite"):
        task_losses(toy_tasks(), outputs, labels)


def test_weights_that_are_not_finite_stop_and_are_not_kept(tmp_path: Path) -> None:
    """The loss is zero, its gradient is not a number: no later step could notice, nor the check of 8 samples."""
    first, *others = toy_tasks()

    def loss(output: Tensor, label: Tensor) -> Tensor:
        return (output - output.detach()).square().sum().sqrt() if len(output) > 8 else output.mean()

    broken = replace(first, loss=loss)
    run = Run(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"is no longer finite after epoch 1; lower the learning rate \(0.01\)"):
        train(toy_space(tasks=[broken, *others]), toy_data(train=20), run, SETTINGS, show_progress=False)
    assert not run.checkpoint.exists()


# Sub-networks of a step ------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(space=plain_spaces(), seed=seeds, count=st.integers(0, 3), extremes=st.booleans())
def test_a_step_trains_the_largest_of_a_tree_and_the_smallest_of_all(
    space: ArchitectureSpace, seed: int, count: int, extremes: bool
) -> None:
    rng = random.Random(seed)
    table = plain_table(space, seed)
    sandwich = Sandwich(space, table, extremes=extremes, random_count=count, smallest_share=1)
    drawn = sandwich.draw(lambda: space.draw_tree(rng), rng)
    assert len(drawn) == count + 2 * extremes
    for architecture in drawn:
        space.check(architecture)
    if extremes:
        teacher, smallest = drawn[:2]
        assert table.of(space, smallest)["params"] == table.smallest(space, "params")
        assert table.of(space, teacher) == table.of(space, table.uniform(space, teacher.tree, "params", largest=True))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_random_network_takes_the_place_of_the_smallest(share: float) -> None:
    space = plain_space([True, True, True], [3, 3, 3], 3)
    table, rng = plain_table(space, 0), random.Random(0)
    sandwich = Sandwich(space, table, extremes=True, random_count=1, smallest_share=share)
    steps = [sandwich.draw(lambda: space.draw_tree(rng), rng) for _ in range(2000)]
    assert {len(drawn) for drawn in steps} == {3}
    trained = sum(drawn[1] == sandwich.smallest for drawn in steps) / len(steps)
    assert abs(trained - share) < 0.04  # 4 standard deviations, and what is drawn by chance
    assert len({drawn[1] for drawn in steps}) > 500 * (1 - share)


SOFT_TASKS = [classification("c", 3), binary("b"), regression("r"), multilabel("m", 2)]
EVERY_SOFT_TASK = pytest.mark.parametrize("task", SOFT_TASKS, ids=lambda task: task.name)


def outputs_of(task: Task, seed: int) -> Tensor:
    shape = {"c": (6, 3), "m": (6, 2)}.get(task.name, (6,))
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def mixed_loss(task: Task, output: Tensor, teacher: Tensor, label: Tensor, share: float) -> Tensor:
    outputs, labels = {task.name: output}, {task.name: label}
    losses = task_losses([task], outputs, labels)
    return mix_with_teacher(BatchLabels([task], labels), losses, outputs, {task.name: teacher}, share)[task.name]


@EVERY_SOFT_TASK
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_distillation_pulls_to_the_teacher_and_labels_to_themselves(task: Task, share: float) -> None:
    torch.manual_seed(0)
    teacher = outputs_of(task, 1)
    label = torch.randint(0, 2, (6, 2) if task.name == "m" else (6,)).to(
        torch.int64 if task.name == "c" else torch.float
    )
    label[4] = task.missing  # type: ignore[call-overload]
    gradients = []
    for output in (teacher.clone(), outputs_of(task, 2)):
        leaf = output.requires_grad_()
        mixed_loss(task, leaf, teacher, label, share).backward()
        plain = output.detach().clone().requires_grad_()
        loss = task.loss_on(plain, label)
        assert loss is not None and leaf.grad is not None
        loss.backward()
        assert plain.grad is not None
        gradients.append((leaf.grad, plain.grad))
    # At the teacher's own outputs there is no pull but that of the labels, elsewhere there is.
    found, of_labels = gradients[0]
    torch.testing.assert_close(found, (1 - share) * of_labels, rtol=1e-4, atol=1e-6)
    found, of_labels = gradients[1]
    assert torch.allclose(found, (1 - share) * of_labels, rtol=1e-3, atol=1e-5) == (share == 0)
    assert bool((found[4] == 0).all())
    # A sample without a label takes no part.
    other = outputs_of(task, 2)
    other[4] += 5
    whole, changed = (mixed_loss(task, output, teacher, label, share) for output in (outputs_of(task, 2), other))
    assert torch.equal(whole, changed)


def test_a_task_that_cannot_be_distilled_learns_from_its_labels() -> None:
    task = replace(SOFT_TASKS[2], distillation=None)
    output, teacher, label = outputs_of(task, 1), outputs_of(task, 2), torch.zeros(6)
    assert torch.equal(mixed_loss(task, output, teacher, label, 0.7), task.loss(output, label))


# Missing labels --------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=seeds)
def test_a_sample_without_a_label_adds_nothing_to_that_task(seed: int) -> None:
    """The gradient of a batch is that of every task on its own labelled samples alone."""
    space = toy_space(norm=False)
    supernet = SuperNetwork(space, toy_x(4))
    (architecture,) = draws(space, 1, seed)
    network = supernet.view(architecture, average_gradients=False)
    x = toy_x(10, seed)
    complete = toy_labels(x)
    gone = torch.rand(3, 10, generator=torch.Generator().manual_seed(seed)) < 0.5
    gone[:, 0] = True  # one sample without any label
    gone[:, 1] = False
    if seed % 5 == 0:
        gone[0] = True  # a task without any label
    labels = {
        task.name: torch.where(missing, torch.tensor(task.missing, dtype=label.dtype), label)
        for (task, missing), label in zip(zip(space.tasks, gone, strict=True), complete.values(), strict=True)
    }

    def gradients(x: Tensor) -> list[Tensor]:
        total = weighted_sum(space.tasks, task_losses(space.tasks, network(x), labels))
        assert total is not None
        found = torch.autograd.grad(total, list(network.parameters()), allow_unused=True)
        return [torch.zeros_like(p) if g is None else g for p, g in zip(network.parameters(), found, strict=True)]

    expected = [torch.zeros_like(parameter) for parameter in network.parameters()]
    for index, task in enumerate(space.tasks):
        here = ~gone[index]
        if bool(here.any()):
            loss = task.loss(network(x[here])[task.name], complete[task.name][here])
            found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
            expected = [e if g is None else e + g for e, g in zip(expected, found, strict=True)]
    torch.testing.assert_close(gradients(x), expected, rtol=1e-4, atol=1e-6)

    # Not even the last bit depends on the input of a sample without labels.
    other = x.clone()
    other[0] += 3
    assert all(torch.equal(a, b) for a, b in zip(gradients(x), gradients(other), strict=True))


class Spectral(nn.Module):
    """A filter with complex weights."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.ones(size // 2 + 1, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x) * self.filter, n=x.shape[-1])


def test_complex_weights_are_trained(tmp_path: Path) -> None:
    options = {"spectral": lambda shape: Spectral(shape[0]), "linear": lambda shape: nn.Linear(shape[0], shape[0])}
    space = replace(SPACE, blocks=[Block("first", options)])
    supernet = train(space, toy_data(), Run(tmp_path / "run", 0), SETTINGS, show_progress=False)
    filters = [weight for weight in supernet.parameters() if weight.is_complex()]
    assert filters and all(bool((weight != 1).all()) for weight in filters)


def test_tasks_without_labels_have_no_loss_and_the_others_are_trained(tmp_path: Path) -> None:
    samples = toy_samples(60)
    samples.labels["kind"][:] = -100
    data = Data(samples, toy_samples(20, 1), batch_size=16)
    trained(tmp_path / "run", data=data)
    history = load_checkpoint(Run(tmp_path / "run").checkpoint)[1]["history"]
    assert [entry["losses"]["kind"] for entry in history] == [None] * 3
    assert all(entry["losses"]["height"] > 0 for entry in history)
    assert weighted_sum(toy_tasks(), {}) is None


def test_losses_are_added_with_their_weights() -> None:
    one, two, three = toy_tasks()
    heavier = replace(two, weight=2.5)
    losses = {"height": torch.tensor(1.0), "kind": torch.tensor(10.0)}
    total = weighted_sum([one, heavier, three], losses)
    assert total is not None and float(total) == 26


# Streams ---------------------------------------------------------------------------------------------------------


class Stream(IterableDataset[tuple[Tensor, dict[str, Tensor]]]):
    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        return (self.samples[index] for index in range(len(self.samples)))


class Once(Stream):
    """Goes on where it stopped the last time, as one that keeps its iterator."""

    def __init__(self, samples: Samples) -> None:
        super().__init__(samples)
        self.left = super().__iter__()

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        return self.left


def first_of(samples: Samples, count: int) -> Samples:
    return Samples(samples.x[:count], {name: label[:count] for name, label in samples.labels.items()})


def streamed(stream: Stream) -> Data:
    valid = toy_samples(20, 1)
    return Data(stream, valid, branch=valid, batch_size=16, eval_batch_size=16, calibration_samples=64)


def test_a_single_sample_at_the_end_of_a_stream_is_passed_over(tmp_path: Path) -> None:
    """Batch norm cannot train on it; 49 are three batches of 16 and one."""
    short, longer = (trained(tmp_path / str(n), data=streamed(Stream(first_of(toy_samples(49), n)))) for n in (48, 49))
    assert_same_weights(short, longer)
    batches = streamed(Stream(toy_samples(49))).calibration_batches()
    assert [len(x) for x, _ in batches] == [16, 16, 16]


def test_a_stream_learns_at_the_rate_of_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """At that of its begin, the only epoch of a phase would stand at the foot of the rise."""
    trained(tmp_path / "run", data=streamed(Stream(toy_samples(48))))
    history = load_checkpoint(Run(tmp_path / "run").checkpoint)[1]["history"]
    half = learning_rate_factor(500, 1000, 50)
    assert [entry["learning_rate"] for entry in history] == [SETTINGS.learning_rate * half] * 3


def test_a_stream_that_does_not_begin_anew_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"in epoch 2 the train data gave no batch; an IterableDataset must begin anew"):
        trained(tmp_path / "run", data=streamed(Once(toy_samples(48))))
    data = streamed(Once(toy_samples(48)))
    assert len(list(data.calibration_batches())) == 3
    with pytest.raises(DataError, match="the train data gave no batch"):  # not statistics of nothing
        list(data.calibration_batches())
    with pytest.raises(DataError, match="the judged data gave no batch"):
        task_errors(nn.Identity(), SPACE.tasks, [])


# Spaces without a choice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "space", [toy_space(branching=(False, False, False)), toy_space(tasks=toy_tasks()[:1])], ids=["shared", "one task"]
)
def test_spaces_with_one_tree_are_trained(tmp_path: Path, space: SearchSpace) -> None:
    run = Run(tmp_path / "run")
    supernet = train(space, toy_data(), run, SETTINGS, show_progress=False)
    history = load_checkpoint(run.checkpoint)[1]["history"]
    assert not any("branching" in entry for entry in history)
    assert_same_weights(load_supernetwork(space, toy_data(), run, "cpu"), supernet)


@pytest.mark.parametrize(
    ("epochs", "shared_warmup", "parting"), [(2, 1.0, 0.0), (2, 0.5, 0.0), (1, 0.6, 0.0), (3, 0.34, 0.33)]
)
def test_after_hard_sharing_every_branch_starts_as_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int, shared_warmup: float, parting: float
) -> None:
    how = TrainingSettings(epochs=epochs, shared_warmup=shared_warmup, parting=parting, device="cpu")
    steps = []
    original = Trainer._weight_step

    def watching(self: Trainer, *args: Any) -> Any:
        steps.append(copies_agree(self.supernet))
        return original(self, *args)

    monkeypatch.setattr(Trainer, "_weight_step", watching)
    supernet = trained(tmp_path / "run", how=how)
    shared = round(epochs * shared_warmup)
    assert not any(steps[: 3 * shared])
    if shared < epochs:
        assert steps[3 * shared] and not copies_agree(supernet)
        # What parting did to the weights is undone at its end.
        assert not parting or (not steps[3 * shared + 1] and steps[3 * (shared + 1)])
    else:
        assert copies_agree(supernet)


def copies_agree(supernet: SuperNetwork) -> bool:
    outputs = []
    training = supernet.training
    supernet.eval()
    with torch.no_grad():
        for tree in (Tree.shared(3, 3), Tree.split(3, 3)):
            outputs.append(supernet(toy_x(5), Architecture.uniform(tree, ("linear", "wide", "linear"))))
    supernet.train(training)
    return all(torch.equal(output, outputs[1][name]) for name, output in outputs[0].items())


# Settings and schedules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        *((name, 0, "must be at least 1, but is 0") for name in ("epochs", "affinity_samples")),
        *((name, value, f"must be above 0, but is {value}") for name in ("learning_rate",) for value in (0, -1.0)),
        *(
            (name, value, f"must lie between 0 and 1, but is {value}")
            for name in ("warmup_share", "random_trees", "shared_warmup", "parting", "distillation")
            for value in (-0.1, 1.1)
        ),
        *(
            (name, value, f"must be at least 0, but is {value}")
            for name in ("weight_decay", "gradient_clip", "threads", "random_networks")
            for value in (-1, -5)
        ),
    ],
)
def test_impossible_settings_are_refused(name: str, value: float, limit: str) -> None:
    with pytest.raises(TrainingError, match=f"^{name} {limit}"):
        TrainingSettings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 1.5) for name in ("epochs", "affinity_samples", "random_networks")),
        *((name, math.inf) for name in ("learning_rate", "parting")),
        *((name, math.inf) for name in ("weight_decay", "ema_decay")),
        *((name, math.nan) for name in ("epochs", "learning_rate", "parting", "gradient_clip")),
    ],
)
def test_settings_that_no_training_can_have_are_refused(name: str, value: float) -> None:
    with pytest.raises(TrainingError, match=f"^{name} .*{value}"):
        TrainingSettings(**{name: value})


def test_a_step_that_would_train_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match="random_networks must be at least 1 without sandwich, but is 0"):
        TrainingSettings(sandwich=False, random_networks=0)


def test_impossible_budgets_of_trees_are_refused() -> None:
    with pytest.raises(TrainingError, match="tree_budgets is empty"):
        TrainingSettings(tree_budgets=())
    with pytest.raises(TrainingError, match="tree_budgets must .* but is 1.5"):
        TrainingSettings(tree_budgets=(0.5, 1.5))


def test_settings_go_to_json_and_back() -> None:
    how = TrainingSettings(epochs=7, parting=0.25, tree_budgets=(0.3, 0.6), device="cpu")
    assert TrainingSettings.from_json({**how.to_json(), "device": "cpu"}) == how
    assert "device" not in how.to_json()
    assert "smallest_share" not in how.to_json()  # runs of before it could be chosen do not have it, and go on
    other = TrainingSettings(smallest_share=0.25)
    assert TrainingSettings.from_json({**other.to_json(), "device": "auto"}) == other
    with pytest.raises(TrainingError, match="not training settings: .*'epoch'"):
        TrainingSettings.from_json({"epoch": 3})
    with pytest.raises(TrainingError):
        TrainingSettings.from_json({"epochs": "many"})


def test_impossible_devices_are_refused() -> None:
    assert resolve_device("cpu").type == "cpu" and resolve_device("auto").type in ("cpu", "cuda")
    with pytest.raises(TrainingError, match="there is no device 'None'; use auto, cpu or cuda"):
        resolve_device(None)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="there is no device 'gpu'; use auto, cpu or cuda"):
        resolve_device("gpu")


@given(steps=st.integers(1, 500), share=st.floats(0, 1))
def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero(steps: int, share: float) -> None:
    warmup = round(steps * share)
    factors = [learning_rate_factor(step, steps, warmup) for step in range(steps + 1)]
    rising, falling = factors[:warmup], factors[warmup:]
    assert rising == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert falling[0] == 1 and falling == sorted(falling, reverse=True) and min(factors) >= 0
    if warmup < steps:
        assert falling[-1] == pytest.approx(0, abs=1e-12)
        # A cosine is half way down in the middle.
        middle = learning_rate_factor(warmup + (steps - warmup) // 2, steps, warmup)
        assert (steps - warmup) % 2 or middle == pytest.approx(0.5)


def test_bad_data_is_refused_before_training(tmp_path: Path) -> None:
    samples = toy_samples(60)
    del samples.labels["kind"]
    with pytest.raises(MtnasError, match="task 'kind': there is no label 'kind'"):
        trained(tmp_path / "run", data=Data(samples, Samples(samples.x, samples.labels)))
    assert not (tmp_path / "run").exists()
