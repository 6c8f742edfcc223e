"""One-shot search: a supernetwork trained on random trees, whose weights then judge every tree.

As single-path one-shot search does (Guo et al., arXiv 1904.00420) with trees as paths. A group of tasks uses the node
of its lowest task, so all trees share T nodes a block.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benchmarks.branching.compute import Meter
from benchmarks.branching.layers import draw_weights, nodes, nodes_on_one
from benchmarks.branching.network import LEARNING_RATE, STEPS, WEIGHT_DECAY, adam, set_cosine
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found, best
from benchmarks.branching.trees import plain_space, trees_within
from mtnas.architecture import Tree
from mtnas.seeds import derive_seed

Path = tuple[int, ...]
"""Leaders of a task's groups, from the first block on."""


def find(
    problem: Problem,
    seed: int,
    width: int,
    *,
    units: float = 6.0,
    steps: int | None = None,
    learning_rate: float = LEARNING_RATE,
    weight_decay: float = WEIGHT_DECAY,
) -> Found:
    """The best by validation with inherited weights, among trees of at most the true node count.

    Args:
        units: compute to train with; not used if ``steps`` is given.
        steps: full-batch steps, each on one tree drawn uniformly over all trees.
    """
    meter = Meter(problem)
    drawn = _draw(problem, seed, units, steps)
    supernet = _Supernet(problem.tasks, problem.blocks, width, problem.inputs, seed)
    optimizer = adam(supernet.parameters(), learning_rate, weight_decay)
    target = problem.y.mT.contiguous()
    for step, tree in enumerate(drawn):
        set_cosine(optimizer, learning_rate, step, len(drawn))
        optimizer.zero_grad()
        (supernet(problem.x, tree) - target).square().mean().backward()
        optimizer.step()
        meter.trained(tree.node_count)
    trees = trees_within(problem.tasks, problem.blocks, problem.truth.node_count)
    scores = supernet.judge(problem, trees, meter)
    return best(scores, meter.units, f"{len(drawn)} random trees")


def _draw(problem: Problem, seed: int, units: float, steps: int | None) -> list[Tree]:
    """Trees to train on: ``steps`` of them, or as many as the units allow."""
    space = plain_space(problem.tasks, problem.blocks)
    rng = random.Random(derive_seed(seed, "one-shot"))
    if steps is not None:
        return [space.draw_tree(rng) for _ in range(steps)]
    left = units * problem.truth.node_count * STEPS
    drawn = []
    while left > 0:
        drawn.append(space.draw_tree(rng))
        left -= drawn[-1].node_count
    return drawn


class _Supernet(nn.Module):
    """A node for every block and task: ``forward(x, tree)`` is (tasks, samples).

    Every node has parameters of its own, so that the optimizer leaves alone those that a step did not use.
    """

    def __init__(self, tasks: int, blocks: int, width: int, inputs: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(derive_seed(seed, "weights"))
        self.weights, self.biases = nn.ModuleList(), nn.ModuleList()
        for block in range(blocks + 1):
            fan_in = width if block else inputs
            drawn = [draw_weights(1 if block == blocks else width, fan_in, generator) for _ in range(tasks)]
            self.weights.append(nn.ParameterList(weights for weights, _ in drawn))
            self.biases.append(nn.ParameterList(biases for _, biases in drawn))

    def _stacked(self, block: int, leaders: list[int]) -> tuple[Tensor, Tensor]:
        weights, biases = self.weights[block], self.biases[block]
        assert isinstance(weights, nn.ParameterList) and isinstance(biases, nn.ParameterList)
        return torch.stack([weights[leader] for leader in leaders]), torch.stack([biases[leader] for leader in leaders])

    def forward(self, x: Tensor, tree: Tree) -> Tensor:
        above = sorted(set(tree.leaders[0]))  # leaders of the nodes that were computed last
        features = nodes_on_one(*self._stacked(0, above), x.mT)  # (nodes, width, samples)
        for block in range(1, tree.blocks + 1):
            heads = block == tree.blocks
            leaders = list(range(tree.tasks)) if heads else sorted(set(tree.leaders[block]))
            sources = [above.index(tree.leaders[block - 1][leader]) for leader in leaders]
            fed = features if leaders == above else features.index_select(0, torch.tensor(sources))
            weights, biases = self._stacked(block, leaders)
            features = torch.baddbmm(biases, weights, fed) if heads else nodes(weights, biases, fed)
            above = leaders
        return features[:, 0]

    @torch.no_grad()
    def judge(self, problem: Problem, trees: list[Tree], meter: Meter) -> Mapping[Tree, float]:
        """Mean error of every tree on the samples to judge by. A task's error depends on its own path only."""
        features: dict[Path, Tensor] = {(): problem.x_valid.mT}
        found: dict[tuple[int, Path], float] = {}

        def after(path: Path) -> Tensor:
            if path not in features:
                weights, biases = self._stacked(len(path) - 1, [path[-1]])
                features[path] = nodes(weights, biases, after(path[:-1])[None])[0]
                meter.judged(1, len(problem.x_valid))
            return features[path]

        def error(task: int, path: Path) -> float:
            if (task, path) not in found:
                weights, biases = self._stacked(len(path), [task])
                output = (weights[0] @ after(path) + biases[0])[0]
                found[task, path] = float((output - problem.y_valid[:, task]).square().mean())
            return found[task, path]

        return {
            tree: sum(error(task, path) for task, path in enumerate(zip(*tree.leaders, strict=True))) / tree.tasks
            for tree in trees
        }
