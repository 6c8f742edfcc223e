"""Scales and zero points of b-bit integers, as onnxruntime's static quantization chooses them.

A real number r is held as an integer q: r = scale * (q - zero point), arXiv 1712.05877, eq. 1. Activations are
unsigned and asymmetric; weights are signed and symmetric, each output channel with a scale of its own (arXiv
1806.08342, sec. 2). Scales of weights with fewer than 7 bits are our own.
All arithmetic keeps to the precision in which onnxruntime's Python tools compute, so that nothing but the order of sums
tells a simulation from a quantized file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtnas.architecture import FLOAT_BITS
from mtnas.errors import QuantizationError

FEWEST_BITS, MOST_BITS = 2, 8

REDUCED_BITS = 7
"""Of weights in bytes that do not use all of these."""

INT32 = (-(2**31), 2**31 - 1)
"""Limits of a quantized bias."""

_TINY = float(np.finfo(np.float32).tiny)
"""A scale below it is replaced by 1: all that it stands for is 0."""


def check_bits(bits: int, of: str) -> None:
    """Raise QuantizationError unless there are integers of that many bits, or it means float.

    Args:
        of: what has them, for the message.
    """
    if bits != FLOAT_BITS and not FEWEST_BITS <= bits <= MOST_BITS:
        raise QuantizationError(
            f"{of} is given {bits} bits, but integers here have {FEWEST_BITS} to {MOST_BITS} bits; use one of these, or"
            f" {FLOAT_BITS} to leave it float"
        )


def activation_limits(bits: int) -> tuple[int, int]:
    """Smallest and largest integer of an activation."""
    return 0, 2**bits - 1


def weight_limits(bits: int) -> tuple[int, int]:
    """Smallest and largest integer of a weight.

    Eight bits leave -128 out, so that the limits are symmetric. So are those of 7 bits, onnxruntime's reduced range:
    bytes hold them, which have room for a 64. With fewer bits every level counts, and onnxruntime uses all of them: the
    largest weight is then cut by half a step, which is no more than rounding may cost anyway.
    """
    if bits == REDUCED_BITS:
        return -(2 ** (bits - 1)), 2 ** (bits - 1)
    highest = int(2 ** (bits - 1) - 1)
    return (-highest if bits == MOST_BITS else -highest - 1), highest


@dataclass(frozen=True)
class Affine:
    """How a tensor is held: integers ``low`` to ``high``, of which ``zero_point`` means 0.

    Attributes:
        scale: real numbers per step; a float32.
    """

    scale: float
    zero_point: int
    low: int
    high: int

    @property
    def steps(self) -> tuple[int, int]:
        """The limits counted from the zero point."""
        return self.low - self.zero_point, self.high - self.zero_point


def activation_affine(lowest: float, highest: float, bits: int) -> Affine:
    """The integers that hold a range of activations; the range is widened to contain 0, which must be exact.

    Args:
        lowest, highest: of the calibration samples, as float32.
        bits: 2 to 8.
    """
    check_bits(bits, "an activation")
    low, high = activation_limits(bits)
    lowest, highest = min(lowest, 0.0), max(highest, 0.0)
    scale = (highest - lowest) / (high - low)
    if scale < _TINY:
        return Affine(1.0, 0, low, high)
    # The zero point comes from the scale before it is rounded to float32. Python rounds half to even, as numpy does.
    return Affine(float(np.float32(scale)), round(low - lowest / scale), low, high)


def are_few(bits: int) -> bool:
    """Whether weights have so few bits that their scales are chosen for the least error, see `weight_scales`."""
    return bits < REDUCED_BITS


def weight_scales(weight: Tensor, bits: int, importance: Tensor | None = None) -> Tensor:
    """Scale of every output channel: (C, ...) -> (C,), no gradient.

    With 7 and 8 bits the largest weight has the last step. With fewer that leaves too few steps for all the others:
    the scale is then the one of some, down to half of that, whose roundings err least in the mean square. Weights that
    are on such a grid already keep it, since the largest one's number of steps is among those that are tried.

    Args:
        bits: 2 to 8.
        importance: (C, ...), weighs the squared errors of a channel's weights; None: all alike. Fewer than 7 bits only.
    """
    check_bits(bits, "a weight")
    low, high = weight_limits(bits)
    flat = weight.detach().flatten(1)  # (C, K)
    largest = flat.abs().amax(1)  # (C,)
    scales = 2 * largest / (high - low)
    if are_few(bits):
        scales = _of_least_error(flat, largest, (low, high), None if importance is None else importance.flatten(1))
    return torch.where(scales < _TINY, torch.ones_like(scales), scales)


def _of_least_error(weight: Tensor, largest: Tensor, limits: tuple[int, int], importance: Tensor | None) -> Tensor:
    """weight (C, K), largest (C,), importance (C, K) -> scales (C,)"""
    low, high = limits
    half = (high - low) / 2
    counts = [*range(1, -low + 1), *(half * (1 + share / 20) for share in range(21))]  # of the largest weight's steps
    best, least = torch.zeros_like(largest), torch.full_like(largest, torch.inf)
    for count in counts:
        scale = largest / count
        steps = (weight / scale.clamp_min(_TINY)[:, None]).round_().clamp_(low, high)
        error = steps.mul_(scale[:, None]).sub_(weight).square_()
        total = error.sum(1) if importance is None else (error * importance).sum(1)
        better = total < least
        best, least = torch.where(better, scale, best), torch.where(better, total, least)
    return best


def scales_for_bias(scales: Tensor, bias: Tensor, input_scale: float) -> Tensor:
    """Scales of weights, enlarged where ``bias / (scale * input_scale)`` would not fit into 32 bits: (C,) -> (C,).

    It happens to channels that batch norm has all but switched off: their folded weights are next to nothing.
    """
    wanted = 1.0001 * 2 * bias.detach().double().abs() / (INT32[1] - INT32[0] - 1)
    have = scales.double() * input_scale
    enlarged = (scales.double() * (wanted / have)).float()
    return torch.where((have < wanted) & (have > 0), enlarged, scales)
