"""Ours: affinities from one short supernetwork training; the leading trees are then trained, and the best one taken."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from benchmarks.branching.compute import Meter
from benchmarks.branching.network import STEPS
from benchmarks.branching.problem import Problem
from benchmarks.branching.rivals.found import Found
from benchmarks.branching.rivals.scratch import best_trained
from mtnas.architecture import Tree
from mtnas.branching import Branching, NodeCosts, RankedTree, leading_trees
from mtnas.runs import Run
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import regression
from mtnas.training import TrainingSettings, load_branching, train


class _Whole(IterableDataset[tuple[Tensor, dict[str, Tensor]]]):
    """All samples as one batch, some times over: an epoch."""

    def __init__(self, x: Tensor, y: Tensor, times: int) -> None:
        self.x, self.labels, self.times = x, _labels(y), times

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        yield from [(self.x, self.labels)] * self.times


class _Each(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Samples one by one."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.labels = x, _labels(y)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.x[index], {name: label[index] for name, label in self.labels.items()}


def _labels(y: Tensor) -> dict[str, Tensor]:
    return {f"task{index}": label for index, label in enumerate(y.unbind(1))}


@dataclass(frozen=True)
class Learned:
    """What one supernetwork training told.

    Attributes:
        space: of the student.
        branching: affinities and branch points.
        costs: nodes count 1 each.
        units: compute so far.
    """

    space: SearchSpace
    branching: Branching
    costs: NodeCosts
    units: float

    def leading(self, nodes: int, seed: int, count: int) -> list[RankedTree]:
        """The trees of at most so many nodes that affinities speak for, best first."""
        space, branching = self.space.architectures, self.branching
        least, most = self.costs.range(space)
        share = (nodes - least) / (most - least)
        nearest = min(range(len(branching.shares)), key=lambda index: abs(branching.shares[index] - share))
        points = branching.points[nearest]
        return leading_trees(space, branching.affinities, self.costs, nodes, seed, points, count=count)


def learn(
    problem: Problem, seed: int, width: int, *, steps: int = 1000, warmup: float = 0.4, steps_per_epoch: int = 25
) -> Learned:
    """Train a supernetwork, with the product's own training, until affinities are known.

    Args:
        steps: of the training, hard sharing and parting together.
        warmup: share of them that trains hard sharing.
    """
    blocks = [
        Block(f"block{index}", {"tanh": lambda shape: nn.Sequential(nn.Linear(shape[0], width), nn.Tanh())})
        for index in range(problem.blocks)
    ]
    space = SearchSpace([regression(f"task{index}") for index in range(problem.tasks)], blocks)
    held = _Each(problem.x_valid, problem.y_valid)
    train_loader = DataLoader(_Whole(problem.x, problem.y, steps_per_epoch), batch_size=None)
    data = Data(train_loader, held, branch=held, eval_batch_size=len(held))
    nodes = [Tree.parting(problem.tasks, problem.blocks, at).node_count for at in range(problem.blocks)]
    costs = NodeCosts((1.0,) * problem.blocks)
    share = (problem.truth.node_count - problem.blocks) / (max(nodes) - problem.blocks)
    settings = TrainingSettings(
        epochs=max(2, steps // steps_per_epoch),
        learning_rate=5e-3,
        weight_decay=1e-3,
        shared_warmup=warmup,
        parting=1 - warmup,
        tree_budgets=(share,),
        sandwich=False,
        threads=1,
        device="cpu",
    )
    with tempfile.TemporaryDirectory() as place:
        run = Run(Path(place) / "run", seed)
        train(space, data, run, settings, show_progress=False)
        branching = load_branching(run)
    assert branching is not None
    meter = Meter(problem, STEPS)
    shared = round(settings.epochs * warmup) * steps_per_epoch
    meter.trained(problem.blocks, shared)
    meter.trained(1, round((settings.epochs * steps_per_epoch - shared) * sum(nodes) / len(nodes)))
    return Learned(space, branching, costs, meter.units)


def find(
    problem: Problem,
    seed: int,
    width: int,
    *,
    steps: int = 1000,
    finalists: int = 3,
    trained_steps: int = STEPS,
    nodes: int | None = None,
) -> Found:
    """The best by validation of the trees that affinities speak for, each trained once from scratch.

    Args:
        steps: of the supernetwork training.
        finalists: trees to train; 1: none is trained, affinities alone decide.
        trained_steps: of the training of each of these.
        nodes: that a tree may have; None: as many as the true one.
    """
    learned = learn(problem, seed, width, steps=steps)
    ranked = learned.leading(nodes or problem.truth.node_count, seed, finalists)
    if finalists == 1:
        wide = learned.leading(nodes or problem.truth.node_count, seed, 100)
        return Found(ranked[0].tree, learned.units, "", tuple(one.tree for one in wide))
    trees = [one.tree for one in ranked]
    trained = best_trained(problem, trees, seed, width, "", steps=trained_steps)
    return Found(trained.tree, learned.units + trained.units, f"{len(trees)} trees trained", trained.ranking)
