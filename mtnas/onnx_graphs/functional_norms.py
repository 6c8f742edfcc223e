"""Batch norms that are called as functions, kept apart from the layers before them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode


@contextmanager
def norms_apart(network: nn.Module) -> Iterator[None]:
    """Within, calls of `torch.nn.functional.batch_norm` by fixed statistics are products and sums.

    The exporter folds a batch norm into the convolution before it, whoever called it. The simulation of integers folds
    modules only, of which it can tell in every pass what they are called with.
    """
    mode = _Apart()
    with ExitStack() as undo:
        for part in network.modules():
            if isinstance(part, _BatchNorm):
                undo.callback(part.register_forward_pre_hook(mode.enter).remove)
                undo.callback(part.register_forward_hook(mode.leave).remove)
        with mode:
            yield


class _Apart(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.within = 0
        """Calls of batch norms' modules that have not ended."""

    def enter(self, *called: object) -> None:
        self.within += 1

    def leave(self, *called: object) -> None:
        self.within -= 1

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.batch_norm and not self.within:
            given = inspect.signature(F.batch_norm).bind(*args, **(kwargs or {}))
            given.apply_defaults()
            if not given.arguments["training"]:
                return _normed(**given.arguments)
        return func(*args, **(kwargs or {}))


def _normed(
    input: Tensor,  # noqa: A002 - as torch names it
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """(N, C, ...) -> (N, C, ...)"""
    gain = torch.rsqrt(running_var + eps) if weight is None else weight * torch.rsqrt(running_var + eps)
    offset = -running_mean * gain if bias is None else bias - running_mean * gain
    shape = (-1, *[1] * (input.dim() - 2))
    return input * gain.reshape(shape) + offset.reshape(shape)
