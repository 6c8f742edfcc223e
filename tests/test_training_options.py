"""Options of the training: averages, accumulation, precision, compiling, TensorBoard, devices; going on with each."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from test_weighting import EVERY, Sum
from torch import Tensor, nn
from toy_runs import TOY_FILE, call, refused, searched_run
from toys import draws, toy_data, toy_labels, toy_samples, toy_space, toy_tasks, toy_x

from mtnas.architecture import Architecture, Tree
from mtnas.errors import RunError, TrainingError
from mtnas.runs import Run, load_checkpoint, save_checkpoint
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.task import Task
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, load_supernetwork, supernet_training, train
from mtnas.training.accumulation import in_groups, label_shares
from mtnas.training.averages import WeightAverages
from mtnas.training.compiling import compiled
from mtnas.training.loss import task_losses, weighted_sum
from mtnas.training.trainer import Trainer
from mtnas.training.weight_step import add_gradients
from mtnas.training.weighting import AggregatedGradients, EqualWeighting, PCGrad, TaskWeighting, UncertaintyWeighting

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(epochs=3, learning_rate=0.01, shared_warmup=0.34, device="cpu")
"""One epoch of hard sharing, two with branch points; an epoch has three batches."""
SPACE = toy_space(dropout=0.2)


def trained(path: Path, how: TrainingSettings = SETTINGS, space: SearchSpace = SPACE, data: Data | None = None) -> Any:
    return train(space, data or toy_data(), Run(path, 3), how, show_progress=False)


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    mine, yours = one.state_dict(), other.state_dict()
    assert mine.keys() == yours.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, yours[name]), name


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Let the trainer be stopped by the user in the epoch after so many."""
    original = Trainer.train_epoch
    left = epochs

    def stopping(self: Trainer) -> str:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(Trainer, "train_epoch", stopping)


# Going on --------------------------------------------------------------------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {
    **{type(weighting).__name__: {"weighting": weighting} for weighting in EVERY},
    "averages": {"ema_decay": 0.8},
    "accumulation": {"accumulate": 2},
    "bfloat16": {"precision": "bfloat16"},
    "all": {"weighting": UncertaintyWeighting(0.1), "ema_decay": 0.5, "accumulate": 2, "precision": "bfloat16"},
}


@pytest.mark.long
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_interrupted_training_goes_on_to_the_last_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    how = replace(SETTINGS, **options)
    whole = trained(tmp_path / "whole", how)
    plain = trained(tmp_path / "plain")
    if options != {"weighting": EqualWeighting()}:
        assert not torch.equal(
            whole.state_dict()["heads.0.whole.0.weight"], plain.state_dict()["heads.0.whole.0.weight"]
        )
    for epoch in (1, 2):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_after(patch, 1)
            trained(tmp_path / "parts", how)
        assert load_checkpoint(Run(tmp_path / "parts").checkpoint)[1]["epoch"] == epoch
        torch.manual_seed(epoch)
    assert_same_weights(trained(tmp_path / "parts", how), whole)
    (mine, note), (yours, other) = (load_checkpoint(Run(tmp_path / name).checkpoint) for name in ("whole", "parts"))
    assert note == other and mine.keys() == yours.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, yours[name]), name
    assert_same_weights(load_supernetwork(SPACE, toy_data(), Run(tmp_path / "parts"), "cpu"), whole)


def test_uncertainty_weights_are_learned_and_kept(tmp_path: Path) -> None:
    trained(tmp_path / "run", replace(SETTINGS, weighting=UncertaintyWeighting(0.1)))
    tensors, _ = load_checkpoint(Run(tmp_path / "run").checkpoint)
    learned = {name: tensors[f"weighting.log_variance.{name}"] for name in ("height", "kind", "weight")}
    assert all(0.05 < abs(float(value)) < 1 for value in learned.values())


def test_a_run_refuses_another_option_by_name(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    for options, said in (
        ({"weighting": PCGrad()}, 'training.weighting.name = "EqualWeighting", but now it is "PCGrad"'),
        ({"ema_decay": 0.5}, "training.ema_decay = 0.0, but now it is 0.5"),
        ({"precision": "bfloat16"}, 'training.precision = "float32", but now it is "bfloat16"'),
        ({"accumulate": 2}, "training.accumulate = 1, but now it is 2"),
    ):
        with pytest.raises(Exception, match=said):
            trained(tmp_path / "run", replace(SETTINGS, **options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ema_decay": 1.0}, "^ema_decay must be below 1, but is 1.0; 0.99"),
        ({"ema_decay": -0.1}, "^ema_decay must be at least 0, but is -0.1"),
        ({"precision": "float16"}, "^precision must be float32 or bfloat16, but is 'float16'"),
        ({"accumulate": 0}, "^accumulate must be at least 1, but is 0"),
        ({"accumulate": 1.5}, "^accumulate must be a whole number, but is 1.5"),
        ({"compile": "yes"}, "^compile must be True or False, but is 'yes'"),
        ({"tensorboard": 1}, "^tensorboard must be True or False, but is 1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        TrainingSettings(**options)


# Averages --------------------------------------------------------------------------------------------------------


def test_averages_are_exponential_and_know_nothing_of_the_start() -> None:
    weight = nn.Parameter(torch.tensor([1e6, -1e6]))
    averages = WeightAverages({"w": weight}, 0.9)
    values = [torch.tensor([float(step), 2.0]) for step in (3, 1, 4, 1)]
    for value in values:
        weight.data.copy_(value)
        averages.update()
    factors = [0.9**age for age in (3, 2, 1, 0)]
    expected = sum(factor * value for factor, value in zip(factors, values, strict=True)) / sum(factors)
    torch.testing.assert_close(averages.values["w"], expected)
    with averages.swapped():
        torch.testing.assert_close(weight.data, expected)
        weight.data.zero_()
    assert torch.equal(weight.data, values[-1]) and torch.equal(averages.values["w"], torch.zeros(2))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, width), nn.Linear(width, width)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.two(torch.relu(self.one(x)))
        return found


def test_averages_of_tied_weights_are_loaded_under_all_their_names(tmp_path: Path) -> None:
    plain, data = toy_space(), toy_data()
    middle = Block("middle", {"tied": lambda shape: Tied(shape[0]), "skip": lambda shape: nn.Identity()})
    space = replace(plain, blocks=[plain.blocks[0], middle, plain.blocks[2]])
    averaged = trained(tmp_path / "run", replace(SETTINGS, ema_decay=0.8), space, data)
    assert_same_weights(load_supernetwork(space, data, Run(tmp_path / "run"), "cpu"), averaged)


def test_training_gives_the_averages_and_keeps_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights after every step, averaged by hand; nodes are copied to the branches after the first epoch."""
    steps: list[dict[str, Tensor]] = []
    original = WeightAverages.update

    def watching(self: WeightAverages) -> None:
        original(self)
        steps.append({name: weight.detach().clone() for name, weight in self.weights.items()})

    with monkeypatch.context() as patch:
        patch.setattr(WeightAverages, "update", watching)
        averaged = trained(tmp_path / "run", replace(SETTINGS, ema_decay=0.8, parting=0.0))
    raw = trained(tmp_path / "raw", replace(SETTINGS, parting=0.0))
    tensors, note = load_checkpoint(Run(tmp_path / "run").checkpoint)
    assert note["averaged_steps"] == len(steps) == 9
    names = [name for name, _ in averaged.named_parameters()]
    assert {name for name in names if f"average.{name}" not in tensors} == set()
    factors = [0.8**age for age in range(8, -1, -1)]
    for name, value in averaged.state_dict().items():
        assert torch.equal(tensors[f"model.{name}"], raw.state_dict()[name]), name
        if f"average.{name}" not in tensors:
            assert torch.equal(value, tensors[f"model.{name}"])  # statistics are not averaged
            continue
        assert torch.equal(value, tensors[f"average.{name}"])
        # In the first epoch every copy of a node counts as the first one, which was copied to all.
        parts = name.split(".")
        first = ".".join([*parts[:2], "0", *parts[3:]]) if parts[0] == "blocks" else name
        seen = [step[first] for step in steps[:3]] + [step[name] for step in steps[3:]]
        expected = sum(factor * weight for factor, weight in zip(factors, seen, strict=True)) / sum(factors)
        torch.testing.assert_close(value, expected, msg=name)


def test_without_averages_a_checkpoint_has_none(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    tensors, note = load_checkpoint(Run(tmp_path / "run").checkpoint)
    assert not any(name.startswith(("average", "weighting")) for name in tensors) and "averaged_steps" not in note


# Accumulation ----------------------------------------------------------------------------------------------------


def gradients(
    batches: list[tuple[Tensor, dict[str, Tensor]]], how: TrainingSettings, tasks: list[Task] | None = None
) -> dict[str, Tensor]:
    """Gradients of one step on two sub-networks, without batch norm, by the name of the weight."""
    space = toy_space(norm=False, tasks=tasks or toy_tasks())
    supernet = SuperNetwork(space, toy_x(4)).train()
    state = how.weighting.begin([task.name for task in space.tasks], CPU)
    state.begin_step(3)
    add_gradients(supernet, batches, list(draws(space, 2, 7)), state, how, CPU)
    return {name: weight.grad for name, weight in supernet.named_parameters() if weight.grad is not None}


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys() and len(found) > 10
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("weighting", [EqualWeighting(), UncertaintyWeighting(), AggregatedGradients(Sum(), 1.0)])
def test_two_batches_give_the_gradient_of_their_mean(weighting: TaskWeighting) -> None:
    how = TrainingSettings(weighting=weighting)
    batches = [(toy_x(8, seed), toy_labels(toy_x(8, seed))) for seed in (1, 2)]
    one, other = (gradients([batch], how) for batch in batches)
    assert_close(gradients(batches, how), {name: (gradient + other[name]) / 2 for name, gradient in one.items()})


@pytest.mark.parametrize("weighting", [EqualWeighting(), UncertaintyWeighting()])
def test_batches_of_unlike_size_count_by_their_labels(weighting: TaskWeighting) -> None:
    """Just as one batch of all their samples, wherever labels are missing."""
    how = TrainingSettings(weighting=weighting)
    x = toy_x(14, 1)
    labels = toy_labels(x, complete=False)
    labels["height"][:9] = torch.nan
    parts = [slice(0, 8), slice(8, 13), slice(13, 14)]
    batches = [(x[part], {name: label[part] for name, label in labels.items()}) for part in parts]
    assert_close(gradients(batches, how), gradients([(x, labels)], how))
    shares = label_shares(toy_tasks(), batches)
    assert shares[0]["height"] == 0 and all(
        sum(share[name] for share in shares) == pytest.approx(1) for name in shares[0]
    )


def test_the_rest_of_an_epoch_is_a_step_of_its_own() -> None:
    batches: Any = iter("abcde")
    assert list(in_groups(batches, 2)) == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("count", [48, 40, 34])
def test_an_epoch_of_small_batches_is_one_of_large_ones(tmp_path: Path, count: int) -> None:
    """40 samples in batches of 16, two for a step: 32 and the rest."""
    space = toy_space(norm=False)
    found = []
    for batch_size, accumulate in ((32, 1), (16, 2)):
        data = Data(toy_samples(count, 1), toy_samples(20, 2), branch=toy_samples(12, 3), batch_size=batch_size)
        how = TrainingSettings(epochs=2, shared_warmup=1.0, accumulate=accumulate, learning_rate=0.01, device="cpu")
        found.append(trained(tmp_path / str(batch_size), how, space, data).state_dict())
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-3, atol=1e-4, msg=name)
    histories = [load_checkpoint(Run(tmp_path / name).checkpoint)[1]["history"] for name in ("32", "16")]
    for one, other in zip(*histories, strict=True):
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-4)


# Precision and distillation --------------------------------------------------------------------------------------


def test_bfloat16_trains_float32_weights_on_float32_losses(tmp_path: Path) -> None:
    seen: set[tuple[str, torch.dtype]] = set()

    def watched(task: Task) -> Task:
        def loss(output: Tensor, label: Tensor) -> Tensor:
            seen.add(("output", output.dtype))
            value = task.loss(output, label)
            seen.add(("loss", value.dtype))
            return value

        return replace(task, loss=loss)

    class Telling(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            output = super().forward(x)
            seen.add(("training" if self.training and torch.is_grad_enabled() else "else", output.dtype))
            return output

    class Watched(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.layers = nn.Sequential(Telling(width, 8), nn.BatchNorm1d(8), nn.Tanh())

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x)  # type: ignore[no-any-return]

    plain = toy_space()
    first = replace(plain.blocks[0], options={"watched": lambda shape: Watched(shape[0])})
    space = SearchSpace([watched(task) for task in plain.tasks], [first, *plain.blocks[1:]])
    how = replace(SETTINGS, epochs=20, shared_warmup=1.0, learning_rate=0.03, precision="bfloat16")
    seen.clear()
    supernet = trained(tmp_path / "run", how, space)
    assert ("training", torch.bfloat16) in seen
    assert {dtype for where, dtype in seen if where in ("output", "loss")} == {torch.float32}
    for name, tensor in supernet.state_dict().items():
        assert not tensor.is_floating_point() or (tensor.dtype == torch.float32 and bool(tensor.isfinite().all())), name
    history = load_checkpoint(Run(tmp_path / "run").checkpoint)[1]["history"]
    assert all(history[-1]["losses"][name] < 0.8 * loss for name, loss in history[0]["losses"].items())


def test_without_distillation_every_sub_network_learns_from_labels_alone() -> None:
    space = toy_space(norm=False)
    x = toy_x(9, 1)
    labels = toy_labels(x, complete=False)
    how = TrainingSettings(distillation=0.0)
    found = gradients([(x, labels)], how)
    supernet = SuperNetwork(space, toy_x(4)).train()
    for architecture in draws(space, 2, 7):
        total = weighted_sum(space.tasks, task_losses(space.tasks, supernet(x, architecture), labels))
        assert total is not None
        (total / 2).backward()
    for name, weight in supernet.named_parameters():
        assert (weight.grad is None and name not in found) or torch.equal(found[name], weight.grad), name  # type: ignore[arg-type]
    without_teacher = gradients([(x, labels)], replace(how, distillation=0.5, sandwich=False))
    assert all(torch.equal(gradient, without_teacher[name]) for name, gradient in found.items())
    distilled = gradients([(x, labels)], replace(how, distillation=0.5))
    assert any(not torch.equal(gradient, distilled[name]) for name, gradient in found.items())


# Compiling -------------------------------------------------------------------------------------------------------


def test_compiling_changes_no_name_and_ends_with_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def recorded(forward: Any) -> Any:
        def run(*arguments: Any) -> Any:
            calls.append(forward.__self__)
            return forward(*arguments)

        return run

    monkeypatch.setattr(torch, "compile", recorded)
    supernet = SuperNetwork(toy_space(stem=True), toy_x(4))
    architecture = Architecture.uniform(Tree.shared(3, 3), ("linear", "skip", "wide"))
    names = list(supernet.state_dict())
    expected = supernet.eval()(toy_x(5), architecture)
    with compiled(supernet, wanted=True):
        assert list(supernet.state_dict()) == names
        outputs = supernet(toy_x(5), architecture)
        used = [supernet.stem, supernet.node(0, 0, "linear"), supernet.node(2, 0, "wide")]
        assert calls == [*used, *(supernet.head(task) for task in range(3))]  # a skip has nothing to compile
    assert all(torch.equal(output, expected[name]) for name, output in outputs.items())
    calls.clear()
    supernet(toy_x(5), architecture)
    with compiled(supernet, wanted=False):
        supernet(toy_x(5), architecture)
    assert calls == [] and not any("forward" in vars(module) for module in supernet.modules())


@pytest.mark.long
def test_compiled_operators_train_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several backward passes through one graph, as branch points and gradient weightings take them.

    All of torch.compile but for the C++ at its end, which takes long.
    """
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    monkeypatch.setenv("CXX", sys.executable)  # any program
    norm = (nn.BatchNorm1d(8), nn.ReLU())
    layers = (nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 8, 3), *norm, nn.Conv1d(8, 8, 3), *norm, nn.Flatten())
    block = Block("conv", {"conv": lambda shape: nn.Sequential(*copy.deepcopy(layers))})
    space = SearchSpace([replace(toy_tasks()[0], name=name, label="height") for name in "ab"], [block])
    data = Data(toy_samples(40, 1), toy_samples(16, 2), branch=toy_samples(24, 3), batch_size=16)
    how = TrainingSettings(epochs=2, shared_warmup=0.5, weighting=PCGrad(), device="cpu")
    eager = trained(tmp_path / "eager", how, space, data).state_dict()
    fast = trained(tmp_path / "compiled", replace(how, compile=True), space, data)
    for name, value in fast.state_dict().items():
        torch.testing.assert_close(value, eager[name], rtol=1e-3, atol=1e-4, msg=name)
    assert not any("forward" in vars(module) for module in fast.modules())


def test_compiling_without_a_compiler_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(TrainingError, match="needs a C.. compiler, but there is no 'no-such-compiler -O2'; inst"):
        trained(tmp_path / "run", replace(SETTINGS, compile=True))
    assert not (tmp_path / "run").exists()


# TensorBoard -----------------------------------------------------------------------------------------------------


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every tag, out of all files of a folder."""
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        for event in loading.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    return found


@contextmanager
def killed_before_writing(*arguments: Any) -> Iterator[Any]:
    def write(entry: Any) -> None:
        raise KeyboardInterrupt

    yield write


def test_tensorboard_has_every_epoch_once_whatever_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    run = Run(tmp_path / "run")
    how = replace(SETTINGS, tensorboard=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 1)
        trained(run.path, how)
    assert [step for step, _ in events(run.path / "tensorboard")["learning_rate"]] == [1]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        # The checkpoint is there, the figures are not.
        patch.setattr(supernet_training, "scalars", killed_before_writing)
        trained(run.path, how)
    for _ in range(2):  # the second time there is nothing left to train
        trained(run.path, how)
        history = load_checkpoint(run.checkpoint)[1]["history"]
        found = events(run.path / "tensorboard")
        by_epoch = {name: points for name, points in found.items() if not name.startswith("branch")}
        assert all([step for step, _ in points] == [1, 2, 3] for points in by_epoch.values())
        assert len(by_epoch) == 3 + 1
        course = {name: points for name, points in found.items() if ", learning" in name}
        assert all([step for step, _ in points] == list(range(0, 201, 20)) for points in course.values())
        learned = {name: points for name, points in found.items() if name.startswith("branch") and name not in course}
        assert {name.replace(", learning", "") for name in course} == learned.keys()
        assert all([step for step, _ in points] == [2] for points in learned.values())
        assert len(learned) == 4 * (1 + 3 * (2 + 3))
    for epoch, entry in enumerate(history):
        expected = {f"loss/{name}": loss for name, loss in entry["losses"].items()}
        expected["learning_rate"] = entry["learning_rate"]
        assert {name: found[name][epoch][1] for name in expected} == pytest.approx(expected)
    probabilities = history[1]["branching"]["probabilities"]
    assert found["branch/0.25/middle/weight/kind"][0][1] == pytest.approx(probabilities[1][1][2][1])
    assert found["branch/0.75/last/kind/kind"][0][1] == pytest.approx(probabilities[3][2][1][1])
    assert found["branch/0.75, learning/last/kind/kind"][-1][1] == pytest.approx(probabilities[3][2][1][1], abs=1e-4)


def test_without_being_asked_nothing_is_written_for_tensorboard(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_tensorboard_that_is_not_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtnas.training.devices.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"needs the package tensorboard.*pip install 'mtnas\[tensorboard\]'"):
        trained(tmp_path / "run", replace(SETTINGS, tensorboard=True))
    assert not (tmp_path / "run").exists()
    sentence = refused(call("train", TOY_FILE, "--run", tmp_path / "run", "--tensorboard"))
    assert "pip install" in sentence and not (tmp_path / "run").exists()


# Devices ---------------------------------------------------------------------------------------------------------


def test_machine_settings_are_no_part_of_the_run(tmp_path: Path) -> None:
    stored = SETTINGS.to_json()
    assert not {"threads", "device", "compile", "tensorboard"} & set(stored)
    assert {"weighting", "ema_decay", "precision", "accumulate"} < set(stored)
    other = replace(SETTINGS, threads=1, device="auto", compile=True, tensorboard=True)
    assert other.to_json() == stored


@pytest.mark.parametrize("command", ["run", "train", "search", "refine", "extract"])
def test_every_command_that_computes_takes_a_device(tmp_path: Path, command: str) -> None:
    path = tmp_path / "run"
    starts = command in ("run", "train")
    more = {"extract": ["--candidate", "#0", "--out", tmp_path / "out"], "refine": ["--top", "1"]}.get(command, [])
    there = [TOY_FILE, "--run", path] if starts else [searched_run(path).path, "--space", TOY_FILE]
    words = [command, *there, *more]
    refused(call(*words, "--device", "toaster"), "there is no device 'toaster'; use auto, cpu or cuda")
    assert path.exists() != starts
    if command in ("train", "extract"):
        assert call(*words, "--device", "cpu").code == 0


@pytest.mark.parametrize("change", ["optimizer", "weighting", "averages", "shape", "finite"])
def test_a_checkpoint_that_lacks_a_part_of_the_training_is_a_sentence(tmp_path: Path, change: str) -> None:
    """With a digest that fits: only its contents are wrong."""
    run = Run(tmp_path / "run")
    how = replace(SETTINGS, weighting=UncertaintyWeighting(), ema_decay=0.9)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, 1)
        trained(run.path, how)
    tensors, note = load_checkpoint(run.checkpoint)
    if change == "optimizer":
        tensors["optimizer.weights.100000.exp_avg"] = torch.zeros(1)
    elif change == "weighting":
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("weighting.")}
    elif change == "averages":
        del note["averaged_steps"]
    elif change == "shape":
        name = next(name for name in tensors if name.endswith(".exp_avg") and tensors[name].numel() > 1)
        tensors[name] = tensors[name].reshape(-1)[:1]
    else:
        weight = next(tensor for name, tensor in tensors.items() if name.startswith("model.") and tensor.numel())
        weight.view(-1)[0] = torch.nan
    save_checkpoint(run.checkpoint, tensors, note)
    with pytest.raises(RunError, match=r"checkpoint .* (does not hold all|is damaged) .*delete it to train again"):
        trained(run.path, how)
