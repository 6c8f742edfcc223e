"""Genes that know nothing of each other: those of any study with categorical and stepped parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.draws import coins, seldom
from mtnas.predicting.genetics import Floats, Genes, Genetics


class IndependentGenes(Genetics):
    """Genes with a number of values each, some in an order.

    Features are one-hot for values without an order. Those of an order are coded by a thermometer (the columns up to
    the value are one), so that the squared distance of two values grows with the steps between them; two neighbours
    are at least ``1 / columns`` apart.

    Args:
        levels: number of values of every gene.
        ordered: whether the values of a gene are in an order.
        columns: most columns for a gene in an order; longer ones share columns by interpolation.
    """

    def __init__(self, levels: Sequence[int], ordered: Sequence[bool], columns: int = 2) -> None:
        self.levels = np.asarray(levels, dtype=np.int64)
        self.ordered = np.asarray(ordered, dtype=bool)
        self._tables = [
            _thermometer(level, columns) if order else np.eye(level) / np.sqrt(2)
            for level, order in zip(levels, ordered, strict=True)
        ]
        widths = [table.shape[1] for table in self._tables]
        # Where all genes have equally many columns, one look-up serves all of them.
        self._stacked = np.concatenate(self._tables) if len(set(widths)) == 1 else None
        self._starts = np.cumsum([0, *(len(table) for table in self._tables[:-1])])
        self._groups = np.repeat(np.arange(len(widths)), widths)

    def draw(self, count: int, rng: np.random.Generator) -> Genes:
        return (rng.random((count, len(self.levels))) * self.levels).astype(np.int64)

    def vary(self, first: Genes, second: Genes, rng: np.random.Generator) -> Genes:
        """Uniform crossover in half of the children; then one gene on average, and at least one, gets another value.

        Of a gene in an order, half of the new values are neighbours of the old one.
        """
        count, size = first.shape
        crossed = coins(rng, (count, 1))
        children = np.where(crossed & coins(rng, (count, size)), second, first)
        changed = seldom(rng, (count, size), 1 / max(1, size)) & (self.levels > 1)
        # A child that is a mixture already may go unchanged, a copy may not.
        still = np.flatnonzero(~changed.any(1))
        copies = still[(children[still] == first[still]).all(1)]
        movable = np.flatnonzero(self.levels > 1)
        if len(movable):
            changed[copies, movable[rng.integers(len(movable), size=len(copies))]] = True
        row, gene = np.divmod(np.flatnonzero(changed), size)
        old, levels = children[row, gene], self.levels[gene]
        other = (old + 1 + (rng.random(len(row)) * (levels - 1)).astype(np.int64)) % levels
        near = np.abs(old + np.where(rng.random(len(row)) < 0.5, 1, -1))  # from 0 to 1 rather than below
        near = np.where(near >= levels, levels - 2, near)
        children[row, gene] = np.where(self.ordered[gene] & (rng.random(len(row)) < 0.5), near, other)
        return children

    def features(self, genes: Genes, view: int) -> Floats:
        if not self._tables:
            return np.zeros((len(genes), 0))
        if self._stacked is not None:
            found: Floats = self._stacked.take(genes + self._starts, axis=0)
            return found.reshape(len(genes), len(self._groups))
        return np.concatenate([table[genes[:, gene]] for gene, table in enumerate(self._tables)], axis=1)

    def groups(self, view: int) -> NDArray[np.int64]:
        return self._groups


def _thermometer(levels: int, columns: int) -> Floats:
    """(levels, columns): how far every column is filled."""
    width = max(1, min(levels - 1, columns))
    filled = np.arange(levels) / max(1, levels - 1) * width
    table: Floats = np.clip(filled[:, None] - np.arange(width), 0, 1) / np.sqrt(width)
    return table
