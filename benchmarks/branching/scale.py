"""What many tasks cost: expected nodes, branch points that learn, leading trees, a step in which all tasks part."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks.branching import ours
from benchmarks.branching.problem import Teacher, make_problem
from benchmarks.branching.trees import plain_space
from mtnas.architecture import Affinities, Tree
from mtnas.branching import BranchPoints, NodeCosts, fit_branch_points, leading_trees


def _seconds_of_gradient(points: BranchPoints) -> float:
    """Of the second of two passes forward and backward."""
    for _ in range(2):
        begun = time.perf_counter()
        points.expected_nodes(torch.Generator()).sum().backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - begun


def expected_nodes_rows(blocks: int = 18) -> list[dict[str, Any]]:
    """Expected nodes and their gradient: exact to 12 tasks, drawn beyond."""
    rows = []
    for tasks in (4, 8, 12, 16, 20, 50, 100):
        points = BranchPoints(plain_space(tasks, blocks))
        kept = _bytes_for_backward(points)
        seconds, told = _seconds_of_gradient(points), f"{kept:.0f} MiB kept for the gradient"
        rows.append(_row(f"expected nodes and gradient, {tasks} tasks, {blocks} blocks", seconds, told))
    return rows


def _bytes_for_backward(points: BranchPoints) -> float:
    """MiB that autograd keeps of one forward pass."""
    held: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        points.expected_nodes(torch.Generator())
    return sum(held.values()) / 2**20


def grouped(tasks: int, blocks: int, groups: int) -> Affinities:
    """Tasks t and s get along if t = s modulo ``groups``, with noise."""
    space = plain_space(tasks, blocks)
    rng = np.random.default_rng(0)
    strangers = np.arange(tasks)[:, None] % groups != np.arange(tasks)[None] % groups
    cost = 0.5 * strangers + 0.05 * rng.standard_normal((blocks, tasks, tasks))
    cost *= ~np.eye(tasks, dtype=bool)
    names = tuple(block.name for block in space.blocks)
    return Affinities(space.tasks, names, tuple(range(blocks)), cost, np.full(cost.shape, 0.05))


def many_tasks_rows(quick: bool, blocks: int = 4, groups: int = 5) -> list[dict[str, Any]]:
    """Learning and searching on given affinities, and one whole training."""
    rows = []
    for tasks in (20,) if quick else (20, 50, 100):
        space, affinities, costs = (
            plain_space(tasks, blocks),
            grouped(tasks, blocks, groups),
            NodeCosts((1.0,) * blocks),
        )
        share = (groups * blocks - blocks) / (tasks * blocks - blocks)
        truth = Tree(tuple(tuple(task % groups for task in range(tasks)) for _ in range(blocks)))
        begun = time.perf_counter()
        points = fit_branch_points(space, affinities, costs, share, 0)
        fitted = time.perf_counter()
        ranked = leading_trees(space, affinities, costs, groups * blocks, 0, points, count=3)
        searched = time.perf_counter()
        gap = ranked[0].energy - affinities.energy(truth)
        rows.append(_row(f"branch points of one budget learn, {tasks} tasks, {blocks} blocks", fitted - begun, ""))
        told = f"energy {ranked[0].energy:.2f}, {gap:+.2f} against that of the true groups"
        rows.append(_row(f"leading trees of {groups * blocks} nodes, {tasks} tasks", searched - fitted, told))
        rows.append(_training_row(tasks, groups, 2 if quick else 8))
    return rows


def _training_row(tasks: int, groups: int, epochs: int) -> dict[str, Any]:
    """A training of few steps to affinities, with ``groups`` teachers of three blocks."""
    teacher = Teacher(Tree((tuple(task % groups for task in range(tasks)),) * 3))
    problem = make_problem(0, teacher)
    begun = time.perf_counter()
    ours.learn(problem, 0, 10, steps=25 * epochs)
    return _row(
        f"a training of {25 * epochs} steps to affinities, {tasks} tasks, 3 blocks", time.perf_counter() - begun, ""
    )


def _row(what: str, seconds: float, note: str) -> dict[str, Any]:
    empty = dict.fromkeys(("exact", "rank", "median rank", "pairs", "units"), "")
    return {"method": what, **empty, "s": seconds, "trees": note}
