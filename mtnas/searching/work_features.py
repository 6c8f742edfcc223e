"""What the time of a branched network adds up from, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import CostTable
from mtnas.predicting.genetics import Floats
from mtnas.quantizing import UNKNOWN, Ends, Layers, Structure
from mtnas.searching.conversions import COLUMNS, SIZED, Conversions
from mtnas.searching.node_columns import Kind, node_columns

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class WorkFeatures:
    """Features of networks that add up over their nodes, whichever tasks these serve.

    For every block the work of its nodes, see `node_columns`. For the whole network: nodes and MACs, layers of each
    kind and their MACs, what the heads read, and how often tensors are converted, see `Conversions`. A network's
    latency is nearly linear in them: a layer in integers between float ones pays for its own conversions, one among its
    like does not, and a node takes about its work, more or less by what it is. There are more of them than there are
    rows at first; by the kinds of the columns `GroupedRidge` tells what matters.

    Args:
        costs: of the space, ``macs`` among them.
        parts: numbers of operator and bits of every option, ``[block](option, parts)``; 0 stands for float, any other
            number for integers. With one part all options are float.
        tasks: number of tasks.
        structure: of the space. Where it is empty all operators count as single layers, and the sizes of tensors make
            no difference.
        for_layers: work of the layers of the node that has the most, in units of that of the most MACs of a node.
        for_grouped: MACs that take as long as one in groups of channels, as in depthwise convolutions.
        for_integers: layers, and MACs, in float that take as long as one in integers.
    """

    def __init__(
        self,
        costs: CostTable,
        parts: Sequence[Ints],
        tasks: int,
        structure: Structure = UNKNOWN,
        for_layers: float = 0.2,
        for_grouped: float = 5.0,
        for_integers: tuple[float, float] = (2.0, 0.5),
    ) -> None:
        self.tasks, self.blocks = tasks, len(parts)
        self.integer = [_integer(block) for block in parts]
        self.any_integer = any(block.any() for block in self.integer)
        amounts = [np.array(block, dtype=np.float64) for block in costs.options]  # (entering, option, costs)
        macs = [block[..., costs.names.index("macs")] for block in amounts]
        most = sum(block.max() for block in macs) or 1.0
        layers = _layers(structure, parts, [len(block) for block in amounts])
        guess = _Guess(for_layers, for_grouped, for_integers)
        work = guess(macs, layers, self.integer)
        calls = max((float(block[..., :2].sum(-1).max()) for block in layers), default=0) or 1.0
        units = np.array([calls * len(parts)] * 2 + [most] * 2)
        self.kinds: list[Kind] = []
        self.nodes: list[Floats] = []  # [block](entering, option, columns and, behind these, totals)
        for block, integer, own, done, made in zip(parts, self.integer, macs, work, layers, strict=True):
            columns, kinds = node_columns(block[:, 0], integer, done, 2 if self.any_integer else 1)
            self.kinds += kinds
            totals = self._totals(integer, own / most, made / units[: made.shape[-1]])
            self.own_totals = totals.shape[-1]
            self.nodes.append(np.concatenate([columns, totals], axis=-1))
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

    def _totals(self, integer: Bools, macs: Floats, layers: Floats) -> Floats:
        """What a node of each option brings into the totals, (entering, option, totals): its layers, itself, its MACs.

        Args:
            integer: (option,).
            macs: (entering, option).
            layers: see `_layers`.
        """
        own = np.stack([np.full_like(macs, 1 / self.blocks), macs], axis=-1)
        if not self.any_integer:
            return np.concatenate([layers, own], axis=-1)
        there = integer[:, None]
        return np.concatenate([layers * ~there, layers * there, own, own * there], axis=-1)

    def groups(self) -> Ints:
        """The `Kind` of every column, (features,)."""
        plain = 4 if self.any_integer else 2
        found = [
            *self.kinds,
            *[Kind.LAYERS] * (self.own_totals - plain),
            *[Kind.TOTALS] * (plain + bool(self.elements)),
        ]
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
            found = _counted(entering, chosen, led, nodes.shape[:2]) @ nodes.reshape(-1, nodes.shape[-1])
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


def _counted(entering: Ints, options: Ints, led: Bools, sizes: tuple[int, ...]) -> Floats:
    """How many nodes have each shape and option, (n, entering * option).

    Args:
        entering: numbers of shapes, (n, tasks).
        options: likewise.
        led: whether a task leads a node, likewise.
        sizes: numbers of shapes and options.
    """
    kinds = sizes[0] * sizes[1]
    place = np.arange(len(options))[:, None] * kinds + entering * sizes[1] + options
    return np.bincount(place[led], minlength=len(options) * kinds).reshape(len(options), kinds).astype(np.float64)


@dataclass(frozen=True)
class _Guess:
    """At the time of a node, see `WorkFeatures`."""

    for_layers: float
    for_grouped: float
    for_integers: tuple[float, float]

    def __call__(self, macs: Sequence[Floats], layers: Sequence[Floats], integer: Sequence[Bools]) -> list[Floats]:
        """``[block](entering, option)``, in units of that of the most MACs of a node in float.

        Args:
            macs: of every node.
            layers: see `_layers`.
            integer: whether an option is in integers, ``[block](option,)``.
        """
        calls, effective = [], []
        for own, made in zip(macs, layers, strict=True):
            known = made.shape[-1] > 0
            calls.append(np.maximum(made[..., :2].sum(-1), 1))  # what has no layers is not free
            effective.append(own + (self.for_grouped - 1) * made[..., 3] if known else own)
        most_calls = max(block.max() for block in calls)
        most = max(block.max() for block in effective) or 1.0
        for_layer, for_mac = self.for_integers
        return [
            self.for_layers * np.where(there, for_layer, 1) * one / most_calls
            + np.where(there, for_mac, 1) * other / most
            for one, other, there in zip(calls, effective, integer, strict=True)
        ]


def _layers(structure: Structure, parts: Sequence[Ints], entering: Sequence[int]) -> list[Floats]:
    """Layers of the options of every block by kind, and their MACs, ``[block](entering, option, 4)``; see `Layers`.

    (entering, option, 0) where layers are not known.

    Args:
        entering: number of shapes that enter each block.
    """
    if not structure.layers:
        return [np.zeros((shapes, len(block), 0)) for shapes, block in zip(entering, parts, strict=True)]

    def amounts(layers: Layers) -> tuple[int, ...]:
        return layers.dense, layers.grouped, layers.dense_macs, layers.grouped_macs

    return [
        np.array([[amounts(row[operator]) for operator in block[:, 0].tolist()] for row in rows], dtype=np.float64)
        for block, rows in zip(parts, structure.layers, strict=True)
    ]


def _integer(parts: Ints) -> Bools:
    """Which options are in integers, (options,)."""
    return np.asarray(parts[:, 1] > 0 if parts.shape[1] > 1 else np.zeros(len(parts)), dtype=np.bool_)


def _without_work(amounts: Floats) -> Bools:
    """Which options cost nothing at all, (options,); amounts (entering, options, costs)."""
    return np.asarray(~amounts.any(axis=(0, 2)), dtype=np.bool_)
