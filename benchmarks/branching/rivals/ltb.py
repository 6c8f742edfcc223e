"""Learning to Branch (Guo, Lee, Ulbricht, ICML 2020, arXiv 2006.01895).

Every block has one node per task. Every node, and every task's head, picks one node of the block before as its parent
by a hard straight-through Gumbel-softmax sample; logits and weights learn together from the same loss. While warming
up a node's input is the mean of all of the block before, and logits stand still. At the end each takes its likeliest
parent, traced from the heads up. As every node has one parent, tasks at one node share all nodes before it: tasks
that have parted never meet again, and the groups of tasks at the nodes are a chain of partitions without more ado.
Nothing limits the node count.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.branching.compute import Meter
from benchmarks.branching.layers import draw_weights, nodes, nodes_on_one
from benchmarks.branching.network import LEARNING_RATE, STEPS, WEIGHT_DECAY, adam, set_cosine
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found
from benchmarks.branching.rivals.gumbel import gumbel_noise
from benchmarks.branching.trees import tree_of_paths
from mtnas.seeds import derive_seed


def find(
    problem: Problem,
    seed: int,
    width: int,
    *,
    steps: int = STEPS,
    warmup: float = 0.05,
    temperature: float = 10.0,
    epochs: int = 200,
    logit_learning_rate: float = 1e-2,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> Found:
    """The tree of the likeliest parents. The samples to judge by are trained on as well: it keeps none back.

    Args:
        warmup: share of the steps with uniform parents.
        temperature: of the first step; it falls as 1 / sqrt(epoch), with all steps counted as ``epochs`` epochs.
    """
    x, y = torch.cat([problem.x, problem.x_valid]), torch.cat([problem.y, problem.y_valid])
    target, tasks, blocks = y.mT.contiguous(), problem.tasks, problem.blocks
    generator = torch.Generator().manual_seed(derive_seed(seed, "weights"))
    weights, biases = _draw(tasks, blocks, width, problem.inputs, generator)
    logits = torch.zeros(blocks, tasks, tasks, requires_grad=True)  # (block of the parents, child, parent)
    optimizer = adam([*weights, *biases], learning_rate, weight_decay)
    branching = adam([logits], logit_learning_rate, 0.0)
    uniform = torch.full_like(logits, 1 / tasks, requires_grad=False)
    meter = Meter(problem)
    for step in range(steps):
        warm = step < warmup * steps
        cooled = temperature / (1 + step * epochs / steps) ** 0.5
        parents = uniform if warm else _sampled(logits, cooled, generator)
        set_cosine(optimizer, learning_rate, step, steps)
        optimizer.zero_grad()
        branching.zero_grad()
        loss = (_outputs(x, weights, biases, parents) - target).square().mean()
        torch.autograd.backward(loss)
        optimizer.step()
        if not warm:
            branching.step()
        meter.trained(tasks * blocks, samples=len(x))
    chosen = logits.argmax(-1).tolist()
    tree = tree_of_paths([_path(chosen, task) for task in range(tasks)])
    sure = float(logits.detach().softmax(-1).amax(-1).mean())
    return Found(tree, meter.units, f"{tree.node_count} nodes; mean probability of the parents taken {sure:.2f}")


def _draw(
    tasks: int, blocks: int, width: int, inputs: int, generator: torch.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """Weights and biases of the blocks and then of the heads, one for every task."""
    layers = []
    for block in range(blocks + 1):
        sizes = (1 if block == blocks else width, width if block else inputs)
        drawn = [draw_weights(*sizes, generator) for _ in range(tasks)]
        layers.append([torch.stack(tensors).requires_grad_() for tensors in zip(*drawn, strict=True)])
    return [weights for weights, _ in layers], [biases for _, biases in layers]


def _sampled(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """One-hot samples whose gradient is that of the soft ones."""
    soft = ((logits + gumbel_noise(tuple(logits.shape), generator)) / temperature).softmax(-1)
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
    return hard + soft - soft.detach()


def _outputs(x: Tensor, weights: list[Tensor], biases: list[Tensor], parents: Tensor) -> Tensor:
    """Outputs (tasks, samples)."""
    features = nodes_on_one(weights[0], biases[0], x.mT)  # (nodes, width, samples)
    for block in range(1, len(weights) - 1):
        features = nodes(weights[block], biases[block], _mixed(parents[block - 1], features))
    return torch.baddbmm(biases[-1], weights[-1], _mixed(parents[-1], features))[:, 0]


def _mixed(parents: Tensor, features: Tensor) -> Tensor:
    return (parents @ features.flatten(1)).view_as(features)


def _path(chosen: list[list[int]], task: int) -> list[int]:
    """Nodes from the first block to a task's head."""
    path = [task]
    for parents in reversed(chosen):
        path.append(parents[path[-1]])
    return path[:0:-1]
