"""Which entries of a label are there."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def present(label: Tensor, missing: float) -> Tensor:
    """Which entries of a label are there: booleans of the label's shape.

    Args:
        missing: value that means "no label", maybe NaN. It is compared as the label's own kind of number has it: -9.9
            is another number in single precision than in double.
    """
    if math.isnan(missing):
        return ~torch.isnan(label)
    # Wide integers first: compared as uint8, -100 would be 156, a class like any other.
    return (label if label.is_floating_point() else label.long()) != missing
