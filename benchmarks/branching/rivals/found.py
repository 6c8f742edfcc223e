"""What a method hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mtnas.architecture import Tree


@dataclass(frozen=True)
class Found:
    """A method's result.

    Attributes:
        tree: what the method settles on.
        units: compute, in trainings of the true tree (see `Meter`).
        note: what a reader should know of this run.
        ranking: the trees that the method put in order, best first; empty if it judges none.
    """

    tree: Tree
    units: float
    note: str
    ranking: tuple[Tree, ...] = ()


def best(scores: Mapping[Tree, float], units: float, note: str) -> Found:
    """The tree of the lowest score; of equal ones the first in the order of trees."""
    ranking = tuple(sorted(scores, key=lambda tree: (scores[tree], tree)))
    return Found(ranking[0], units, note, ranking)
