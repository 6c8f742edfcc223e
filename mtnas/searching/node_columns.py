"""The work of a block's nodes, added up over those that have something in common."""

from __future__ import annotations

from enum import IntEnum, auto

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.genetics import Floats

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Kind(IntEnum):
    """What a column tells of. The first ones hold the work of nodes of a block that have something in common."""

    OPERATOR_BITS_SHAPE = 0
    """Their operator, whether they are in float or in integers, and the shape that enters."""
    OPERATOR_BITS = auto()
    OPERATOR = auto()
    BITS_SHAPE = auto()
    BITS = auto()
    LAYERS = auto()
    TOTALS = auto()
    CONVERSIONS = auto()
    CONVERSIONS_BY_SIZE = auto()


def node_columns(operators: Ints, integer: Bools, work: Floats, forms: int) -> tuple[Floats, list[Kind]]:
    """What a node of each option brings into the columns of its block, (entering, option, columns), and their kinds.

    What several nodes have in common is seen as such, so that one that was never measured is foreseen by its likes.

    Args:
        operators: number of every option's, (option,).
        integer: whether an option is in integers, (option,).
        work: of a node, (entering, option), a guess: how far it is off is what the columns are there to tell.
        forms: 2 where nodes may be in integers, else 1.
    """
    shape = np.arange(len(work))[:, None]
    bits = integer.astype(np.int64) * (forms - 1)
    both = operators * forms + bits
    codes = {Kind.OPERATOR: operators, Kind.BITS_SHAPE: shape * forms + bits, Kind.BITS: bits}
    codes[Kind.OPERATOR_BITS_SHAPE] = shape * (int(both.max()) + 1) + both
    if forms > 1:
        codes[Kind.OPERATOR_BITS] = both
    columns, kinds = [], []
    for kind, code in sorted(codes.items()):
        columns.append(np.eye(int(code.max()) + 1)[np.broadcast_to(code, work.shape)] * work[..., None])
        kinds += [kind] * columns[-1].shape[-1]
    return np.concatenate(columns, axis=-1), kinds
