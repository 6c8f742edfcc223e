"""Sums of effects of single genes, pairs and triples whose extremes and fronts can be computed exactly.

The genes stand in a hidden order. Pairs are one or two places apart, triples follow each other, so everything that
gene k adds can be told from genes k-2, k-1 and k: an NK landscape of adjacent neighbours (Kauffman and Weinberger
1989), which dynamic programming solves (Wright et al. 2000). The order is drawn, so a searcher cannot profit by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.genes import Indices

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Chain:
    """A sum over places k of ``tables[k][x(k-2), x(k-1), x(k)]``, where x(k) is the gene ``order[k]``.

    A table's axis has one entry where there is no gene so far in front.
    """

    order: tuple[int, ...]
    tables: tuple[Table, ...]

    def values(self, genes: Indices) -> NDArray[np.float64]:
        """Sums of shape (n,) for genes of shape (n, genes)."""
        places = np.pad(genes[:, self.order], ((0, 0), (2, 0)))  # (n, 2 + places)
        total = np.zeros(len(genes))
        for k, table in enumerate(self.tables):
            total += table[places[:, k], places[:, k + 1], places[:, k + 2]]
        return total

    def least_by_price(self, prices: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """The least sum for every total price, infinite where no choice has that price.

        Args:
            prices: of each gene's values, at least zero, in the order of the genes.
        """
        state = np.zeros((1, 1, 1))  # (values of gene k-2, values of gene k-1, total price)
        for gene, table in zip(self.order, self.tables, strict=True):
            _, before, total = state.shape
            grown = np.full((before, table.shape[2], total + max(prices[gene])), np.inf)
            for value, price in enumerate(prices[gene]):
                grown[:, value, price : price + total] = (state + table[:, :, value, None]).min(0)
            state = grown
        return np.asarray(state.min((0, 1)))

    def range(self) -> tuple[float, float]:
        """The exact least and largest sum."""
        free = [[0] * size for size in self._sizes()]
        negated = Chain(self.order, tuple(-table for table in self.tables))
        return float(self.least_by_price(free)[0]), -float(negated.least_by_price(free)[0])

    def _sizes(self) -> list[int]:
        sizes = [0] * (max(self.order) + 1)
        for gene, table in zip(self.order, self.tables, strict=True):
            sizes[gene] = table.shape[2]
        return sizes


def draw_chain(
    rng: np.random.Generator, mains: Sequence[Table], pairs: float, triples: float, places: Sequence[int] | None = None
) -> Chain:
    """A chain with the given effects of single genes, and drawn interactions.

    Interactions are centred over each of their genes, so that under uniform draws all effects are uncorrelated and the
    shares of variance are exact: an additive model explains 1 - pairs - triples.

    Args:
        mains: effects of single genes, one table per gene.
        pairs: share of the variance due to pairs.
        triples: share of the variance due to triples.
        places: the genes that take part; default: all.
    """
    order = rng.permutation(np.arange(len(mains)) if places is None else np.asarray(places))
    sizes = [1, 1, *(len(mains[gene]) for gene in order)]
    single = [(_centred(mains[gene])[None, None, :],) for gene in order]
    double: list[tuple[Table, ...]] = []
    triple: list[tuple[Table, ...]] = []
    for k in range(len(order)):
        a, b, c = sizes[k : k + 3]
        near = _centred(rng.normal(size=(b, c)))[None] if k >= 1 else np.zeros((a, b, c))
        far = _centred(rng.normal(size=(a, c)))[:, None] if k >= 2 else np.zeros((a, b, c))
        double.append((near, far))
        triple.append((_centred(rng.normal(size=(a, b, c))) if k >= 2 else np.zeros((a, b, c)),))
    scales = (_scale(single, 1 - pairs - triples), _scale(double, pairs), _scale(triple, triples))
    tables = []
    for k in range(len(order)):
        table = np.zeros(sizes[k : k + 3])
        for scale, parts in zip(scales, (single[k], double[k], triple[k]), strict=True):
            for part in parts:
                table = table + scale * part
        tables.append(table)
    return Chain(tuple(order.tolist()), tuple(tables))


def draw_mains(rng: np.random.Generator, sizes: Sequence[int]) -> list[Table]:
    """Effects of single genes, centred; some genes matter several times more than others."""
    return [_centred(rng.normal(size=size) * np.exp(0.6 * rng.normal())) for size in sizes]


def draw_prices(
    rng: np.random.Generator, mains: Sequence[Table], conflict: float = 0.85, largest: int = 20
) -> list[list[int]]:
    """Whole-numbered prices by gene and value; the better a value of a gene, the more it costs.

    Args:
        mains: effects on the error, of which less is better.
        conflict: share of genes in which this is so; in the others prices come in any order.
    """
    prices = []
    for main in mains:
        amounts = np.sort(rng.choice(largest + 1, len(main), replace=False))
        amounts -= amounts[0]
        rank = np.argsort(np.argsort(-main)) if rng.random() < conflict else rng.permutation(len(main))
        prices.append([int(amount) for amount in amounts[rank]])
    return prices


def totals(prices: Sequence[Sequence[int]], genes: Indices) -> NDArray[np.int64]:
    """Total prices of shape (n,)."""
    columns = [np.asarray(price)[genes[:, gene]] for gene, price in enumerate(prices)]
    return np.asarray(np.sum(columns, axis=0), dtype=np.int64)


def _centred(table: Table) -> Table:
    for axis in range(table.ndim):
        table = table - table.mean(axis, keepdims=True)
    return table


def _scale(parts: Sequence[tuple[Table, ...]], variance: float) -> float:
    """The factor that gives these effects this variance together."""
    present = sum(float((table**2).mean()) for tables in parts for table in tables)
    return float(np.sqrt(variance / present)) if variance > 0 else 0.0
