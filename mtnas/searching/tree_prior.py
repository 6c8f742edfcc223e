"""Networks whose trees a training speaks for, for a search to begin with and to return to."""

from __future__ import annotations

import numpy as np
import torch

from mtnas.branching import Branching
from mtnas.predicting.genetics import Genes
from mtnas.searching.tree_genes import TreeGenes


class TreePrior:
    """Draws genomes whose trees come from the branch points of all budgets, with options drawn evenly.

    Args:
        branching: what the training learned.
        genes: of the space.
    """

    def __init__(self, branching: Branching, genes: TreeGenes) -> None:
        self.branching, self.genes = branching, genes

    def __call__(self, count: int, rng: np.random.Generator) -> Genes:
        """(count, genes)."""
        points = self.branching.points
        shares = np.bincount(rng.integers(len(points), size=count), minlength=len(points))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        leaders = [one.draw_leaders(int(share), generator) for one, share in zip(points, shares, strict=True)]
        return self.genes.of_trees(np.concatenate(leaders), rng)
