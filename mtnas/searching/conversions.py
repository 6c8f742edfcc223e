"""How often a runtime turns tensors from one form into another, as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtnas.quantizing import Ends

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

COLUMNS = 9
"""To integers and back to float; to the order of float convolutions and back; for those in integers; sums in integers,
sums in float of nodes in integers and in float, and what such sums of integers take to give integers again."""

SIZED = 5
"""Of these the first, which take the longer the larger the tensor is."""


class Conversions:
    """Counts the operations that a network of mixed bits needs beside its layers.

    In small networks they take more time than the layers. How many there are depends on who else reads a tensor: it is
    in integers as soon as one layer that makes or reads it is, and whoever reads it in float converts it for itself. As
    in onnxruntime's optimized graphs, convolutions in float keep tensors in blocks of channels, those in integers keep
    channels last, and everything else wants them first, so that tensors are also reordered in between; and a sum is one
    in integers where all that it adds and what it gives are.

    Args:
        ends: of every option, ``[block][option]``.
        integer: whether an option is in integers, ``[block](options,)``.
        passes: whether an option hands on what enters, ``[block](options,)``.
        tasks: number of tasks.
    """

    def __init__(
        self, ends: Sequence[Sequence[Ends]], integer: Sequence[Bools], passes: Sequence[Bools], tasks: int
    ) -> None:
        self.tasks, self.integer, self.passes = tasks, integer, passes
        self.layers = [np.array([end.layers for end in block]) for block in ends]
        self.others = [np.array([end.others for end in block]) for block in ends]
        self.adds = [np.array([end.adds for end in block]) for block in ends]
        self.convolutional = [np.array([end.convolutional for end in block]) for block in ends]
        self.ends_in_layer = [np.array([end.ends_in_layer for end in block]) for block in ends]

    def __call__(self, leaders: Ints, options: Ints, sizes: Floats | None = None) -> Floats:
        """(n, blocks, tasks) each -> (n, `COLUMNS`), with sizes (n, `COLUMNS` + `SIZED`).

        Args:
            sizes: of the tensors, (n, 1 + blocks * tasks): of what enters the first block, then of what leaves the
                node that each task leads in each block. The first `SIZED` counts are then added up by them, too.
        """
        seen = _Tensors(len(leaders), 1 + len(self.passes) * self.tasks)
        made_by = np.zeros((len(leaders), self.tasks), dtype=np.int64)  # number of the tensor that a task's node reads
        nodes = []
        for block, passes in enumerate(self.passes):
            chosen = options[:, block]
            led = (leaders[:, block] == np.arange(self.tasks)) & ~passes[chosen]
            own = 1 + block * self.tasks + leaders[:, block]
            for task in range(self.tasks):
                node = _Node(self, block, chosen[:, task], led[:, task], made_by[:, task], own[:, task])
                node.read(seen)
                nodes.append(node)
            made_by = np.where(passes[chosen], made_by, own)
        seen.plain += seen.of(made_by)  # by the heads
        for node in nodes:
            node.add(seen)
        return seen.counts(sizes)


class _Tensors:
    """What makes and reads the tensors between nodes, (n, tensors) each; number 0 is what enters the first block."""

    def __init__(self, count: int, tensors: int) -> None:
        self.rows = np.arange(count)
        # Numbers of those that read it: in integers, of these convolutions, convolutions in float, and anything else.
        self.in_integers, self.last, self.blocked, self.plain = np.zeros((4, count, tensors), dtype=np.int64)
        self.made_in_integers, self.made_last, self.made_blocked = np.zeros((3, count, tensors), dtype=bool)
        self.sums = np.zeros((count, 4), dtype=np.int64)

    def of(self, numbers: Ints) -> Ints:
        """1 for every tensor that is named, (n, any) -> (n, tensors)."""
        found = np.zeros_like(self.plain)
        found[self.rows[:, None], numbers] = 1
        return found

    def rounded(self) -> Bools:
        """Whether it is in integers somewhere."""
        return np.asarray(self.made_in_integers | (self.in_integers > 0))

    def counts(self, sizes: Floats | None) -> Floats:
        rounded = self.rounded()
        floats = self.blocked + self.plain
        others = floats + self.in_integers - self.last
        to_integers = rounded & ~self.made_in_integers
        to_float = floats * rounded
        to_blocks = np.where(rounded, self.blocked, (self.blocked > 0) & ~self.made_blocked)
        to_blocks[:, 0] = 0  # the few channels of an image need no blocks
        from_blocks = self.made_blocked & (rounded | (self.plain > 0))
        to_last = rounded & np.where(self.made_last, others > 0, self.last > 0)
        counted = (to_integers, to_float, to_blocks, from_blocks, to_last)
        columns = [*(one.sum(1) for one in counted), *self.sums.T]
        if sizes is not None:
            columns += [(one * sizes).sum(1) for one in counted]
        return np.stack(columns, axis=1).astype(np.float64)


class _Node:
    """The node that a task leads in a block, (n,) each.

    Args:
        chosen: numbers of its options.
        there: whether the task leads one that does something.
        enters: number of the tensor that it reads.
        leaves: number of the tensor that it makes.
    """

    def __init__(self, of: Conversions, block: int, chosen: Ints, there: Bools, enters: Ints, leaves: Ints) -> None:
        self.there, self.enters, self.leaves = there, enters, leaves
        self.integer = of.integer[block][chosen] & there
        self.floating = ~of.integer[block][chosen] & there
        self.layers = of.layers[block][chosen]
        self.others = of.others[block][chosen] * there
        self.adds = of.adds[block][chosen] & there
        self.convolutional = of.convolutional[block][chosen]
        self.ends_in_layer = of.ends_in_layer[block][chosen]

    def read(self, seen: _Tensors) -> None:
        """Note what it reads and makes, but for a sum."""
        enters, leaves = (seen.rows, self.enters), (seen.rows, self.leaves)
        in_float = self.layers * self.floating
        seen.in_integers[enters] += self.layers * self.integer
        seen.last[enters] += self.layers * (self.integer & self.convolutional)
        seen.blocked[enters] += in_float * self.convolutional
        seen.plain[enters] += in_float * ~self.convolutional + self.others
        seen.made_in_integers[leaves] |= self.integer & self.ends_in_layer
        seen.made_last[leaves] |= self.integer & self.ends_in_layer & self.convolutional
        seen.made_blocked[leaves] |= self.floating & self.ends_in_layer & self.convolutional

    def add(self, seen: _Tensors) -> None:
        """Note its sum, once all that is read is known."""
        if not self.adds.any():
            return
        enters, leaves = (seen.rows, self.enters), (seen.rows, self.leaves)
        rounded_in = seen.made_in_integers[enters] | (seen.in_integers[enters] > 0)
        in_integers = self.adds & self.integer & rounded_in & (seen.in_integers[leaves] > 0)
        fused = self.adds & self.floating & self.convolutional & ~rounded_in & seen.made_blocked[enters]
        plain = self.adds & ~in_integers & ~fused
        again = plain & (seen.in_integers[leaves] > 0)
        summands = (self.integer & self.convolutional).astype(np.int64) + seen.made_last[enters]
        kinds = [in_integers, plain & self.integer, plain & self.floating, again * summands]
        seen.sums += np.stack(kinds, axis=1)
        seen.plain[enters] += plain
        last = in_integers & seen.made_last[enters]
        seen.in_integers[enters] += in_integers
        seen.last[enters] += last
        seen.made_in_integers[leaves] |= in_integers
        seen.made_last[leaves] |= last
        seen.made_blocked[leaves] |= fused
