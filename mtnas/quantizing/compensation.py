"""Rounding in which the weights that are left make up for the error of those that are rounded.

GPTQ, arXiv 2210.17323, alg. 1, which is Optimal Brain Quantization (arXiv 2208.11580) in one order for all channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mtnas.quantizing.moments import Moments
from mtnas.quantizing.scheme import weight_limits, weight_scales

_BLOCK = 128
"""Columns after which those further on are brought up to date."""


def compensated(weight: Tensor, moments: Moments, bits: int, *, damping: float) -> tuple[Tensor, Tensor]:
    """A layer's weight on a grid of few bits, so that its products differ least, and by how much their means fall.

    Steps are chosen one input after the other, the strongest first; those that follow take up the error. In the end
    every channel's scale is the one that brings its products nearest to those before, by least squares.

    Args:
        weight: (C, ...), batch norm folded in.
        moments: of what the layer reads.
        bits: fewer than 7.
        damping: what is added to the mean squares of the inputs, as a share of their mean.

    Returns:
        The weight, like the given one, and what is to be added to the bias for it: (C,).
    """
    wanted = moments.split(weight.detach().double().cpu())  # (g, p, C / g, K)
    products, means = _damped(moments.products.double(), damping), moments.means.double()
    strength = products.diagonal(dim1=-2, dim2=-1)  # (g, p, K)
    groups, parts, channels, _ = wanted.shape
    flat = wanted.transpose(1, 2).reshape(groups * channels, -1)  # (C, p K)
    importance = strength.flatten(1).repeat_interleave(channels, 0)  # (C, p K)
    scale = weight_scales(flat, bits, importance).reshape(groups, channels)
    each = scale[:, None].expand(groups, parts, channels).flatten(0, 1)
    steps = _steps(wanted.flatten(0, 1), products.flatten(0, 1), each, bits).reshape(wanted.shape)
    toward = (wanted @ products * steps).sum((1, 3))
    square = (steps @ products * steps).sum((1, 3))
    scale = torch.where((toward > 0) & (square > 0), toward / square, scale)
    rounded = steps * scale[:, None, :, None]
    lost = ((wanted - rounded) @ means[..., None]).squeeze(-1).sum(1).flatten()  # (C,)
    return Moments.joined(rounded, weight).to(weight), lost.to(weight)


def _damped(products: Tensor, share: float) -> Tensor:
    """Mean products with more of the inputs' squares, (g, p, K, K): what was never seen may be seen one day."""
    products = products.clone()
    squares = products.diagonal(dim1=-2, dim2=-1)  # (g, p, K), of which it is a view
    mean = squares.mean((1, 2), keepdim=True)  # of a group: its parts share a scale
    squares += torch.where(mean > 0, share * mean, 1.0)
    return products


def _steps(weight: Tensor, products: Tensor, scale: Tensor, bits: int) -> Tensor:
    """weight (n, C, K), products (n, K, K), scale (n, C) -> whole numbers (n, C, K); n problems at once"""
    low, high = weight_limits(bits)
    order = products.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True, stable=True)  # (n, K)
    count = order.shape[1]
    products = products.gather(1, order[:, :, None].expand(-1, -1, count))
    products = products.gather(2, order[:, None].expand(-1, count, -1))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(products))
    factor = torch.linalg.cholesky(inverse, upper=True)
    of_weights = order[:, None].expand_as(weight)
    left, found = weight.gather(2, of_weights), torch.empty_like(weight)
    for begin in range(0, count, _BLOCK):
        end = min(begin + _BLOCK, count)
        errors = torch.empty(*scale.shape, end - begin, dtype=weight.dtype)
        for column in range(begin, end):
            found[..., column] = (left[..., column] / scale).round().clamp(low, high)
            error = (left[..., column] - found[..., column] * scale) / factor[:, column, column, None]
            left[..., column + 1 : end] -= error[..., None] * factor[:, None, column, column + 1 : end]
            errors[..., column - begin] = error
        left[..., end:] -= errors @ factor[:, begin:end, end:]
    return torch.empty_like(weight).scatter_(2, of_weights, found)
