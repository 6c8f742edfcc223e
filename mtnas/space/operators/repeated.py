"""Several operators in a row as one block."""

from __future__ import annotations

import torch
from torch import nn

from mtnas.space.block import Operator
from mtnas.space.operators._arguments import check_positive
from mtnas.space.shapes import InputShape, batch_of, input_shape


def repeated(operator: Operator, depth: int, *, first: Operator | None = None) -> Operator:
    """``depth`` operators in a row. Elastic: ``elastic(lambda depth: repeated(operator, depth), depth=(1, 2))``.

    Args:
        operator: all but the first.
        depth: number of operators.
        first: the first one, for example with a stride; None: like the others.
    """
    check_positive(depth=depth)

    def make(shape: InputShape) -> nn.Module:
        layers = nn.Sequential()
        for number in range(depth):
            layer = (first if first is not None and number == 0 else operator)(shape)
            layers.append(layer)
            if number + 1 < depth:  # what leaves, found by trying: an operator does not tell
                with torch.no_grad():
                    shape = input_shape(layer.eval()(batch_of(torch.zeros, shape)))
                layer.train()
        return layers

    return make
