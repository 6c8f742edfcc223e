"""Whatever a user gets wrong is one sentence, said before anything is trained, and costs nothing that was there."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_space
from torch import Tensor, nn
from torch.utils.data import Dataset
from toy_runs import TOY_FILE, call, contents, refused, searched_run, trained_run
from toy_space import plain

from mtnas.errors import DataError, MtnasError, RunError, SearchError, SpaceError, TrainingError, unknown_name
from mtnas.results import pick
from mtnas.runs import Run, load_checkpoint
from mtnas.searching import SearchSettings, read_results, search
from mtnas.space.block import Block
from mtnas.space.check import check, check_judged
from mtnas.space.data import Data
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.space.task import ErrorMeter, Task, on_all
from mtnas.space.task_types import classification, regression
from mtnas.training import TrainingSettings, load_supernetwork, train

Options = dict[str, Callable[[tuple[int, ...]], nn.Module]]


def one_sentence(error: BaseException | pytest.ExceptionInfo[MtnasError], *parts: str) -> str:
    text = str(error.value if isinstance(error, pytest.ExceptionInfo) else error)
    assert text and "\n" not in text and "Traceback" not in text
    for part in parts:
        assert part in text, text
    return text


def not_trained(
    kind: type[MtnasError], folder: Path, *parts: str, space: SearchSpace | None = None, data: Data | None = None
) -> None:
    """Training is refused by a sentence with these parts, and leaves nothing behind."""
    run = Run(folder / "run")
    with pytest.raises(kind) as caught:
        train(space or toy_space.space, data or toy_space.data(None), run, toy_space.training, show_progress=False)
    one_sentence(caught, *parts)
    assert not run.path.exists()


def space_with(middle: Options, **more: Any) -> SearchSpace:
    first, _, last = toy_space.space.blocks
    return SearchSpace(more.pop("tasks", toy_space.space.tasks), [first, Block("middle", middle), last], **more)


# Names -----------------------------------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_by_the_nearest() -> None:
    with pytest.raises(SpaceError) as caught:
        toy_space.space.task("quadrent")
    one_sentence(caught, "there is no task 'quadrent', did you mean 'quadrant'? Known: quadrant, product, total")
    assert unknown_name("cost", "zzz", ["params", "macs"]) == "there is no cost 'zzz'. Known: params, macs"


def test_an_unknown_cost_is_refused_before_training(tmp_path: Path) -> None:
    path = tmp_path / "run"
    refused(call("run", TOY_FILE, "--run", path, "-b", "param=500"), "'param', did you mean 'params'?")
    refused(call("run", TOY_FILE, "--run", path, "-o", "error/totals"), "did you mean 'error/total'?")
    refused(call("run", TOY_FILE, "--run", path, "-b", "params"), "COST=LIMIT", "'params'")
    assert not path.exists()


@pytest.mark.parametrize("name", ["", "two words", "a/b", "a.b", "a+b"])
def test_names_that_would_not_fit_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(SpaceError, match="a task's name must be a word"):
        regression(name)
    with pytest.raises(SpaceError, match="a block's name must be a word"):
        Block(name, {"plain": plain})


def test_a_task_that_would_be_taken_for_the_mean_of_all_is_refused() -> None:
    with pytest.raises(SpaceError, match="error/mean is the mean over all tasks"):
        regression("mean")


def test_names_that_are_there_twice_are_refused() -> None:
    tasks, blocks = toy_space.space.tasks, toy_space.space.blocks
    with pytest.raises(MtnasError, match="task names must differ, but 'total' is there twice"):
        SearchSpace([*tasks, regression("total")], blocks)
    with pytest.raises(MtnasError, match="block names must differ, but 'last' is there twice"):
        SearchSpace(tasks, [*blocks, blocks[-1]])
    with pytest.raises(MtnasError, match="at least one task"):
        SearchSpace([], blocks)
    with pytest.raises(MtnasError, match="at least one block"):
        SearchSpace(tasks, [])


# Operators -------------------------------------------------------------------------------------------------------


def test_a_block_without_options_is_refused() -> None:
    with pytest.raises(SpaceError) as caught:
        Block("middle", {})
    one_sentence(caught, "block 'middle' has no options")


def test_options_that_are_no_dict_are_refused() -> None:
    with pytest.raises(SpaceError) as caught:
        Block("middle", ["conv3"])  # type: ignore[arg-type]
    one_sentence(caught, "the options of block 'middle' must be a dict of operators by name", "but are a list")


def test_an_option_of_another_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    space = space_with({"plain": plain, "narrow": lambda shape: nn.Linear(shape[0], 5)})
    not_trained(SpaceError, tmp_path, "block 'middle', option 'narrow'", "(5,)", "(6,)", "'plain'", space=space)


def test_an_option_that_does_not_fit_its_input_is_named(tmp_path: Path) -> None:
    space = space_with({"plain": plain, "image": lambda shape: nn.Conv2d(6, 6, 3)})
    not_trained(SpaceError, tmp_path, "block 'middle', option 'image'", "(6,)", space=space)


def test_an_option_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    def fails(shape: tuple[int, ...]) -> nn.Module:
        raise ZeroDivisionError("no channels")

    not_trained(
        SpaceError, tmp_path, "block 'middle', option 'fails'", "no channels", space=space_with({"fails": fails})
    )


@pytest.mark.parametrize(
    ("made", "said"), [(lambda shape: torch.relu, "builtin_function_or_method"), (lambda shape: None, "NoneType")]
)
def test_an_option_that_makes_no_module_is_named(made: Any, said: str, tmp_path: Path) -> None:
    not_trained(SpaceError, tmp_path, "option 'odd'", "torch.nn.Module", said, space=space_with({"odd": made}))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_an_option_that_returns_no_tensor_is_named(tmp_path: Path) -> None:
    space = space_with({"pair": lambda shape: Pair()})
    not_trained(SpaceError, tmp_path, "block 'middle', option 'pair'", "must return a tensor", "tuple", space=space)


def test_an_option_that_leaves_its_sizes_open_is_named(tmp_path: Path) -> None:
    space = space_with({"lazy": lambda shape: nn.Sequential(nn.ReLU(), nn.LazyLinear(6))})
    not_trained(SpaceError, tmp_path, "block 'middle', option 'lazy'", "LazyLinear", "sizes open", space=space)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.ReLU(inplace=True)],
        lambda: [nn.Identity(), nn.Hardswish(inplace=True), nn.Linear(6, 6)],
        lambda: [nn.Dropout(0.5, inplace=True), nn.Linear(6, 6)],  # only in training
    ],
)
def test_an_option_that_changes_its_input_is_named(layers: Callable[[], list[nn.Module]], tmp_path: Path) -> None:
    """Other branches read the same input."""
    space = space_with({"plain": plain, "hasty": lambda shape: nn.Sequential(*layers())})
    not_trained(SpaceError, tmp_path, "block 'middle', option 'hasty'", "in place", "inplace=False", space=space)


def test_changing_what_is_its_own_is_fine(tmp_path: Path) -> None:
    """In-place operators inside an option, as every published network has them, need no change."""
    space = space_with({"usual": lambda shape: nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True))})
    train(space, toy_space.data(None), Run(tmp_path / "run"), TrainingSettings(epochs=1), show_progress=False)


@pytest.mark.parametrize("part", ["stem", "option", "head"])
def test_a_factory_that_hands_out_one_module_is_named(part: str, tmp_path: Path) -> None:
    """Its copies would train the same weights."""
    module = nn.Sequential(nn.Linear(12, 12), nn.BatchNorm1d(12))
    base = toy_space.space
    changed = {
        "stem": lambda: replace(base, stem=lambda shape: module),
        "option": lambda: replace(base, blocks=[Block("new", {"one": lambda shape: module}), *base.blocks]),
        "head": lambda: replace(base, tasks=[replace(base.tasks[0], head=lambda shape: trained_head), *base.tasks[1:]]),
    }
    trained_head = base.tasks[0].head(base.dry_run(toy_space.data(None).example()[0]).shapes[-1][0])
    where = {"stem": "the stem", "option": "block 'new', option 'one'", "head": f"task '{base.tasks[0].name}'"}
    not_trained(SpaceError, tmp_path, where[part], "the same weights each time", "deepcopy", space=changed[part]())


def test_two_options_with_weights_in_common_are_named(tmp_path: Path) -> None:
    first = nn.Linear(12, 12)
    made = iter(
        [nn.Sequential(first), nn.Sequential(nn.Linear(12, 12)), nn.Sequential(first, nn.ReLU()), nn.Linear(12, 12)]
    )
    block = Block("new", {"one": lambda shape: next(made), "other": lambda shape: next(made)})
    space = replace(toy_space.space, blocks=[block, *toy_space.space.blocks])
    not_trained(SpaceError, tmp_path, "'other' has weights in common with block 'new', option 'one'", space=space)


def test_frozen_weights_and_constants_may_be_shared(tmp_path: Path) -> None:
    frozen = nn.Linear(12, 12).requires_grad_(False)
    constant = torch.ones(12)

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("by", constant)
            self.own = nn.Linear(12, 12)

        def forward(self, x: Tensor) -> Tensor:
            shifted: Tensor = self.own(x) + self.by
            return shifted

    block = Block("new", {"frozen": lambda shape: frozen, "shifted": lambda shape: Shifted()})
    space = replace(toy_space.space, blocks=[block, *toy_space.space.blocks])
    train(space, toy_space.data(None), Run(tmp_path / "run"), TrainingSettings(epochs=1), show_progress=False)


class Auxiliary(nn.Module):
    """Gives something else in training, as networks with auxiliary heads do."""

    def __init__(self, width: int, more: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.own, self.more = nn.Linear(width, width), more

    def forward(self, x: Tensor) -> object:
        y = self.own(x)
        return self.more(y) if self.training else y


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (lambda y: (y, y), "in training, must return a tensor, or a dict of tensors, but returned a tuple"),
        (lambda y: y[:, :3], "returns (3,) in training, but (12,) else"),
    ],
)
def test_what_gives_something_else_in_training_is_named(
    more: Callable[[Tensor], object], part: str, tmp_path: Path
) -> None:
    block = Block("new", {"one": lambda shape: Auxiliary(shape[0], more)})
    space = replace(toy_space.space, blocks=[block, *toy_space.space.blocks])
    not_trained(SpaceError, tmp_path, "block 'new', option 'one'", part, space=space)


def test_errors_may_be_counted_by_numpy_and_be_numbers_of_it(tmp_path: Path) -> None:
    """An error is computed without gradients, and so it is when it is tried."""

    class Spread(ErrorMeter):
        def __init__(self) -> None:
            self.off: list[Any] = []

        def update(self, output: Tensor, label: Tensor) -> None:
            self.off.append((output - label).numpy() ** 2)

        def compute(self) -> float:
            found: float = np.float32(np.sqrt(np.concatenate(self.off).mean()))
            return found

    meters = {"numpy": Spread, "torch": on_all(lambda output, label: (output - label).square().mean())}
    for name, meter in meters.items():
        tasks = [replace(task, error=meter) if task.name == "total" else task for task in toy_space.space.tasks]
        space, data, run = replace(toy_space.space, tasks=tasks), toy_space.data(None), Run(tmp_path / name)
        supernet = train(space, data, run, toy_space.training, show_progress=False)
        found = search(space, data, run, toy_space.searching, supernet=supernet, show_progress=False)
        assert all(type(row.costs["error/total"]) is float for row in found.rows)


def test_a_head_that_changes_its_input_is_named(tmp_path: Path) -> None:
    task = regression("total", head=lambda shape: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 1), nn.Flatten(0)))
    space = replace(toy_space.space, tasks=[*toy_space.space.tasks[:2], task])
    not_trained(SpaceError, tmp_path, "the head of task 'total'", "in place", space=space)


def test_batch_norm_that_would_see_one_sample_is_refused(tmp_path: Path) -> None:
    """Batches of one sample have no statistics: torch refuses them, but only in the middle of the training."""
    data = replace(toy_space.data(None), batch_size=1)
    not_trained(MtnasError, tmp_path, "batch_size", data=data)


# Tasks and labels ------------------------------------------------------------------------------------------------


class Relabelled(Dataset[Any]):
    """The toy's samples with something done to their labels or inputs."""

    def __init__(self, change: Callable[[Tensor, dict[str, Any]], Any], count: int = 40) -> None:
        self.numbers = toy_space.Numbers(0, count)
        self.change = change

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Any:
        x, labels = self.numbers[index]
        return self.change(x, dict(labels))


def relabelled(change: Callable[[Tensor, dict[str, Any]], Any], **more: Any) -> Data:
    return Data(Relabelled(change), Relabelled(change), batch_size=16, **more)


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        (lambda y: y["quadrant"][None], ("task 'quadrant'", "shape (8, 1)", "needs (8,)")),
        (lambda y: y["quadrant"].float(), ("task 'quadrant'", "float32", "label.long()")),
        (lambda y: torch.eye(4)[y["quadrant"]], ("task 'quadrant'", "shape (8, 4)", "one-hot")),
        (lambda y: y["quadrant"] + 4, ("task 'quadrant'", "classes run from 0 to 3")),
        (lambda y: y["quadrant"] * 0 - 1, ("task 'quadrant'", "holds class -1")),
    ],
)
def test_class_labels_that_do_not_fit_are_refused(
    label: Callable[[dict[str, Tensor]], Tensor], parts: tuple[str, ...], tmp_path: Path
) -> None:
    data = relabelled(lambda x, labels: (x, {**labels, "quadrant": label(labels)}))
    not_trained(DataError, tmp_path, *parts, data=data)


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        (lambda y: y["total"][None], ("task 'total'", "shape (8, 1)", "label.squeeze(1)")),
        (lambda y: y["total"] > 0, ("task 'total'", "bool", "label.float()")),
        (lambda y: y["total"] * torch.inf, ("task 'total'", "inf", "finite")),
    ],
)
def test_number_labels_that_do_not_fit_are_refused(
    label: Callable[[dict[str, Tensor]], Tensor], parts: tuple[str, ...], tmp_path: Path
) -> None:
    data = relabelled(lambda x, labels: (x, {**labels, "total": label(labels)}))
    not_trained(DataError, tmp_path, *parts, data=data)


def test_a_missing_label_is_answered_by_the_nearest(tmp_path: Path) -> None:
    data = relabelled(lambda x, labels: (x, {name.replace("quadrant", "quadrants"): y for name, y in labels.items()}))
    not_trained(DataError, tmp_path, "task 'quadrant'", "no label 'quadrant', did you mean 'quadrants'?", data=data)


@pytest.mark.parametrize("labelled", [0, 1])
def test_a_task_that_nothing_judges_is_refused(labelled: int, tmp_path: Path) -> None:
    """The last sample may be the only one with its label."""
    read: list[int] = []

    class Sparse(toy_space.Numbers):
        def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
            x, labels = super().__getitem__(index)
            read.append(index)
            return x, {**labels, "total": labels["total"] if index >= 20 - labelled else torch.tensor(torch.nan)}

    data = Data(toy_space.Numbers(0, 40), Sparse(40, 20), eval_batch_size=10)
    if labelled:
        check_judged(toy_space.space, data)
        assert max(read) == 19
    else:
        not_trained(DataError, tmp_path, "task 'total' has no labelled sample in the valid data", data=data)
    read.clear()
    check_judged(replace(toy_space.space, tasks=toy_space.space.tasks[:2]), data)
    assert max(read) == 7


def own_task(loss: Callable[[Tensor, Tensor], Any], error: Callable[[], ErrorMeter] | None = None) -> SearchSpace:
    """A task of the user's own making, without a label check, in place of the last."""
    head: Any = lambda shape: nn.Sequential(nn.Linear(shape[0], 1), nn.Flatten(0))  # noqa: E731
    task = Task("total", head, loss, error or on_all(lambda output, label: (output - label).abs().mean()))
    return replace(toy_space.space, tasks=[*toy_space.space.tasks[:2], task])


@pytest.mark.parametrize(
    ("loss", "part"),
    [
        (lambda output, label: (output - label).square(), "take its mean"),
        (lambda output, label: 0.5, "scalar tensor, but is a float"),
        (lambda output, label: label.mean(), "does not depend on the output"),
        (lambda output, label: nn.functional.mse_loss(output[:, None], label), "target size"),
        (lambda output, label: nn.functional.cross_entropy(output, label.long()), "do not fit its loss"),
        (lambda output, label: output.nonsense(), "nonsense"),
    ],
)
def test_a_loss_that_cannot_be_learned_from_is_refused(
    loss: Callable[[Tensor, Tensor], Any], part: str, tmp_path: Path
) -> None:
    not_trained(DataError, tmp_path, "task 'total'", part, space=own_task(loss))


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (
            lambda output, label: (output - label).square(),
            "an error is one number, but it is a tensor of shape (8,); take its mean",
        ),
        (lambda output, label: None, "it is None (NoneType); return a number"),
        (lambda output, label: output.nonsense(), "nonsense"),
    ],
)
def test_an_error_that_is_no_number_is_refused(
    error: Callable[[Tensor, Tensor], Any], part: str, tmp_path: Path
) -> None:
    """It had ended the search, after all of the training."""
    not_trained(DataError, tmp_path, "task 'total'", part, space=own_task(mean_square, on_all(error)))


def test_an_error_that_a_few_samples_are_too_few_for_is_none(tmp_path: Path) -> None:
    def of_many(output: Tensor, label: Tensor) -> Tensor:
        if len(label) < 10:
            raise ValueError("there are less than 10 samples")
        return (output - label).abs().mean()

    check(own_task(mean_square, on_all(of_many)), toy_space.data(None))


def mean_square(output: Tensor, label: Tensor) -> Tensor:
    return (output - label).square().mean()


def test_a_loss_that_masks_too_late_is_refused(tmp_path: Path) -> None:
    """It is a number, but NaN times 0 is NaN in its gradient."""

    def late(output: Tensor, label: Tensor) -> Tensor:
        return torch.where(label.isnan(), 0.0, (output - label).square()).mean()

    def early(output: Tensor, label: Tensor) -> Tensor:
        return torch.where(label.isnan(), 0.0, (output - label.nan_to_num()).square()).mean()

    def change(x: Tensor, labels: dict[str, Any]) -> Any:
        return x, {**labels, "total": torch.tensor([labels["total"], torch.nan])}

    def space(loss: Callable[[Tensor, Tensor], Tensor]) -> SearchSpace:
        task = Task("total", lambda shape: nn.Linear(shape[0], 2), loss, on_all(mean_square))
        return replace(toy_space.space, tasks=[task])

    data = relabelled(change)
    not_trained(DataError, tmp_path, "task 'total'", "gradient", "torch.nan_to_num", space=space(late), data=data)
    check(space(early), data)


def test_an_error_that_cannot_be_computed_is_refused(tmp_path: Path) -> None:
    class Broken(ErrorMeter):
        def update(self, output: Tensor, label: Tensor) -> None:
            raise IndexError("no column 3")

        def compute(self) -> float:
            return 0.0

    not_trained(DataError, tmp_path, "task 'total'", "no column 3", space=own_task(mean_square, Broken))


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "2"])
def test_a_weight_must_be_positive(weight: float) -> None:
    with pytest.raises(SpaceError, match="the weight of task 'total' must be above 0"):
        regression("total", weight=weight)


@pytest.mark.parametrize("reference", [0, -0.5, float("inf")])
def test_a_reference_error_must_be_positive(reference: float) -> None:
    with pytest.raises(SpaceError, match="reference_error of task 'total' must be above 0"):
        regression("total", reference_error=reference)


# Data ------------------------------------------------------------------------------------------------------------


def test_empty_data_is_refused_by_split() -> None:
    for split in ("train", "valid", "test", "branch"):
        sources: dict[str, Any] = {"train": toy_space.Numbers(0, 20), "valid": toy_space.Numbers(20, 20)}
        sources[split] = toy_space.Numbers(0, 0)
        with pytest.raises(DataError) as caught:
            Data(**sources)
        one_sentence(caught, f"the {split} data is empty")


def test_too_little_data_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        Data(toy_space.Numbers(0, 2), toy_space.Numbers(0, 20))
    one_sentence(caught, "2 samples, too few to keep 20% apart", "branch=")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda x, labels: x, "but yields"),
        (lambda x, labels: (x, labels["total"]), "but yields"),
        (lambda x, labels: (x, labels, 3), "but yields"),
        (lambda x, labels: (x, {**labels, "total": "high"}), "label 'total'"),
        (lambda x, labels: ("text", labels), "x is a"),
    ],
)
def test_samples_of_another_structure_are_refused(change: Any, part: str, tmp_path: Path) -> None:
    not_trained(DataError, tmp_path, part, data=relabelled(change))


def test_operators_of_tensors_do_not_take_a_dict(tmp_path: Path) -> None:
    data = relabelled(lambda x, labels: ({"words": x[:4], "age": x[4:]}, labels))
    not_trained(SpaceError, tmp_path, "'words'", "a dict of tensors enters it", "on_entry", "stem", data=data)


def test_inputs_that_do_not_fit_the_first_block_are_refused(tmp_path: Path) -> None:
    space = space_with({"plain": plain}, stem=lambda shape: nn.Unflatten(1, (3, 4)))
    not_trained(SpaceError, tmp_path, "block 'first'", "(3, 4)", space=space)


def test_a_missing_data_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTNAS_DATA", raising=False)
    file, path = tmp_path / "needs_folder.py", tmp_path / "run"
    text = TOY_FILE.read_text()
    file.write_text(
        text.replace("    return Data(", "    find_data_dir(data_dir)\n    return Data(").replace(
            "import torch\n", "import torch\nfrom mtnas.space.datasets.directory import find_data_dir\n", 1
        )
    )
    refused(call("run", file, "--run", path), "MTNAS_DATA", "needs_folder.py", "find_data_dir(data_dir)")
    none = tmp_path / "none"
    refused(call("run", file, "--run", path, "--data-dir", none), str(none), "not a directory")
    monkeypatch.setenv("MTNAS_DATA", str(tmp_path / "gone"))
    refused(call("run", file, "--run", path), str(tmp_path / "gone"))
    assert not path.exists()


# Training --------------------------------------------------------------------------------------------------------


class Worsening:
    """A loss that is no number from a certain call on."""

    def __init__(self, good_calls: int) -> None:
        self.left = good_calls

    def __call__(self, output: Tensor, label: Tensor) -> Tensor:
        self.left -= 1
        loss = (output - label).square().mean()
        return loss if self.left >= 0 else loss * torch.nan

    def __repr__(self) -> str:
        return "Worsening"


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    run, data = Run(tmp_path / "run"), toy_space.data(None)
    settings = replace(toy_space.training, epochs=2, parting=0.0)
    counter = Worsening(10**9)
    train(own_task(counter), data, Run(tmp_path / "count"), settings, show_progress=False)
    per_epoch = (10**9 - counter.left) // 2
    with pytest.raises(TrainingError) as caught:
        train(own_task(Worsening(per_epoch + 3)), data, run, settings, show_progress=False)
    one_sentence(caught, "the loss of task 'total' is nan", "learning rate")
    weights, note = load_checkpoint(run.checkpoint)
    assert note["epoch"] == 1
    assert all(bool(weight.isfinite().all()) for weight in weights.values() if weight.is_floating_point())
    with pytest.raises(RunError, match="has trained 1 of 2 epochs"):
        load_supernetwork(own_task(Worsening(0)), data, run)
    # With the cause gone, the same call goes on to where it would have come.
    train(own_task(Worsening(10**9)), data, run, settings, show_progress=False)
    found, expected = load_checkpoint(run.checkpoint), load_checkpoint(tmp_path / "count" / run.checkpoint.name)
    assert found[1] == expected[1] and all(found[0][name].equal(expected[0][name]) for name in expected[0])


def test_labels_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    """The check before training sees only a few samples."""

    def change(x: Tensor, labels: dict[str, Any]) -> Any:
        return x, {**labels, "total": labels["total"] * torch.inf}

    data = Data(Relabelled(change), toy_space.Numbers(0, 20), batch_size=16)
    run = Run(tmp_path / "run")
    with pytest.raises(TrainingError) as caught:
        train(own_task(mean_square), data, run, toy_space.training, show_progress=False)
    one_sentence(caught, "the loss of task 'total'", "labels")
    assert not run.checkpoint.exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1),
        ("shared_warmup", 1.5),
        ("parting", -0.1),
        ("threads", -1),
    ],
)
def test_training_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(TrainingError) as caught:
        TrainingSettings(**{setting: value})  # type: ignore[arg-type]
    one_sentence(caught, setting, f"but is {value}")


@pytest.mark.parametrize("device", ["toaster", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused(device: str, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    settings = replace(toy_space.training, device=device)
    with pytest.raises(TrainingError) as caught:
        train(toy_space.space, toy_space.data(None), run, settings, show_progress=False)
    one_sentence(caught, f"'{device}'", "auto")
    assert not run.path.exists()


# Budgets ---------------------------------------------------------------------------------------------------------


def test_an_impossible_budget_is_refused_before_training(tmp_path: Path) -> None:
    path = tmp_path / "run"
    refused(call("run", TOY_FILE, "--run", path, "-b", "params=100"), "the smallest reachable params is 186")
    refused(call("run", TOY_FILE, "--run", path, "-b", "macs=0.1k"), "the smallest reachable macs is 144")
    refused(call("run", TOY_FILE, "--run", path, "-b", "params=0"), "params", "above 0")
    refused(call("run", TOY_FILE, "--run", path, "-b", "params=inf"), "params", "inf")
    assert not path.exists()


def test_an_impossible_budget_costs_no_results(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    before = contents(run.path)
    refused(call("search", run.path, "-n", "20", "-b", "params=100"), "the smallest reachable params is 186")
    assert contents(run.path) == before


def test_no_candidate_within_a_measured_budget_is_told(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    outcome = call("search", run.path, "-n", "5", "-b", "error/mean=0.0001")
    assert outcome.code == 0 and "0 within the budgets" in outcome.out
    results = read_results(Run(run.path))
    assert results.front() == () and results.hypervolume() == 0
    with pytest.raises(SearchError) as caught:
        results.best()
    one_sentence(caught, "none of the 5 rows meets the budgets")
    # Not the baselines alone, which take as long as what was asked for.
    refused(call("refine", run.path, "--top", "2"), "none of the 5 measured rows meets the run's budgets")
    assert not (run.path / "refined").exists()


# Damaged files ---------------------------------------------------------------------------------------------------


def damages(content: bytes) -> list[bytes]:
    """Ways in which a disk or an editor spoils a file."""
    half = len(content) // 2
    return [
        b"",
        b"text",
        content[:half],
        content[: len(content) - 1],
        content[:half] + bytes(64) + content[half + 64 :],
        bytes(len(content)),
    ]


@pytest.mark.parametrize("command", ["run", "search"])
def test_a_damaged_checkpoint_is_a_sentence(command: str, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    good = run.checkpoint.read_bytes()
    words = [command, TOY_FILE, "--run", run.path] if command == "run" else [command, run.path]
    for damaged in damages(good):
        run.checkpoint.write_bytes(damaged)
        before = contents(run.path)
        refused(call(*words), str(run.checkpoint), "damaged", "delete it to train again")
        assert contents(run.path) == before
    run.checkpoint.unlink()
    refused(call("search", run.path), "there is no checkpoint")
    run.checkpoint.write_bytes(good)
    assert call("search", run.path, "-n", "1").code == 0


def test_a_checkpoint_of_something_else_is_a_sentence(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "out"
    assert call("extract", run.path, "--candidate", "#1", "--out", out).code == 0
    shutil.copy(out / "network.safetensors", run.checkpoint)
    before = contents(run.path)
    refused(call("search", run.path, "-n", "20"), str(run.checkpoint))
    refused(call("train", TOY_FILE, "--run", run.path), str(run.checkpoint))
    assert contents(run.path) == before


@pytest.mark.parametrize("command", ["show", "search"])
def test_a_damaged_study_is_a_sentence(command: str, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    good, whole = run.study.read_bytes(), read_results(run)
    ways = damages(good)
    ways += [good[:4096], good[: len(good) // 4096 // 2 * 4096], good[:100] + b"\xff" * 3000 + good[3100:]]
    for damaged in ways:
        run.study.write_bytes(damaged)
        before = contents(run.path)
        outcome = call(command, run.path)
        if outcome.code == 0:  # damage where nothing is kept
            assert read_results(run).rows == whole.rows
        else:
            refused(outcome, "study.db")
            assert {name: content for name, content in contents(run.path).items() if name != "study.db"} == {
                name: content for name, content in before.items() if name != "study.db"
            }
    assert len(ways) == 9


def test_a_lost_study_is_told_and_not_begun_anew(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    run.study.unlink()
    before = contents(run.path)
    for command in ("show", "search"):
        refused(call(command, run.path), "study.db", "restore it")
        assert contents(run.path) == before


def test_a_study_whose_rows_are_no_rows_is_a_sentence(tmp_path: Path) -> None:
    changes = [
        "UPDATE trial_user_attributes SET value_json = 'spoilt' WHERE key = 'candidate'",
        "UPDATE trial_user_attributes SET value_json = '{}' WHERE key = 'candidate'",
        "UPDATE trial_user_attributes SET value_json = '5' WHERE key = 'candidate'",
        "DELETE FROM trial_user_attributes WHERE key = 'costs'",
        "UPDATE trial_user_attributes SET value_json = '[]' WHERE key = 'costs'",
        "UPDATE trial_user_attributes SET value_json = '{\"params\": null}' WHERE key = 'costs'",
        "DELETE FROM studies",
        "UPDATE studies SET study_name = 'mine'",
    ]
    for index, change in enumerate(changes):
        run = searched_run(tmp_path / str(index))
        with closing(sqlite3.connect(run.study)) as connection, connection:
            connection.execute(change)
        for command in ("show", "search"):
            refused(call(command, run.path), "study.db")


def test_a_damaged_manifest_is_a_sentence(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    for damaged in damages(run.manifest.path.read_bytes()):
        run.manifest.path.write_bytes(damaged)
        before = contents(run.path)
        for words in (["show", run.path], ["search", run.path], ["run", TOY_FILE, "--run", run.path]):
            refused(call(*words), "manifest.json")
        assert contents(run.path) == before


@pytest.mark.parametrize("value", ["5", "{}", '{"path": 5}', "null"])
def test_a_damaged_data_folder_is_a_sentence(value: str, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    text = run.manifest.path.read_text()
    run.manifest.path.write_text(f'{{"data_dir": {value},{text.lstrip()[1:]}')
    outcome = call("search", run.path, "-n", "1")
    if value != "null" or outcome.code:
        refused(outcome, "manifest.json", "data_dir")


# Space files -----------------------------------------------------------------------------------------------------

HEAD = "from mtnas.space.block import Block\nfrom mtnas.space.search_space import SearchSpace\n"


def space_file(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


def file_refused(path: Path, folder: Path, *parts: str) -> str:
    """The file is refused in Python and on the command line, and what is said is about the file alone."""
    with pytest.raises(SpaceError) as caught:
        load_space_file(path).data(None)
    outcome = call("run", path, "--run", folder / "run")
    said = refused(outcome, *parts)
    assert said == str(caught.value).strip() and not (folder / "run").exists()
    assert "importlib" not in said and "mtnas/space" not in said and "site-packages" not in said
    return said


def test_an_error_in_a_space_file_shows_its_own_line(tmp_path: Path) -> None:
    path = space_file(tmp_path, HEAD + "\ndef width():\n    return 3 / 0\n\nspace = width()\n")
    said = file_refused(path, tmp_path, str(path), "ZeroDivisionError: division by zero")
    assert re.findall(r"line (\d+)", said) == ["7", "5"]
    assert "space = width()" in said and "return 3 / 0" in said


def test_an_error_below_a_space_file_shows_the_line_that_led_there(tmp_path: Path) -> None:
    path = space_file(tmp_path, "import torch\n\nx = torch.zeros(2).reshape(3)\n")
    said = file_refused(path, tmp_path, "line 3", "x = torch.zeros(2).reshape(3)", "RuntimeError")
    assert said.count("File ") == 1


def test_what_mtnas_refuses_in_a_space_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = space_file(tmp_path, HEAD + "\nblocks = [Block('first', {})]\n")
    where = "mine.py (line 4: blocks = [Block('first', {})])"
    said = file_refused(path, tmp_path, where, "block 'first' has no options")
    assert "\n" not in said


def test_a_syntax_error_shows_the_line(tmp_path: Path) -> None:
    path = space_file(tmp_path, "first = 1\nspace = (\n")
    file_refused(path, tmp_path, str(path), "line 2", "space = (", "SyntaxError")


def test_a_failing_import_is_named(tmp_path: Path) -> None:
    path = space_file(tmp_path, "import no_such_package\n")
    file_refused(path, tmp_path, "line 1", "No module named 'no_such_package'")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "must define space = SearchSpace(...), but its space is NoneType"),
        ("space = 5\n", "but its space is int"),
        ("from toy_space import space\n", "must define a function data(data_dir)"),
        ("from toy_space import space\ndata = 5\n", "must define a function data(data_dir)"),
        ("from toy_space import space\ndef data(data_dir): return 5\n", "must return a mtnas.Data, but returned a int"),
        ("from toy_space import space\ndef data(): return 5\n", "data() takes 0 positional arguments"),
    ],
)
def test_a_space_file_must_have_a_space_and_data(text: str, part: str, tmp_path: Path) -> None:
    file_refused(space_file(tmp_path, text), tmp_path, "mine.py", part)


@pytest.mark.parametrize("name", ["training", "searching"])
def test_settings_of_another_type_are_refused(name: str, tmp_path: Path) -> None:
    path = space_file(tmp_path, f"from toy_space import data, space\n{name} = {{'epochs': 3}}\n")
    refused(call("run", path, "--run", tmp_path / "run"), f"{name} must be a", "but is a dict")
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_space_file_is_named(tmp_path: Path) -> None:
    refused(call("run", tmp_path / "none.py", "--run", tmp_path / "run"), "there is no space file", "none.py")
    refused(call("run", tmp_path, "--run", tmp_path / "run"), "there is no space file")
    (tmp_path / "space.txt").write_text("")
    refused(call("run", tmp_path / "space.txt", "--run", tmp_path / "run"), "ends in .py")


def test_a_broken_file_costs_a_finished_run_nothing(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    before = contents(run.path)
    for text in ("space = (\n", "import no_such_package\n", HEAD, "from toy_space import space\n"):
        refused(call("run", space_file(tmp_path, text), "--run", run.path), "mine.py")
        refused(call("search", run.path, "--space", tmp_path / "mine.py"), "mine.py")
    assert contents(run.path) == before


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("--timeout", "60"), "--timeout ends what workers do, but there are none; add --workers 1, or more"),
        (("--workers", "2", "--worker-cpus", "2"), "--worker-cpus is for workers on a Ray cluster"),
        (("--workers", "2", "--worker-gpus", "0.5"), "--worker-gpus is for workers on a Ray cluster"),
        (("--latency-resource", "phone"), "--latency-resource is for workers on a Ray cluster"),
    ],
)
def test_options_of_workers_that_are_not_there_are_refused(words: tuple[str, ...], remedy: str, tmp_path: Path) -> None:
    """A candidate that never ends would not have been stopped, for all that was asked for."""
    run = searched_run(tmp_path / "run")
    before = contents(run.path)
    refused(call("search", run.path, "-n", "99", *words), remedy)
    assert contents(run.path) == before


def test_errors_are_all_of_one_family() -> None:
    for kind in (SpaceError, DataError, RunError, TrainingError, SearchError):
        assert issubclass(kind, MtnasError)
    with pytest.raises(MtnasError):
        SearchSettings(evaluations=0)
    with pytest.raises(MtnasError):
        classification("one", 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"objectives": "error/mean"}, "objectives must be names of costs, .* but are 'error/mean'"),
        ({"objectives": 5}, "objectives must be names of costs"),
        ({"budgets": "params=400"}, "budgets must be numbers by name, .* but are 'params=400'"),
        ({"budgets": None}, "budgets must be numbers by name"),
        ({"reference": {"params": np.int64(0)}}, "the reference of params must be above 0, but is 0"),
        ({"evaluations": np.int64(5)}, r"evaluations must be at least 1, but is 5 \(int64\)"),
    ],
)
def test_settings_of_a_search_that_make_no_sense_are_named(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SearchError, match=sentence):
        SearchSettings(**options)


def test_budgets_may_come_from_a_frame(tmp_path: Path) -> None:
    """Whose numbers are numpy's."""
    run = searched_run(tmp_path / "run")
    least = read_results(run).to_frame()["params"].min()
    assert isinstance(least, np.int64)
    results = search(
        toy_space.space,
        toy_space.data(None),
        run,
        SearchSettings(evaluations=len(read_results(run).rows) + 1, budgets={"params": least, "macs": np.float32(1e6)}),
        show_progress=False,
    )
    assert results.budgets == {"params": int(least), "macs": 1e6}
    assert pick(results, budgets={"params": least}).costs["params"] == least
