"""Tasks of a few groups: a space with few copies of a block, and its data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.branching.problem import Problem, Teacher, make_problem
from mtnas.architecture import Tree
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import regression

BLOCKS, WIDTH, BATCH = 3, 16, 128

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


def grouped_problem(seed: int, tasks: int, groups: int) -> Problem:
    """Labels of a teacher with a network for each of some groups of tasks, each task with a head of its own."""
    return make_problem(seed, Teacher(Tree((tuple(task % groups for task in range(tasks)),) * BLOCKS)))


def space_of(tasks: int, copies: int | None) -> SearchSpace:
    """Three dense blocks of two operators."""
    options = {name: partial(_dense, kind) for name, kind in ACTIVATIONS.items()}
    return SearchSpace(
        [regression(f"task{index}") for index in range(tasks)],
        [Block(f"block{index}", options) for index in range(BLOCKS)],
        copies=copies,
    )


def _dense(kind: type[nn.Module], shape: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], WIDTH), kind())


class _Batches(IterableDataset[tuple[Tensor, dict[str, Tensor]]]):
    """Samples in whole batches: one by one, a hundred labels of each would take longer than a network."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        names = [f"task{index}" for index in range(y.shape[1])]
        self.batches = [
            (part, dict(zip(names, labels.unbind(1), strict=True)))
            for part, labels in zip(torch.split(x, BATCH), torch.split(y, BATCH), strict=True)
        ]

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        return iter(self.batches)


def data_of(problem: Problem) -> Data:
    """A quarter of the training samples, as many as judge, is for the branch points only."""
    held, count = len(problem.x_valid), len(problem.x)
    parts = {
        "train": (problem.x[: count - held], problem.y[: count - held]),
        "branch": (problem.x[count - held :], problem.y[count - held :]),
        "valid": (problem.x_valid, problem.y_valid),
    }
    loaders = {name: DataLoader(_Batches(*both), batch_size=None) for name, both in parts.items()}
    return Data(loaders["train"], loaders["valid"], branch=loaders["branch"])


def first_batch(problem: Problem) -> tuple[Tensor, dict[str, Tensor]]:
    return next(iter(_Batches(problem.x, problem.y)))


def params(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def on_one_thread() -> None:
    torch.set_num_threads(1)
