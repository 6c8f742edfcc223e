"""What a search chooses from, as arrays of small integers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mtnas.predicting.model import Model

Genes = NDArray[np.int64]
"""Genomes of shape (n, genes): the number of the value of every gene."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exact:
    """Costs that are computed, never predicted.

    Attributes:
        objectives: values of shape (n,) by number of the objective.
        constraints: values of shape (n,) by name of the constraint; at most zero where it is met.
    """

    objectives: Mapping[int, Floats] = field(default_factory=dict)
    constraints: Mapping[str, Floats] = field(default_factory=dict)


class Genetics(ABC):
    """What the genes of a search mean: how they vary, which of them matter, and what is known without measuring.

    `IndependentGenes` serves any set of independent genes. A space of its own, such as trees, overrides what it knows
    better. All methods take and give arrays; none may depend on anything but its arguments.
    """

    @abstractmethod
    def draw(self, count: int, rng: np.random.Generator) -> Genes:
        """Genomes at random, (count, genes)."""

    @abstractmethod
    def vary(self, first: Genes, second: Genes, rng: np.random.Generator) -> Genes:
        """One child for every pair of parents: crossover, then mutation. (n, genes) each."""

    @abstractmethod
    def features(self, genes: Genes, view: int) -> Floats:
        """What a predictor sees, (n, features), zeros to ones.

        Squared distances between rows should be about the number of choices in which the two differ.
        """

    @abstractmethod
    def groups(self, view: int) -> NDArray[np.int64]:
        """For every column of `features`, the number of the choice that it tells of, (features,)."""

    def view(self, cost: int | str) -> int:
        """The view that predicts an objective (by number) or constraint (by name) best. Views are numbered freely."""
        return 0

    def models(self, view: int) -> Sequence[Model]:
        """Ways to predict through a view instead of those of the settings; none: those."""
        return ()

    def identity(self, genes: Genes) -> Genes:
        """Rows that are equal where, and only where, two genomes mean the same thing. (n, any)."""
        return genes

    def exact(self, genes: Genes) -> Exact:
        """Objectives and constraints that need no measuring."""
        return Exact()


def meets_exact_constraints(genetics: Genetics, genes: Genes) -> NDArray[np.bool_]:
    """Which genomes break none of the constraints that are known without measuring, (n,)."""
    met = np.ones(len(genes), dtype=bool)
    for values in genetics.exact(genes).constraints.values():
        met &= values <= 0
    return met


def fingerprints(identities: Genes) -> NDArray[np.uint64]:
    """One number for every row, (n,), equal for equal rows; others meet with a chance of about n^2 / 2^64."""
    with np.errstate(over="ignore"):
        mixed = (identities.astype(np.uint64) + np.uint64(1)) * _multipliers(identities.shape[1])
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
        total: NDArray[np.uint64] = mixed.sum(1, dtype=np.uint64)
    return total


@lru_cache
def _multipliers(count: int) -> NDArray[np.uint64]:
    """Odd numbers at random, the same each time."""
    drawn: NDArray[np.uint64] = np.random.default_rng(20201).integers(1, 2**63, size=count, dtype=np.uint64)
    return drawn | np.uint64(1)
