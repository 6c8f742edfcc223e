"""Times of single learning steps, side by side."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch

from benchmarks.branching.trees import plain_space
from benchmarks.many_tasks.groups import data_of, first_batch, grouped_problem, space_of
from mtnas.architecture import Architecture, Tree
from mtnas.branching import BranchPoints, NodeCosts
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings
from mtnas.training.sampling import Sandwich
from mtnas.training.weight_step import add_gradients

HARD, TREES, PARTING = "hard sharing, one network", "all trees, a sandwich", "parting, one network"


def step_seconds(tasks: int, copies: int, groups: int, rounds: int) -> dict[str, float]:
    """Median seconds of a step of every kind, forward and backward, on a batch; kinds take turns."""
    problem, settings = grouped_problem(0, tasks, groups), TrainingSettings(device="cpu")
    batch, device = first_batch(problem), torch.device("cpu")
    limited, wide = space_of(tasks, copies), space_of(tasks, None)
    example = data_of(problem).example()[0]
    few, many = SuperNetwork(limited, example).train(), SuperNetwork(wide, example).train()
    space, rng = limited.architectures, random.Random(0)
    sandwich = Sandwich.of(space, few.found.costs, settings)
    shared = [space.draw_options(Tree.shared(tasks, len(space.blocks)), rng)]
    weighting = settings.weighting.begin(list(space.tasks), device)

    def trees() -> list[Architecture]:
        return sandwich.draw(lambda: space.draw_tree(rng), rng)

    kinds: dict[str, tuple[SuperNetwork, Callable[[], list[Architecture]]]] = {
        HARD: (few, lambda: shared),
        TREES: (few, trees),
        PARTING: (many, lambda: [sandwich.draw_parting(rng)]),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds + 1):
        for name, (supernet, drawn) in kinds.items():
            supernet.zero_grad(set_to_none=True)
            begun = time.perf_counter()
            weighting.begin_step(0)
            add_gradients(supernet, [batch], drawn(), weighting, settings, device)
            times[name].append(time.perf_counter() - begun)
    return {name: median(values[1:]) for name, values in times.items()}


def expected_seconds(tasks: int, copies: int, blocks: int = 18) -> float:
    """Of the expected cost of a tree and its gradient, the second time."""
    space = replace(plain_space(tasks, blocks), copies=copies)
    points, costs = BranchPoints(space), NodeCosts((1.0,) * blocks)
    for _ in range(2):
        begun = time.perf_counter()
        costs.expected(points, torch.Generator()).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - begun
