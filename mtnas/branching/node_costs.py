"""What the nodes of a tree cost, whatever their options: exactly for a tree, as an expectation for branch points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtnas.architecture import ArchitectureSpace, CostTable, Tree, split_tree
from mtnas.branching.branch_points import BranchPoints


@dataclass(frozen=True)
class NodeCosts:
    """An additive cost of trees: params, MACs, or milliseconds where every node's are known.

    Attributes:
        per_block: of one node of every block.
        fixed: of what every tree has: stem and heads.
    """

    per_block: tuple[float, ...]
    fixed: float = 0.0

    @classmethod
    def mean(cls, space: ArchitectureSpace, table: CostTable, cost: str = "params") -> NodeCosts:
        """Means over the options of every block, and over the shapes that may enter it."""
        column = table.names.index(cost)
        per_block = tuple(fmean(amounts[column] for shape in block for amounts in shape) for block in table.options)
        heads = fmean(sum(head[column] for head in shape) for shape in table.heads)
        return cls(per_block, table.stem[column] + heads)

    def of(self, leaders: Sequence[Sequence[Sequence[int]]] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Costs of trees, (n,), from the task that leads the node of every block and task, (n, blocks, tasks)."""
        rows = np.asarray(leaders)
        nodes = (rows == np.arange(rows.shape[2])).sum(2)
        found: NDArray[np.float64] = self.fixed + nodes @ np.array(self.per_block)
        return found

    def range(self, space: ArchitectureSpace) -> tuple[float, float]:
        """Those of hard sharing and of the fully split tree."""
        shared = Tree.shared(len(space.tasks), len(space.blocks))
        least, most = self.of([shared.leaders, split_tree(space).leaders]).tolist()
        return least, most

    def budget(self, space: ArchitectureSpace, share: float) -> float:
        """The cost that is so far on the way from hard sharing, 0, to the fully split tree, 1."""
        least, most = self.range(space)
        return least + share * (most - least)

    def expected(self, points: BranchPoints, generator: torch.Generator | None = None) -> Tensor:
        """Expected cost of a tree drawn from branch points, differentiable in their logits, a scalar.

        Args:
            generator: of the draws that stand in for the exact expectation where there are many tasks; see
                `expected_nodes`.
        """
        nodes = points.expected_nodes(generator)
        return (nodes * nodes.new_tensor(self.per_block)).sum() + self.fixed
