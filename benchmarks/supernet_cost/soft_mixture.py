"""Soft branching as published methods train it: a baseline.

Every block has one copy per task, and every task mixes what the copies give, by a Gumbel-softmax over them. Nothing is
sampled, so every step runs everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mtnas.architecture import Architecture, Tree
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork


class SoftMixture(nn.Module):
    """``forward(x) -> {task name: output}`` of a soft mixture of all trees; one operator per block, no stem.

    Args:
        space: tasks and blocks; the first option of every block is used.
        example: a batch of inputs, for shapes.
        of_outputs: True: a task's feature runs through all T copies of a block, whose outputs are mixed: T^2 runs a
            block (BMTAS, arXiv 2008.10292). False: the tasks' features are mixed before each task's own copy: T runs.
        seed: seed of the initial weights.
    """

    def __init__(self, space: SearchSpace, example: Tensor, *, of_outputs: bool, seed: int = 0) -> None:
        super().__init__()
        self.names = space.architectures.tasks
        self.of_outputs = of_outputs
        split = Tree.split(len(self.names), len(space.blocks))
        first = tuple(block.options[0] for block in space.architectures.blocks)
        whole = SuperNetwork(space, example, seed).extract(Architecture.uniform(split, first))
        self.blocks = nn.ModuleList(
            nn.ModuleList(whole.nodes[f"{block.name}/{name}"] for name in self.names) for block in space.blocks
        )
        self.heads = nn.ModuleList(whole.heads[f"head/{name}"] for name in self.names)
        self.logits = nn.Parameter(torch.zeros(len(space.blocks), len(self.names), len(self.names)))  # (L, T, copies)

    @property
    def block_runs(self) -> int:
        """How often a forward pass runs a block. In the first one all tasks still have the same feature."""
        tasks = len(self.names)
        return tasks + (len(self.blocks) - 1) * (tasks * tasks if self.of_outputs else tasks)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        weights = nn.functional.gumbel_softmax(self.logits, tau=1.0)
        mix = self._mix_outputs if self.of_outputs else self._mix_inputs
        features = [x]
        for rows, copies in zip(weights, self.blocks, strict=True):
            assert isinstance(copies, nn.ModuleList)
            features = mix(features, rows, copies)
        return {name: head(feature) for name, head, feature in zip(self.names, self.heads, features, strict=True)}

    def _mix_outputs(self, features: Sequence[Tensor], rows: Tensor, copies: nn.ModuleList) -> list[Tensor]:
        if len(features) == 1:
            outputs = [copy(features[0]) for copy in copies]
            return [_mixed(outputs, row) for row in rows]
        return [_mixed([copy(feature) for copy in copies], row) for feature, row in zip(features, rows, strict=True)]

    def _mix_inputs(self, features: Sequence[Tensor], rows: Tensor, copies: nn.ModuleList) -> list[Tensor]:
        if len(features) == 1:
            return [copy(features[0]) for copy in copies]
        return [copy(_mixed(features, row)) for copy, row in zip(copies, rows, strict=True)]


def _mixed(values: Sequence[Tensor], weights: Tensor) -> Tensor:
    terms = [weight * value for weight, value in zip(weights, values, strict=True)]
    mixed: Tensor = reduce(torch.add, terms)
    return mixed
