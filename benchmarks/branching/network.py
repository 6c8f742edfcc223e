"""The students: tanh nodes in a tree and a linear head for every task, one tree or many side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks.branching.layers import draw_weights, nodes, nodes_on_one
from mtnas.architecture import Tree
from mtnas.seeds import derive_seed

STEPS = 2500
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-3

Network = TypeVar("Network", bound=nn.Module)


class Forest(nn.Module):
    """Networks of several trees, each with weights of its own: ``forward(x)`` is (trees, samples, tasks).

    They train as each would alone, but much faster.

    Args:
        trees: of equally many tasks and blocks.
        width: units of a node.
        inputs: size of a sample.
        seeds: of the trees' initial weights.
    """

    def __init__(self, trees: Sequence[Tree], width: int, inputs: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.trees = tuple(trees)
        generators = [torch.Generator().manual_seed(derive_seed(seed, "weights")) for seed in seeds]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.sources: list[Tensor | None] = []
        """By block and then for the heads: which node of the block before feeds each; None: node i feeds i."""
        above = [[0] * tree.tasks for tree in trees]  # node that each task used last
        made = 1
        for block in range(trees[0].blocks):
            weights: list[tuple[Tensor, Tensor]] = []
            sources: list[int] = []
            used = []
            for tree, generator, last in zip(trees, generators, above, strict=True):
                numbers = {}
                for group in tree.groups(block):
                    numbers[group[0]] = len(weights)
                    sources.append(last[group[0]])
                    weights.append(draw_weights(width, width if block else inputs, generator))
                used.append([numbers[leader] for leader in tree.leaders[block]])
            self._add(weights, sources, made)
            above, made = used, len(weights)
        heads = [draw_weights(1, width, generator) for tree, generator in zip(trees, generators, strict=True)
                 for _ in range(tree.tasks)]  # fmt: skip
        self._add(heads, [number for last in above for number in last], made)

    def _add(self, drawn: Sequence[tuple[Tensor, Tensor]], sources: list[int], made: int) -> None:
        self.weights.append(nn.Parameter(torch.stack([weights for weights, _ in drawn])))
        self.biases.append(nn.Parameter(torch.stack([biases for _, biases in drawn])))
        self.sources.append(None if sources == list(range(made)) else torch.tensor(sources))

    @property
    def node_count(self) -> int:
        return sum(tree.node_count for tree in self.trees)

    def forward(self, x: Tensor) -> Tensor:
        features = nodes_on_one(self.weights[0], self.biases[0], x.mT)  # (nodes, width, samples)
        last = len(self.weights) - 1
        for block in range(1, last):
            features = nodes(self.weights[block], self.biases[block], _fed(features, self.sources[block]))
        outputs = torch.baddbmm(self.biases[last], self.weights[last], _fed(features, self.sources[last]))
        return outputs.view(len(self.trees), -1, len(x)).mT


class TreeNetwork(nn.Module):
    """The network of one tree: ``forward(x)`` is (samples, tasks). Every node is computed once."""

    def __init__(self, tree: Tree, width: int, inputs: int, seed: int) -> None:
        super().__init__()
        self.tree = tree
        self.forest = Forest([tree], width, inputs, [seed])

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.forest(x)[0]
        return outputs


def _fed(features: Tensor, sources: Tensor | None) -> Tensor:
    return features if sources is None else features.index_select(0, sources)


def adam(parameters: Iterable[Tensor], learning_rate: float, weight_decay: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)


def set_cosine(optimizer: torch.optim.Optimizer, learning_rate: float, step: int, steps: int) -> None:
    """Learning rate of a step: a cosine from ``learning_rate`` to zero."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * (1 + math.cos(math.pi * step / steps)) / 2


def fit(
    network: Network,
    x: Tensor,
    y: Tensor,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> Network:
    """Train by full-batch Adam on the mean squared error of the tasks, the learning rate a cosine to zero.

    Args:
        y: labels (samples, tasks), or (trees, samples, tasks) if those of a forest learn different ones.
    """
    optimizer = adam(network.parameters(), learning_rate, weight_decay)
    target = y.mT.contiguous()
    for step in range(steps):
        set_cosine(optimizer, learning_rate, step, steps)
        optimizer.zero_grad()
        # The mean of every tree, then their sum: each tree's gradient is what it is alone.
        (network(x).mT - target).square().mean((-2, -1)).sum().backward()
        optimizer.step()
    return network


@torch.no_grad()
def errors(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean squared errors: (tasks,), or (trees, tasks) of a forest."""
    found: Tensor = (network(x) - y).square().mean(-2)
    return found


def test_errors(network: TreeNetwork, x: Tensor, y: Tensor) -> list[float]:
    """Mean squared error of every task."""
    return [float(error) for error in errors(network, x, y)]
