"""How near a tree is to the true one."""

from __future__ import annotations

from itertools import combinations

from benchmarks.branching.rivals.found import Found
from mtnas.architecture import Tree


def exact(tree: Tree, truth: Tree) -> bool:
    """Whether it is the true tree; trees are canonical."""
    return tree == truth


def pair_accuracy(tree: Tree, truth: Tree) -> list[float]:
    """By block: share of the pairs of tasks that are together or apart as in the true tree."""
    pairs = list(combinations(range(truth.tasks), 2))
    return [
        sum((one[a] == one[b]) == (other[a] == other[b]) for a, b in pairs) / len(pairs)
        for one, other in zip(tree.leaders, truth.leaders, strict=True)
    ]


def rank(found: Found, truth: Tree) -> int | None:
    """Place of the true tree among those that a method put in order, from 1; None if it is not among them."""
    return found.ranking.index(truth) + 1 if truth in found.ranking else None
