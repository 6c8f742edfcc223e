"""Small spaces and data that other tests share: they train in a fraction of a second."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset

from mtnas.architecture import Architecture, ArchitectureSpace, BlockChoices, CostTable, Tree
from mtnas.space.block import Block, Operator
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.task import Task
from mtnas.space.task_types import classification, regression

INPUTS = 6
WIDTH = 8


# Architectures ---------------------------------------------------------------------------------------------------


def plain_space(branching: Sequence[bool], options: Sequence[int], tasks: int = 3) -> ArchitectureSpace:
    """Tasks a, b, c, ... and blocks b0, b1, ... with options o0, o1, ..."""
    blocks = tuple(
        BlockChoices(f"b{index}", tuple(f"o{option}" for option in range(count)), may_split)
        for index, (may_split, count) in enumerate(zip(branching, options, strict=True))
    )
    return ArchitectureSpace(tuple("abcdefghijklmnop"[:tasks]), blocks)


def plain_table(space: ArchitectureSpace, seed: int = 0) -> CostTable:
    """Random small costs, among them equal ones and zeros."""
    rng = random.Random(seed)

    def amounts() -> tuple[int, ...]:
        return rng.randrange(6), rng.randrange(6)

    options = tuple(tuple(amounts() for _ in block.options) for block in space.blocks)
    return CostTable.plain(amounts(), options, tuple(amounts() for _ in space.tasks))


def all_partitions(tasks: int) -> list[tuple[int, ...]]:
    """Every partition of the tasks as a row of leaders: a task leads itself or follows a leader before it."""
    rows = product(*(range(task + 1) for task in range(tasks)))
    return [row for row in rows if all(row[leader] == leader for leader in row)]


def all_trees(tasks: int, branching: Sequence[bool]) -> list[Tree]:
    """Every tree, by trying all chains of partitions."""
    found = []
    for rows in product(all_partitions(tasks), repeat=len(branching)):
        above = (0,) * tasks
        for row, may_split in zip(rows, branching, strict=True):
            refines = all(above[task] == above[leader] for task, leader in enumerate(row))
            if not refines or (row != above and not may_split):
                break
            above = row
        else:
            found.append(Tree(rows))
    return found


@st.composite
def plain_spaces(
    draw: st.DrawFn, most_tasks: int = 4, most_blocks: int = 4, most_options: int = 3
) -> ArchitectureSpace:
    blocks = draw(st.integers(1, most_blocks))
    branching = draw(st.lists(st.booleans(), min_size=blocks, max_size=blocks))
    options = draw(st.lists(st.integers(1, most_options), min_size=blocks, max_size=blocks))
    return plain_space(branching, options, draw(st.integers(1, most_tasks)))


# Networks --------------------------------------------------------------------------------------------------------


def linear(*, norm: bool, dropout: float = 0.0) -> Operator:
    def make(shape: tuple[int, ...]) -> nn.Module:
        normalise = nn.BatchNorm1d(WIDTH) if norm else nn.Identity()
        return nn.Sequential(nn.Linear(shape[0], WIDTH), normalise, nn.Tanh(), nn.Dropout(dropout))

    return make


def wide(*, norm: bool) -> Operator:
    def make(shape: tuple[int, ...]) -> nn.Module:
        normalise = nn.BatchNorm1d(12) if norm else nn.Identity()
        return nn.Sequential(nn.Linear(shape[0], 12), normalise, nn.ReLU(), nn.Linear(12, WIDTH))

    return make


def skip(shape: tuple[int, ...]) -> nn.Module:
    return nn.Identity()


def toy_tasks() -> list[Task]:
    return [
        regression("height"),
        classification("kind", 3),
        regression("weight"),
    ]


def toy_space(
    *,
    norm: bool = True,
    dropout: float = 0.0,
    branching: Sequence[bool] = (True, True, True),
    tasks: Sequence[Task] | None = None,
    stem: bool = False,
) -> SearchSpace:
    """Three blocks on vectors; the middle one may be left out."""
    first, middle, last = branching
    options = {"linear": linear(norm=norm, dropout=dropout), "wide": wide(norm=norm)}
    blocks = [
        Block("first", options, first),
        Block("middle", {**options, "skip": skip}, middle),
        Block("last", options, last),
    ]
    make_stem = (lambda shape: nn.Sequential(nn.Linear(shape[0], 7), nn.Tanh())) if stem else None
    return SearchSpace(toy_tasks() if tasks is None else tasks, blocks, make_stem)


def toy_x(samples: int, seed: int = 0) -> Tensor:
    return torch.randn(samples, INPUTS, generator=torch.Generator().manual_seed(seed))


def toy_labels(x: Tensor, *, complete: bool = True) -> dict[str, Tensor]:
    """Labels that follow from the inputs; unless complete, a third of each task's is missing."""
    labels = {
        "height": torch.tanh(x[:, 0] - x[:, 1]),
        "kind": x[:, 1:4].argmax(1),
        "weight": x[:, 4] * x[:, 0].sign(),
    }
    if not complete:
        for shift, (name, gap) in enumerate({"height": torch.nan, "kind": -100, "weight": torch.nan}.items()):
            labels[name][shift::3] = gap
    return labels


class Samples(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Tensors in memory; ``reads`` counts the samples that were taken."""

    def __init__(self, x: Tensor, labels: dict[str, Tensor]) -> None:
        self.x, self.labels = x, labels
        self.reads = 0

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        self.reads += 1
        return self.x[index], {name: label[index] for name, label in self.labels.items()}


def toy_samples(samples: int, seed: int = 0, *, complete: bool = True) -> Samples:
    x = toy_x(samples, seed)
    return Samples(x, toy_labels(x, complete=complete))


def toy_data(seed: int = 0, *, train: int = 60, complete: bool = False) -> Data:
    """48 samples for weights and 12 for branch points in batches of 16, 20 to judge by, 30 for batch norm."""
    return Data(
        toy_samples(train, 2 * seed, complete=complete),
        toy_samples(20, 2 * seed + 1, complete=complete),
        batch_size=16,
        eval_batch_size=12,
        calibration_samples=30,
    )


def draws(space: SearchSpace | ArchitectureSpace, count: int, seed: int = 0) -> Iterator[Architecture]:
    """Architectures drawn from a space."""
    members = space.architectures if isinstance(space, SearchSpace) else space
    rng = random.Random(seed)
    for _ in range(count):
        yield members.draw(rng)
