"""Shapes of what flows through a network, without the batch dimension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, ...]
"""Shape of one sample's tensor, e.g. (channels, height, width)."""

InputShape = Shape | dict[str, Shape]
"""Shape of what one sample brings into a stem, a block or a head: a tensor's, or those of a dict of tensors."""

Input = Tensor | Mapping[str, Tensor]
"""A batch of what enters a stem, a block or a head: a tensor or a dict of tensors, the batch dimension first."""


def tensors_of(x: Input) -> list[Tensor]:
    """The tensors of a batch: the one, or those of the dict in its order."""
    return list(x.values()) if isinstance(x, Mapping) else [x]


def on_tensors(change: Callable[[Tensor], Tensor], x: Input) -> Input:
    """A batch with every tensor changed."""
    return {name: change(value) for name, value in x.items()} if isinstance(x, Mapping) else change(x)


def input_shape(x: Input) -> InputShape:
    """Shape of a batch without its batch dimension."""
    if isinstance(x, Mapping):
        return {name: tuple(value.shape[1:]) for name, value in x.items()}
    return tuple(x.shape[1:])


def batch_of(make: Callable[..., Tensor], shape: InputShape, samples: int = 1) -> Input:
    """A batch of that shape, made by ``make(*sizes)``, such as `torch.zeros`."""
    if isinstance(shape, dict):
        return {name: make(samples, *one) for name, one in shape.items()}
    return make(samples, *shape)


def batch_size(x: Input) -> int:
    """Number of samples in a batch."""
    return len(tensors_of(x)[0])


def head_of(x: Input, samples: int) -> Input:
    """The first ``samples`` samples of a batch."""
    return on_tensors(lambda value: value[:samples], x)


def to_device(x: Any, device: torch.device) -> Any:
    """A batch (tensor or dict of tensors) on a device; on CUDA in the usual memory layout, channels first.

    Elastic convolutions slice their weights, which CUDA's kernels for channels last want rearranged in every call: a
    step took 2.4 times as long in float32, and 4 times in bfloat16.
    """
    if isinstance(x, Mapping):
        return {name: to_device(value, device) for name, value in x.items()}
    layout = torch.contiguous_format if device.type == "cuda" else torch.preserve_format
    return x.to(device, non_blocking=True, memory_format=layout)
