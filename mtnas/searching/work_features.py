"""What the time of a branched network adds up from, as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.architecture import CostTable
from mtnas.predicting.genetics import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class WorkFeatures:
    """Features of networks that add up over their nodes, whichever tasks these serve.

    For every block: how many nodes have each option, and their MACs by bits. For every place between two blocks: how
    many tensors are turned into integers there, and how many back into float. A network's latency is nearly linear in
    them: a layer in integers between float ones pays for its own conversions, one among its like does not.

    Args:
        costs: of the space, ``macs`` among them.
        parts: numbers of operator and bits of every option, ``[block](option, parts)``; 0 stands for float, any other
            number for integers. With one part all options are float.
        tasks: number of tasks.
    """

    def __init__(self, costs: CostTable, parts: Sequence[Ints], tasks: int) -> None:
        self.tasks = tasks
        self.integer = [_integer(block) for block in parts]
        self.kinds = 2 if any(block.any() for block in self.integer) else 1
        amounts = [np.array(block, dtype=np.float64) for block in costs.options]  # (entering, option, costs)
        self.macs = [block[..., costs.names.index("macs")] for block in amounts]
        self.leads_to = [np.array(block, dtype=np.int64) for block in costs.leads_to]  # (entering, option)
        # What has no weights and does no work hands on what enters, in the bits that it has.
        self.passes = [_without_work(block) for block in amounts]

    def groups(self) -> Ints:
        """For every column, the number of what it tells of, (features,)."""
        widths = []
        for options in self.passes:
            widths += [len(options), *[1] * self.kinds]
        if self.kinds > 1:
            widths += [1] * (2 * len(self.passes) + 2)
        return np.repeat(np.arange(len(widths)), widths)

    def __call__(self, leaders: Ints, options: Ints) -> Floats:
        """(n, blocks, tasks) each -> (n, features)."""
        count = len(leaders)
        columns: list[Floats] = []
        changes: list[Floats] = []
        entering = np.zeros((count, self.tasks), dtype=np.int64)
        before = np.zeros((count, self.tasks), dtype=np.int64)  # who leads the node before
        integer = np.zeros((count, self.tasks), dtype=bool)  # whether what leaves it is in integers
        for block, passes in enumerate(self.passes):
            chosen, led = options[:, block], leaders[:, block] == np.arange(self.tasks)
            columns.append((led[..., None] * np.eye(len(passes))[chosen]).sum(1) / np.sqrt(2))
            own = self.integer[block][chosen]
            work = led * self.macs[block][entering, chosen] / (self.tasks * self.macs[block].max() or 1.0)
            columns += [2 * (work * (own == kind)).sum(1, keepdims=True) for kind in range(self.kinds)]
            reads = ~passes[chosen]
            changes += [self._tensors(before, reads & own & ~integer), self._tensors(before, reads & ~own & integer)]
            integer = np.where(passes[chosen], integer, own)
            entering, before = self.leads_to[block][entering, chosen], leaders[:, block]
        changes += [self._tensors(before, integer), self._tensors(before, ~integer)]
        return np.concatenate([*columns, *(changes if self.kinds > 1 else [])], axis=1)

    def _tensors(self, leaders: Ints, which: Bools) -> Floats:
        """How many groups have a task for which something holds, (n, 1): a tensor is converted once for all."""
        found = np.zeros((len(leaders), 1))
        for leader in range(self.tasks):
            found[:, 0] += ((leaders == leader) & which).any(1) / np.sqrt(2)
        return found


def _integer(parts: Ints) -> Bools:
    """Which options are in integers, (options,)."""
    return np.asarray(parts[:, 1] > 0 if parts.shape[1] > 1 else np.zeros(len(parts)), dtype=np.bool_)


def _without_work(amounts: Floats) -> Bools:
    """Which options cost nothing at all, (options,); amounts (entering, options, costs)."""
    return np.asarray(~amounts.any(axis=(0, 2)), dtype=np.bool_)
