"""What fits but will train badly is remarked on, and nothing else is."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, SubsetRandomSampler
from toy_runs import TOY_FILE, call

from mtnas.cli.checking import remarks_on_phases, remarks_on_steps
from mtnas.errors import SpaceError
from mtnas.space.block import Block
from mtnas.space.check import check
from mtnas.space.data import Data
from mtnas.space.remarks import remarks
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification, regression
from mtnas.training import TrainingSettings

TASKS = [classification("kind", 3), regression("days"), regression("heat")]
SPACE = SearchSpace(TASKS, [Block("only", {"linear": lambda shape: nn.Linear(shape[0], 4)})])


class Table(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    def __init__(self, x: Tensor, days: float = 1.0, heat: float = 1.0, shift: float = 0.0) -> None:
        self.x, draw = x, torch.Generator().manual_seed(1)
        self.labels = {
            "kind": torch.randint(3, (len(x),), generator=draw),
            "days": shift + days * torch.randn(len(x), generator=draw),
            "heat": heat * torch.randn(len(x), generator=draw),
        }

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.x[index], {name: label[index] for name, label in self.labels.items()}


def told(table: Table, space: SearchSpace = SPACE) -> list[str]:
    apart = [copy.copy(table) for _ in range(3)]
    data = Data(*apart)
    return remarks(space, data, check(space, data))


def numbers(*scales: float) -> Tensor:
    return torch.randn(200, len(scales), generator=torch.Generator().manual_seed(0)) * torch.tensor(scales)


def test_nothing_is_said_of_what_is_of_a_common_scale() -> None:
    assert told(Table(numbers(1, 0.1, 5), days=2, heat=0.7)) == []


@pytest.mark.parametrize(("days", "shift"), [(300.0, 0.0), (1.0, 700.0)])
def test_a_task_that_drowns_the_others_is_named(days: float, shift: float) -> None:
    (text,) = told(Table(numbers(1, 1), days=days, shift=shift))
    assert text.startswith("task 'days' begins with a loss of about ") and "it will drown them" in text


def test_a_task_that_is_drowned_is_named() -> None:
    texts = told(Table(numbers(1, 1), heat=0.01))
    assert len(texts) == 1 and texts[0].startswith("task 'heat'") and "it will be drowned" in texts[0]


def test_weights_count() -> None:
    weighted = SearchSpace([TASKS[0], regression("days", weight=1e-4), TASKS[2]], SPACE.blocks)
    assert told(Table(numbers(1, 1), days=100), weighted) == []


def test_large_inputs_are_named_with_the_feature() -> None:
    (text,) = told(Table(numbers(1, 2000, 1)))
    assert text.startswith("the input is about 2,") and "in feature 1: scale it" in text


def test_a_double_input_is_told_with_the_remedy() -> None:
    with pytest.raises(SpaceError, match=r"the input is float64, but weights are float32: give x.float\(\)"):
        told(Table(numbers(1, 1).double()))


def test_commands_say_it_once_before_training(tmp_path: Path) -> None:
    path = tmp_path / "far.py"
    path.write_text(TOY_FILE.read_text() + "\nspace = SearchSpace(\n    [space.tasks[0], space.tasks[1],"
                    " regression('total', error=SlowSpread, weight=1e6)], list(space.blocks))\n")  # fmt: skip
    assert "note: task 'total' begins with a loss of about" in " ".join(call("check", path).out.split())
    first, again = (call("train", path, "--run", tmp_path / "run") for _ in range(2))
    assert first.code == again.code == 0
    assert "note: task 'total'" in first.out + first.err and "note:" not in again.out + again.err


def test_a_short_training_is_remarked_on() -> None:
    told = call("check", TOY_FILE).out
    assert told.count("note:") == 1 and "note: the training has 12 steps in all" in told
    ten, accumulating = TrainingSettings(epochs=10), TrainingSettings(epochs=10, accumulate=4)
    assert remarks_on_steps(ten, 50) == remarks_on_steps(ten, None) == [] != remarks_on_steps(ten, 49)
    assert remarks_on_steps(accumulating, 197) == []  # the last step of an epoch has one batch
    (text,) = remarks_on_steps(accumulating, 196)
    assert "490 steps in all" in text and "lower accumulate=" in text


def test_a_training_without_an_epoch_of_all_trees_is_remarked_on() -> None:
    (text,) = remarks_on_phases(TrainingSettings(epochs=2), SPACE)
    assert "2 in all, none is left" in text and "1 share all, and in 1 all tasks part, after which" in text
    (text,) = remarks_on_phases(TrainingSettings(epochs=1), SPACE)
    assert "0 share all, and in 1 all tasks part; raise" in text
    for settings in (TrainingSettings(epochs=3), TrainingSettings(epochs=2, parting=0)):
        assert remarks_on_phases(settings, SPACE) == []
    only_shared = TrainingSettings(epochs=2, shared_warmup=1.0)  # as asked for
    assert remarks_on_phases(only_shared, SPACE) == []


def test_splits_that_overlap_are_named() -> None:
    table = Table(numbers(1, 1))
    first, last = Subset(table, range(120)), Subset(Subset(table, range(50, 200)), range(49, 150))
    data = Data(first, last, branch=copy.copy(table))
    (text,) = remarks(SPACE, data, check(SPACE, data))
    assert text.startswith("train and valid have 21 samples in common")  # 99 to 119
    whole = Data(first, copy.copy(table), test=table)
    told = remarks(SPACE, whole, check(SPACE, whole))
    assert [text.split(":")[0] for text in told] == [
        "train and test have 96 samples in common",
        "test and branch have 24 samples in common",
    ]
    loaders = [DataLoader(table, sampler=SubsetRandomSampler(part)) for part in (range(100), range(99, 200))]
    assert Data(*loaders, branch=copy.copy(table)).overlaps == {("train", "valid"): 1}
