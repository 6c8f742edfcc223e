"""What the time of a branched network adds up from, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import CostTable
from mtnas.predicting.genetics import Floats
from mtnas.quantizing import UNKNOWN, Ends, Layers, Structure
from mtnas.searching.conversions import COLUMNS, SIZED, Conversions

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Kind(IntEnum):
    """What a column tells of."""

    NODES = 0
    WORK = auto()
    WORK_OF_OPERATOR = auto()
    INTEGER_NODES = auto()
    INTEGER_WORK = auto()
    INTEGER_NODES_OF_OPERATOR = auto()
    INTEGER_WORK_OF_OPERATOR = auto()
    LAYERS = auto()
    TOTALS = auto()
    CONVERSIONS = auto()
    CONVERSIONS_BY_SIZE = auto()


class WorkFeatures:
    """Features of networks that add up over their nodes, whichever tasks these serve.

    For every block: how many nodes have each operator and how many of these are in integers, their MACs in float and in
    integers, and those of all operators together. For the whole network: nodes and MACs, layers of each kind and their
    MACs, what the heads read, and how often tensors are converted, see `Conversions`. A network's latency is nearly
    linear in them: a layer in integers between float ones pays for its own conversions, one among its like does not,
    and an operator takes a time of its own for each node and each MAC, in float another one than in integers. There are
    more of them than there are rows at first; by the kinds of the columns `GroupedRidge` tells what matters.

    Args:
        costs: of the space, ``macs`` among them.
        parts: numbers of operator and bits of every option, ``[block](option, parts)``; 0 stands for float, any other
            number for integers. With one part all options are float.
        tasks: number of tasks.
        structure: of the space. Where it is empty all operators count as single layers, and the sizes of tensors make
            no difference.
    """

    def __init__(
        self,
        costs: CostTable,
        parts: Sequence[Ints],
        tasks: int,
        structure: Structure = UNKNOWN,
    ) -> None:
        self.tasks = tasks
        self.integer = [_integer(block) for block in parts]
        self.any_integer = any(block.any() for block in self.integer)
        amounts = [np.array(block, dtype=np.float64) for block in costs.options]  # (entering, option, costs)
        macs = [block[..., costs.names.index("macs")] for block in amounts]
        most = sum(block.max() for block in macs) or 1.0
        self.counts = [int(block[:, 0].max()) + 1 for block in parts]  # of operators
        layers = _layers(structure, parts, [len(block) for block in amounts], most)
        self.nodes = [
            self._of_nodes(np.eye(count)[block[:, 0]], integer[:, None], work[..., None], made, most)
            for count, block, integer, work, made in zip(self.counts, parts, self.integer, macs, layers, strict=True)
        ]
        self.own_totals = (2 + layers[0].shape[-1]) * (2 if self.any_integer else 1)
        self.leads_to = [np.array(block, dtype=np.int64) for block in costs.leads_to]  # (entering, option)
        # What has no weights and does no work hands on what enters, in the bits that it has.
        self.passes = [_without_work(block) for block in amounts]
        of_options = [
            [structure.ends[number][operator] if structure.ends else Ends() for operator in block[:, 0].tolist()]
            for number, block in enumerate(parts)
        ]
        self.conversions = Conversions(of_options, self.integer, self.passes, tasks)
        largest = max((most for block in structure.elements for most in block), default=1)
        self.elements = [np.array(block) / largest for block in structure.elements]

    def _of_nodes(self, operators: Floats, integer: Bools, macs: Floats, layers: Floats, most: float) -> Floats:
        """What a node of each option brings into the columns of its block, and behind these into the totals.

        Args:
            operators: (option, operators), one-hot.
            integer: (option, 1).
            macs: (entering, option, 1).
            layers: see `_layers`.
            most: MACs that count as one in the totals.

        Returns:
            (entering, option, columns).
        """
        one, work = np.ones_like(macs), macs / (macs.max() or 1.0)
        in_float = work * ~integer
        columns = [one * operators, in_float, in_float * operators]
        totals = [layers, one / len(self.counts), macs / most]
        if self.any_integer:
            own, own_work = one * integer, work * integer
            columns += [own, own_work, own * operators, own_work * operators]
            totals = [layers * ~integer, layers * integer, *totals[1:], *(total * integer for total in totals[1:])]
        return np.concatenate([*columns, *totals], axis=-1)

    def groups(self) -> Ints:
        """The `Kind` of every column, (features,)."""
        found: list[Kind] = []
        for count in self.counts:
            found += [*[Kind.NODES] * count, Kind.WORK, *[Kind.WORK_OF_OPERATOR] * count]
            if self.any_integer:
                found += [Kind.INTEGER_NODES, Kind.INTEGER_WORK]
                found += [*[Kind.INTEGER_NODES_OF_OPERATOR] * count, *[Kind.INTEGER_WORK_OF_OPERATOR] * count]
        plain = 4 if self.any_integer else 2
        found += [Kind.LAYERS] * (self.own_totals - plain)
        found += [Kind.TOTALS] * (plain + bool(self.elements))
        if self.any_integer:
            found += [Kind.CONVERSIONS] * COLUMNS + [Kind.CONVERSIONS_BY_SIZE] * (SIZED if self.elements else 0)
        return np.array(found, dtype=np.int64)

    def __call__(self, leaders: Ints, options: Ints) -> Floats:
        """(n, blocks, tasks) each -> (n, features)"""
        columns: list[Floats] = []
        entering = np.zeros((len(leaders), self.tasks), dtype=np.int64)
        sizes = [self.elements[0][entering[:, :1]]] if self.elements else []
        totals = np.zeros((len(leaders), self.own_totals))
        for block, nodes in enumerate(self.nodes):
            chosen, led = options[:, block], leaders[:, block] == np.arange(self.tasks)
            found = np.einsum("ntc,nt->nc", nodes[entering, chosen], led)
            columns.append(found[:, : -self.own_totals])
            totals += found[:, -self.own_totals :]
            entering = self.leads_to[block][entering, chosen]
            if self.elements:
                sizes.append(self.elements[block + 1][entering])
        columns.append(totals)
        if self.elements:  # that heads read, as a share of the most
            columns.append(sizes[-1].mean(1, keepdims=True) / self.elements[-1].max())
        if self.any_integer:
            columns.append(self.conversions(leaders, options, np.concatenate(sizes, axis=1) if sizes else None))
        return np.concatenate(columns, axis=1)


def _layers(structure: Structure, parts: Sequence[Ints], entering: Sequence[int], most: float) -> list[Floats]:
    """Layers of the options of every block, and their MACs, by kind, ``[block](entering, option, kinds)``.

    No kinds where layers are not known.

    Args:
        entering: number of shapes that enter each block.
        most: MACs that count as one.
    """
    if not structure.layers:
        return [np.zeros((shapes, len(block), 0)) for shapes, block in zip(entering, parts, strict=True)]
    calls = max(layers.dense + layers.grouped for block in structure.layers for row in block for layers in row) or 1
    units = np.array([calls * len(parts)] * 2 + [most] * 2)

    def amounts(layers: Layers) -> tuple[int, ...]:
        return layers.dense, layers.grouped, layers.dense_macs, layers.grouped_macs

    return [
        np.array([[amounts(row[operator]) for operator in block[:, 0].tolist()] for row in rows]) / units
        for block, rows in zip(parts, structure.layers, strict=True)
    ]


def _integer(parts: Ints) -> Bools:
    """Which options are in integers, (options,)."""
    return np.asarray(parts[:, 1] > 0 if parts.shape[1] > 1 else np.zeros(len(parts)), dtype=np.bool_)


def _without_work(amounts: Floats) -> Bools:
    """Which options cost nothing at all, (options,); amounts (entering, options, costs)."""
    return np.asarray(~amounts.any(axis=(0, 2)), dtype=np.bool_)
