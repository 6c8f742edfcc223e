"""Gumbel-softmax branch points: a distribution over trees that is learned by gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtnas.architecture import ArchitectureSpace, Tree
from mtnas.supernet.expected_nodes import expected_nodes


@dataclass(frozen=True)
class BranchSample:
    """A tree drawn from the branch points.

    Attributes:
        tree: the tree.
        choices: (branch points, tasks) the label that each task took.
        weights: (branch points, tasks, labels) one-hot in value, with the gradient of the Gumbel-softmax
            (straight-through).
    """

    tree: Tree
    choices: Tensor
    weights: Tensor


class BranchPoints(nn.Module):
    """One categorical choice per task at every block where branching is allowed.

    At a branch point each task t picks a label among 0..t. Two tasks share block l if they picked equal labels at all
    branch points up to l; once split, tasks stay split. Picking another task's label means going with it, picking the
    own one means going alone unless others follow. (BMTAS, arXiv 2008.10292, lets each task pick among T; the half of
    the labels that is left out here only renames groups.) All logits start at zero.
    """

    mask: Tensor

    def __init__(self, space: ArchitectureSpace) -> None:
        super().__init__()
        self.tasks = len(space.tasks)
        self.branching = tuple(block.branching for block in space.blocks)
        points = sum(self.branching)
        self.logits = nn.Parameter(torch.zeros(points, self.tasks, self.tasks))  # (P, T, labels)
        labels = torch.arange(self.tasks)
        self.register_buffer(
            "mask", labels[None, :] > labels[:, None], persistent=False
        )  # (T, labels), True: not allowed

    def masked_logits(self) -> Tensor:
        """Logits with -inf where a label is not allowed: (P, T, labels)."""
        return self.logits.masked_fill(self.mask, float("-inf"))

    def probabilities(self) -> Tensor:
        """Probability of every label: (P, T, labels)."""
        return self.masked_logits().softmax(-1)

    def sample(self, temperature: float, generator: torch.Generator) -> BranchSample:
        """Draw a tree: Gumbel-max for the value, Gumbel-softmax at ``temperature`` for the gradient (arXiv 1611.01144).

        Args:
            temperature: above zero; towards zero the gradient's softmax becomes one-hot.
            generator: of the CPU, whatever the device of the logits, so that draws are the same on every device.
        """
        uniform = torch.rand(self.logits.shape, generator=generator).clamp_(1e-10, 1 - 1e-7)
        noise = -torch.log(-torch.log(uniform)).to(self.logits.device)
        soft = ((self.masked_logits() + noise) / temperature).softmax(-1)
        choices = soft.argmax(-1)
        hard = nn.functional.one_hot(choices, self.tasks).to(soft.dtype)
        return BranchSample(self.tree_of(choices), choices, hard - soft.detach() + soft)

    def most_likely(self) -> Tree:
        """The tree of the most probable label of every task at every branch point."""
        return self.tree_of(self.masked_logits().argmax(-1))

    def tree_of(self, choices: Tensor) -> Tree:
        """The tree of picked labels, shape (P, T)."""
        picked = iter(choices.tolist())
        rows = []
        leaders = [0] * self.tasks
        for may_split in self.branching:
            if may_split:
                labels = next(picked)
                first: dict[tuple[int, int], int] = {}
                leaders = [first.setdefault((leaders[task], labels[task]), task) for task in range(self.tasks)]
            rows.append(tuple(leaders))
        return Tree(tuple(rows))

    def entropy(self) -> Tensor:
        """Entropy of every choice over that of the uniform choice, 0 to 1: (P, T - 1); task 0 has no choice."""
        p = self.probabilities()[:, 1:]
        entropy = -(p * p.clamp_min(1e-30).log()).sum(-1)
        limit = torch.arange(2, self.tasks + 1, device=p.device, dtype=p.dtype).log()
        return entropy / limit

    def expected_nodes(self, generator: torch.Generator | None = None) -> Tensor:
        """Expected number of nodes of every block, shape (L,), differentiable. See `expected_nodes`."""
        per_point = expected_nodes(self.probabilities(), generator)
        rows, point = [], -1
        for may_split in self.branching:
            point += may_split
            rows.append(per_point[point] if point >= 0 else torch.ones_like(self.logits.sum()))
        return torch.stack(rows)
