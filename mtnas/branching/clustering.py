"""Trees that hierarchical clustering of the tasks gives, for a search for better ones to begin with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from mtnas.architecture import Affinities
from mtnas.branching.tree_arrays import Ints, canonical


def clustered_trees(affinities: Affinities, blocks: int, group_counts: Sequence[int]) -> Ints:
    """Trees that share all blocks before a branch point and have some number of groups from there on, (n, blocks, T).

    Tasks are joined by average linkage of what they cost each other, on both sides and from that branch point on.

    Args:
        affinities: of two tasks or more.
        blocks: number of all blocks.
        group_counts: numbers of groups.
    """
    tasks, found = len(affinities.tasks), []
    for at, place in enumerate(affinities.places):
        cost = affinities.cost[at:].sum(0)
        distance = cost + cost.T
        distance -= distance.min()
        np.fill_diagonal(distance, 0.0)
        cuts = cut_tree(linkage(squareform(distance, checks=False), "average"), n_clusters=list(group_counts))
        trees = np.zeros((len(group_counts), blocks, tasks), dtype=np.int64)
        trees[:, place:] = canonical(np.ascontiguousarray(cuts.T[:, None]).astype(np.int64))
        found.append(trees)
    return np.concatenate(found)
