"""The controlled problem "P-Tree": labels made by a branched teacher, so that the true tree is known.

Inputs are standard normal. The teacher is a tree of tanh layers with a linear head for every task; its tasks are
numbered anew for every seed, so no method gains from the order of the tasks. Labels are standardised; those to train
and to judge by carry noise, those to test on do not.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from mtnas.architecture import Group, Tree
from mtnas.seeds import derive_seed

BLOCKS = 3


@dataclass(frozen=True)
class Teacher:
    """What makes the labels.

    Attributes:
        tree: over the teacher's own task numbers.
        one_head: whether all tasks have the same head. Tasks on one path are then the same but for their noise.
    """

    tree: Tree
    one_head: bool = False


def pairs(tasks: int = 4, blocks: int = BLOCKS) -> Teacher:
    """The first block is shared by all, those after it by tasks 0 and 1, by 2 and 3, and so on."""
    if tasks % 2:
        raise ValueError(f"pairs need an even number of tasks, but got {tasks}")
    two = tuple(task - task % 2 for task in range(tasks))
    return Teacher(Tree(((0,) * tasks, *((two,) * (blocks - 1)))))


def unrelated(tasks: int = 4, blocks: int = BLOCKS) -> Teacher:
    """Nothing is shared."""
    return Teacher(Tree.split(tasks, blocks))


def identical(tasks: int = 4, blocks: int = BLOCKS) -> Teacher:
    """The same task several times, with noise of its own each."""
    return Teacher(Tree.shared(tasks, blocks), one_head=True)


@dataclass(frozen=True)
class Problem:
    """Samples and the tree that made their labels. Inputs are (samples, inputs), labels (samples, tasks).

    Attributes:
        x: inputs to train on, with noisy labels ``y``.
        x_valid: inputs to judge by, with noisy labels ``y_valid``.
        x_test: inputs of the last report, with labels ``y_test`` that have no noise.
        truth: the teacher's tree in the numbers that the tasks have here.
    """

    x: Tensor
    y: Tensor
    x_valid: Tensor
    y_valid: Tensor
    x_test: Tensor
    y_test: Tensor
    truth: Tree

    @property
    def tasks(self) -> int:
        return self.truth.tasks

    @property
    def blocks(self) -> int:
        return self.truth.blocks

    @property
    def inputs(self) -> int:
        return self.x.shape[1]


def make_problem(
    seed: int,
    teacher: Teacher | None = None,
    *,
    train: int = 1280,
    valid: int = 320,
    test: int = 2000,
    inputs: int = 16,
    width: int = 8,
    gain: float = 1.5,
    noise: float = 0.1,
    permute: bool = True,
) -> Problem:
    """Draw a teacher's weights, samples and the numbers of the tasks.

    Args:
        teacher: default: two pairs, 0123|01.23|01.23 in the teacher's numbers.
        gain: a layer's weights and the heads are N(0, gain^2 / fan-in).
        noise: standard deviation of the noise on labels of standard deviation one.
        permute: False keeps the teacher's task numbers.
    """
    teacher = pairs() if teacher is None else teacher
    tree = teacher.tree
    numbers = list(range(tree.tasks))
    if permute:
        random.Random(derive_seed(seed, "p-tree", "tasks")).shuffle(numbers)
    generator = torch.Generator().manual_seed(derive_seed(seed, "p-tree", "samples"))
    labels_of = _Labels(teacher, inputs, width, gain, generator)
    x = torch.randn(train + valid + test, inputs, generator=generator)
    made = labels_of(x)  # (samples, teacher's tasks)
    made = (made - made[:train].mean(0)) / made[:train].std(0)
    made[: train + valid] += noise * torch.randn(train + valid, tree.tasks, generator=generator)
    y = torch.empty_like(made)
    y[:, numbers] = made
    parts = [train, valid, test]
    xs, ys = torch.split(x, parts), torch.split(y, parts)
    return Problem(xs[0], ys[0], xs[1], ys[1], xs[2], ys[2], renumbered(tree, numbers))


def renumbered(tree: Tree, numbers: list[int]) -> Tree:
    """The tree in which task t is called ``numbers[t]``."""
    return Tree.from_groups(
        [[numbers[task] for task in group] for group in tree.groups(block)] for block in range(tree.blocks)
    )


class _Labels:
    """A teacher with weights."""

    def __init__(self, teacher: Teacher, inputs: int, width: int, gain: float, generator: torch.Generator) -> None:
        tree = teacher.tree
        self.tree = tree

        def weights(fan_in: int, fan_out: int) -> Tensor:
            return gain / math.sqrt(fan_in) * torch.randn(fan_in, fan_out, generator=generator)

        self.nodes: dict[tuple[int, Group], Tensor] = {
            (block, group): weights(width if block else inputs, width) for block, group in tree.nodes()
        }
        heads = [weights(width, 1) for _ in range(1 if teacher.one_head else tree.tasks)]
        self.heads = heads * tree.tasks if teacher.one_head else heads

    def __call__(self, x: Tensor) -> Tensor:
        features = [x] * self.tree.tasks
        for (_, group), weights in self.nodes.items():
            made = torch.tanh(features[group[0]] @ weights)
            for task in group:
                features[task] = made
        labels = [feature @ head for feature, head in zip(features, self.heads, strict=True)]
        return torch.cat(labels, 1)
