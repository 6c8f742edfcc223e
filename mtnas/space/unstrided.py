"""A way round a fault of torch's convolutions on CPUs without AVX-512."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ENOUGH = 8
"""Input channels with which the fault does not show: as many floats as AVX2 computes with at once."""


def has_fault() -> bool:
    """Whether this machine's torch may run the convolutions that `unstrided` is for by oneDNN's code for AVX2."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return x86 and torch.backends.cpu.get_cpu_capability() == "AVX2"


@contextmanager
def unstrided(module: nn.Module, *, needed: bool | None = None) -> Iterator[None]:
    """Within, 1x1 convolutions with a stride, of few channels, first pick the pixels that they read.

    For the gradient of such a convolution's weights, with channels last, oneDNN writes past the end of its workspace
    on CPUs whose best instructions are AVX2 (as of torch 2.13; github.com/uxlfoundation/oneDNN, issue 6035): the
    process aborts or, worse, goes on with what was overwritten. Without the stride there is no such workspace. What is
    computed is the same but for the order of sums. Enter it around forward passes that a backward pass follows.

    Args:
        module: whose convolutions are meant, those of its submodules too.
        needed: whether to do anything; None: see `has_fault`.
    """
    needed = has_fault() if needed is None else needed
    found = [one for one in module.modules() if isinstance(one, nn.Conv2d) and _may_overflow(one)] if needed else []
    for one in found:
        one.__dict__["_conv_forward"] = partial(_unstrided, one)
    try:
        yield
    finally:
        for one in found:
            del one.__dict__["_conv_forward"]


def _may_overflow(module: nn.Conv2d) -> bool:
    return (
        module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.padding in ((0, 0), "valid")
        and "_conv_forward" not in module.__dict__
    )


def _unstrided(module: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``module._conv_forward``. Channels are counted here: slices of a larger operator's weights may have fewer."""
    if weight.shape[1] >= ENOUGH or x.device.type != "cpu":
        usual: Tensor = nn.Conv2d._conv_forward(module, x, weight, bias)
        return usual
    rows, columns = module.stride
    return F.conv2d(x[..., ::rows, ::columns], weight, bias, groups=module.groups)
