"""What the time of a branched network adds up from, as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import CostTable
from mtnas.predicting.genetics import Floats
from mtnas.quantizing import Ends
from mtnas.searching.conversions import COLUMNS, Conversions

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class WorkFeatures:
    """Features of networks that add up over their nodes, whichever tasks these serve.

    For every block: how many nodes have each operator, how many are in integers, and their MACs by bits. For the whole
    network: how often tensors are converted, see `Conversions`. A network's latency is nearly linear in them: a layer
    in integers between float ones pays for its own conversions, one among its like does not. What an operator gains by
    integers beyond that is there, too, but counts for little until there are many rows.

    Args:
        costs: of the space, ``macs`` among them.
        parts: numbers of operator and bits of every option, ``[block](option, parts)``; 0 stands for float, any other
            number for integers. With one part all options are float.
        tasks: number of tasks.
        ends: of every operator, ``[block][operator]``; empty: all operators are single layers.
        apart: by how much the columns count that tell operators in integers from each other.
    """

    def __init__(
        self,
        costs: CostTable,
        parts: Sequence[Ints],
        tasks: int,
        ends: Sequence[Sequence[Ends]] = (),
        apart: float = 0.1,
    ) -> None:
        self.tasks, self.apart = tasks, apart
        self.operators = [block[:, 0] for block in parts]
        self.integer = [_integer(block) for block in parts]
        self.kinds = 2 if any(block.any() for block in self.integer) else 1
        amounts = [np.array(block, dtype=np.float64) for block in costs.options]  # (entering, option, costs)
        self.macs = [block[..., costs.names.index("macs")] for block in amounts]
        self.leads_to = [np.array(block, dtype=np.int64) for block in costs.leads_to]  # (entering, option)
        # What has no weights and does no work hands on what enters, in the bits that it has.
        self.passes = [_without_work(block) for block in amounts]
        of_options = [
            [ends[number][operator] if ends else Ends() for operator in block[:, 0].tolist()]
            for number, block in enumerate(parts)
        ]
        self.conversions = Conversions(of_options, self.integer, self.passes, tasks)

    def groups(self) -> Ints:
        """For every column, the number of what it tells of, (features,)."""
        widths = []
        for operators in self.operators:
            count = int(operators.max()) + 1
            widths += [count, 1] if self.kinds == 1 else [count, 1, 1, 1, count]
        if self.kinds > 1:
            widths += [1] * COLUMNS
        return np.repeat(np.arange(len(widths)), widths)

    def __call__(self, leaders: Ints, options: Ints) -> Floats:
        """(n, blocks, tasks) each -> (n, features)"""
        columns: list[Floats] = []
        entering = np.zeros((len(leaders), self.tasks), dtype=np.int64)
        for block, operators in enumerate(self.operators):
            chosen, led = options[:, block], leaders[:, block] == np.arange(self.tasks)
            own = led & self.integer[block][chosen]
            nodes = np.eye(int(operators.max()) + 1)[operators[chosen]] / np.sqrt(2)  # (n, tasks, operators)
            work = 2 * self.macs[block][entering, chosen] / (self.tasks * self.macs[block].max() or 1.0)
            columns += [(nodes * led[..., None]).sum(1), (work * (led & ~own)).sum(1, keepdims=True)]
            if self.kinds > 1:
                columns += [own.sum(1, keepdims=True) / np.sqrt(2), (work * own).sum(1, keepdims=True)]
                columns.append(self.apart * (nodes * own[..., None]).sum(1))
            entering = self.leads_to[block][entering, chosen]
        if self.kinds > 1:
            columns.append(self.conversions(leaders, options) / np.sqrt(2))
        return np.concatenate(columns, axis=1)


def _integer(parts: Ints) -> Bools:
    """Which options are in integers, (options,)."""
    return np.asarray(parts[:, 1] > 0 if parts.shape[1] > 1 else np.zeros(len(parts)), dtype=np.bool_)


def _without_work(amounts: Floats) -> Bools:
    """Which options cost nothing at all, (options,); amounts (entering, options, costs)."""
    return np.asarray(~amounts.any(axis=(0, 2)), dtype=np.bool_)
