"""Gumbel-softmax branch points: a distribution over trees that is learned by gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtnas.architecture import ArchitectureSpace, Tree, copies, limited
from mtnas.branching.expected_nodes import expected_nodes
from mtnas.branching.tree_arrays import as_trees, canonical


class BranchPoints(nn.Module):
    """One categorical choice per task at every block where branching is allowed.

    At a branch point each task t picks a label among 0..t. Two tasks share block l if they picked equal labels at all
    branch points up to l; once split, tasks stay split. Picking another task's label means going with it, picking the
    own one means going alone unless others follow. (BMTAS, arXiv 2008.10292, lets each task pick among T; the half of
    the labels that is left out here only renames groups.) All logits start at zero.

    A space with fewer copies of a block than tasks has as many labels. What then still makes more groups is made to
    fit, see `limited`.
    """

    mask: Tensor

    def __init__(self, space: ArchitectureSpace) -> None:
        super().__init__()
        self.tasks = len(space.tasks)
        self.branching = tuple(block.branching for block in space.blocks)
        self.most_groups = space.most_groups
        points = sum(self.branching)
        self.logits = nn.Parameter(torch.zeros(points, self.tasks, self.most_groups))  # (P, T, labels)
        tasks, labels = torch.arange(self.tasks), torch.arange(self.most_groups)
        self.register_buffer("mask", labels[None, :] > tasks[:, None], persistent=False)  # (T, labels), True: forbidden

    def masked_logits(self) -> Tensor:
        """Logits with -inf where a label is not allowed: (P, T, labels)."""
        return self.logits.masked_fill(self.mask, float("-inf"))

    def probabilities(self) -> Tensor:
        """Probability of every label: (P, T, labels)."""
        return self.masked_logits().softmax(-1)

    def sample(self, generator: torch.Generator) -> Tree:
        """Draw a tree.

        Args:
            generator: of the CPU, whatever the device of the logits, so that draws are the same on every device.
        """
        return self.tree_of(self.draw(1, generator)[0])

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels that the tasks take in drawn trees, (count, P, T). By Gumbel-max (arXiv 1611.01144).

        Args:
            generator: see `sample`.
        """
        uniform = torch.rand((count, *self.logits.shape), generator=generator).clamp_(1e-10, 1 - 1e-7)
        return (self.masked_logits() - torch.log(-torch.log(uniform)).to(self.logits)).argmax(-1)

    def draw_leaders(self, count: int, generator: torch.Generator) -> NDArray[np.int64]:
        """Drawn trees as the task that leads the node of every block and task, (count, L, T). See `sample`."""
        return self.leaders_of(self.draw(count, generator))

    def leaders_of(self, labels: Tensor) -> NDArray[np.int64]:
        """Trees of labels (count, P, T), as the task that leads the node of every block and task, (count, L, T)."""
        picked, point = labels.numpy(force=True), 0
        rows, above = [], np.zeros((len(picked), self.tasks), dtype=np.int64)
        for may_split in self.branching:
            if may_split:
                above = canonical((above * self.tasks + picked[:, point])[:, None])[:, 0]
                point += 1
            rows.append(above)
        return limited(np.stack(rows, 1), self.most_groups)

    def log_probability(self, labels: Tensor) -> Tensor:
        """Logarithm of the probability of labels, (count,), differentiable in the logits.

        Args:
            labels: (count, P, T), see `draw`.
        """
        logs = self.masked_logits().log_softmax(-1).expand(len(labels), -1, -1, -1)
        return logs.gather(-1, labels[..., None]).sum((1, 2, 3))

    def nats(self) -> Tensor:
        """Sum of the entropies of all choices, differentiable."""
        return self._nats_of_choices().sum()

    def _nats_of_choices(self) -> Tensor:
        """Entropy of every choice, (P, T)."""
        p = self.probabilities()
        return -(p * p.clamp_min(1e-30).log()).sum(-1)

    @torch.no_grad()
    def follow(self, trees: Sequence[Tree], weights: Tensor, *, least: float = 1e-3) -> None:
        """Set the probabilities of all labels to how often trees take them, a group being called after its copy.

        Args:
            weights: (trees,), sum 1.
            least: probability that every allowed label keeps, before they are made to sum to one.
        """
        blocks = [block for block, may_split in enumerate(self.branching) if may_split]
        used = copies(np.array([tree.leaders for tree in trees]), self.most_groups)
        taken = nn.functional.one_hot(torch.from_numpy(used[:, blocks]), self.most_groups).to(weights.dtype)
        shares = torch.einsum("n,npta->pta", weights, taken)
        self.logits.copy_((shares + least).log().masked_fill(self.mask, 0.0))

    def most_likely(self) -> Tree:
        """The tree of the most probable label of every task at every branch point."""
        return self.tree_of(self.masked_logits().argmax(-1))

    def tree_of(self, choices: Tensor) -> Tree:
        """The tree of picked labels, shape (P, T)."""
        return as_trees(self.leaders_of(choices[None]))[0]

    def entropy(self) -> Tensor:
        """Entropy of every choice over that of the uniform choice, 0 to 1: (P, T - 1); task 0 has no choice."""
        nats = self._nats_of_choices()[:, 1:]
        labels = torch.arange(2, self.tasks + 1, device=nats.device, dtype=nats.dtype).clamp(max=self.most_groups)
        return nats / labels.log()

    def expected_nodes(self, generator: torch.Generator | None = None) -> Tensor:
        """Expected number of nodes of every block, shape (L,), differentiable. See `expected_nodes`.

        Where groups are made to fit fewer copies, the mean over drawn trees, with the gradient of the score function.
        """
        if self.most_groups < self.tasks:
            return self._sampled_nodes(generator or torch.default_generator)
        per_point = expected_nodes(self.probabilities(), generator)
        rows, point = [], -1
        for may_split in self.branching:
            point += may_split
            rows.append(per_point[point] if point >= 0 else torch.ones_like(self.logits.sum()))
        return torch.stack(rows)

    def _sampled_nodes(self, generator: torch.Generator, samples: int = 256) -> Tensor:
        labels = self.draw(samples, generator)
        leads = self.leaders_of(labels) == np.arange(self.tasks)
        nodes = torch.from_numpy(leads.sum(2)).to(self.logits)  # (samples, L)
        mean = nodes.mean(0)
        score = self.log_probability(labels)[:, None] * (nodes - mean) * (samples / (samples - 1))
        return mean + (score - score.detach()).mean(0)
