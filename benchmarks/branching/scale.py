"""What the expected nodes of many tasks cost."""

from __future__ import annotations

import time
from typing import Any

import torch

from benchmarks.branching.trees import plain_space
from mtnas.branching import BranchPoints


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


def _row(what: str, seconds: float, note: str) -> dict[str, Any]:
    empty = dict.fromkeys(("exact", "rank", "median rank", "pairs", "units"), "")
    return {"method": what, **empty, "s": seconds, "trees": note}
