"""BMTAS (Brueggemann et al., BMVC 2020, arXiv 2008.10292), as published.

Every block has T copies. Every task picks a copy at every block: its features run through all T copies, whose outputs
are mixed by a soft Gumbel-softmax over T logits, so a block is computed T^2 times. Weights learn on 80 % of the
samples, logits on the other 20 % with a resource term, in turn. While warming up every task uses the copy of its own
number. The temperature then falls from 5 to 0.1. At the end every task takes its likeliest copies; two tasks share a
block if they took the same ones up to there.

What differs from the public code: full batches, so the turns change after every step and not after every epoch (logits
have as many steps as weights, not a quarter), and the optimizers' states are kept; all tasks in one step; the resource
term counts nodes in networks' worth (nodes / blocks) instead of GFLOPs; weights have the learning rate, decay and
cosine of all other methods here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.branching.compute import Meter
from benchmarks.branching.layers import draw_weights, nodes, nodes_on_one
from benchmarks.branching.network import LEARNING_RATE, STEPS, WEIGHT_DECAY, adam, set_cosine
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.expected_cost import ExpectedCost
from benchmarks.branching.rivals.found import Found
from benchmarks.branching.rivals.gumbel import gumbel_noise
from benchmarks.branching.trees import tree_of_paths
from mtnas.seeds import derive_seed

RESOURCE_WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
"""From what leaves tasks mostly apart to what shares everything, told by node counts alone."""


def find(problem: Problem, seed: int, width: int, *, resource_weight: float = 0.003, steps: int = STEPS) -> Found:
    """What one resource weight leads to."""
    return find_all(problem, seed, width, resource_weights=[resource_weight], steps=steps)[0]


def find_all(
    problem: Problem,
    seed: int,
    width: int,
    *,
    resource_weights: Sequence[float] = RESOURCE_WEIGHTS,
    steps: int = STEPS,
    warmup: float = 0.05,
    temperatures: tuple[float, float] = (5.0, 0.1),
    logit_learning_rate: float = 1e-2,
    logit_weight_decay: float = 5e-5,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> list[Found]:
    """What each resource weight leads to: runs of their own that are only computed side by side.

    Args:
        resource_weights: of the expected number of nodes / blocks against the mean error of the tasks.
        steps: of the weights; the logits have one step after each, once warm.
        warmup: share of the steps in which logits stand still.
        temperatures: of the first step after that and of the last.
    """
    runs, tasks, blocks = len(resource_weights), problem.tasks, problem.blocks
    generator = torch.Generator().manual_seed(derive_seed(seed, "weights"))
    supergraph = _Supergraph(runs, tasks, blocks, width, problem.inputs, generator)
    logits = torch.zeros(runs, blocks, tasks, tasks, requires_grad=True)
    own = torch.eye(tasks).expand(runs, blocks, tasks, tasks)
    of_weights = adam(supergraph.parameters, learning_rate, weight_decay)
    of_logits = adam([logits], logit_learning_rate, logit_weight_decay)
    cost = ExpectedCost(tasks) if any(resource_weights) else None
    scale = torch.tensor(resource_weights) / blocks
    y, y_valid = problem.y.mT.contiguous(), problem.y_valid.mT.contiguous()
    meter, warm = Meter(problem), round(warmup * steps)
    high, low = temperatures

    def mixing(temperature: float) -> Tensor:
        return ((logits + gumbel_noise((blocks, tasks, tasks), generator)) / temperature).softmax(-1)

    for step in range(steps):
        temperature = high - (high - low) * max(0, step - warm) / max(1, steps - warm - 1)
        with torch.no_grad():
            fixed = own if step < warm else mixing(temperature)
        set_cosine(of_weights, learning_rate, step, steps)
        of_weights.zero_grad()
        error = (supergraph(problem.x, fixed) - y).square().mean((-2, -1))  # (runs,)
        torch.autograd.backward(error.sum())
        of_weights.step()
        meter.trained(supergraph.node_runs)
        if step >= warm:
            of_logits.zero_grad()
            error = (supergraph(problem.x_valid, mixing(temperature)) - y_valid).square().mean((-2, -1))
            loss = error if cost is None else error + scale * cost(logits)
            torch.autograd.backward(loss.sum(), inputs=[logits])
            of_logits.step()
            meter.trained(supergraph.node_runs, samples=len(problem.x_valid))
    founds = []
    for weight, own_logits in zip(resource_weights, logits.detach(), strict=True):
        tree = tree_of_paths(own_logits.argmax(-1).T.tolist())
        sure = float(own_logits.softmax(-1).amax(-1).mean())
        note = f"resource weight {weight:g}: {tree.node_count} nodes; mean probability of the copies taken {sure:.2f}"
        founds.append(Found(tree, meter.units, note))
    return founds


class _Supergraph:
    """T copies a block and a head per task, for several runs that start alike.

    ``supergraph(x, mixing)`` is (runs, tasks, samples) for mixing weights (runs, blocks, tasks, copies).
    """

    def __init__(self, runs: int, tasks: int, blocks: int, width: int, inputs: int, generator: torch.Generator) -> None:
        self.runs, self.tasks, self.blocks, self.width = runs, tasks, blocks, width
        self.weights: list[Tensor] = []  # (runs, copies * width, fan-in)
        self.biases: list[Tensor] = []
        for block in range(blocks + 1):
            rows = 1 if block == blocks else width
            drawn = [draw_weights(rows, width if block else inputs, generator) for _ in range(tasks)]
            for into, tensors in zip((self.weights, self.biases), zip(*drawn, strict=True), strict=True):
                into.append(torch.cat(tensors).repeat(runs, 1, 1).requires_grad_())
        self.parameters = [*self.weights, *self.biases]

    @property
    def node_runs(self) -> int:
        """How often one run computes a node: T copies on the inputs, then T copies on the features of T tasks."""
        return self.tasks + (self.blocks - 1) * self.tasks**2

    def __call__(self, x: Tensor, mixing: Tensor) -> Tensor:
        runs, tasks, width = self.runs, self.tasks, self.width
        made = nodes_on_one(self.weights[0], self.biases[0], x.mT)
        mixed = mixing[:, 0] @ made.view(runs, tasks, -1)  # (runs, tasks, width * samples)
        for block in range(1, self.blocks):
            weights, biases = self._of_each_task(block)
            made = nodes(
                weights, biases, mixed.view(runs * tasks, width, -1)
            )  # (runs * tasks, copies * width, samples)
            row = mixing[:, block].reshape(runs * tasks, 1, tasks)
            mixed = row @ made.view(runs * tasks, tasks, -1)
        heads, biases = (own.view(runs * tasks, 1, -1) for own in (self.weights[-1], self.biases[-1]))
        outputs = torch.baddbmm(biases, heads, mixed.view(runs * tasks, width, -1))
        return outputs.view(runs, tasks, -1)

    def _of_each_task(self, block: int) -> tuple[Tensor, Tensor]:
        """All copies of a block, repeated for every task: (runs * tasks, copies * width, ...)."""
        weights, biases = (
            own[:, None].expand(-1, self.tasks, -1, -1).flatten(0, 1)
            for own in (self.weights[block], self.biases[block])
        )
        return weights, biases
