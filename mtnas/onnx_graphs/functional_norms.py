"""Norms by fixed statistics that are no modules of batch norm, kept apart from the layers before them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode


@contextmanager
def norms_apart(network: nn.Module) -> Iterator[None]:
    """Within, norms by fixed statistics that are no modules of batch norm are products and sums.

    Of calls of `torch.nn.functional.batch_norm`, the exporter folds those behind a convolution into it, whoever calls.
    The simulation of integers folds modules only, of which it can tell in every pass what they are called with.
    Instance norm by the running averages that it may keep has no other form.
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
        if func in (F.batch_norm, F.instance_norm) and not self.within:
            given = inspect.signature(func).bind(*args, **(kwargs or {}))
            given.apply_defaults()
            by_the_input = given.arguments["training" if func is F.batch_norm else "use_input_stats"]
            if not by_the_input:
                return _normed(given.arguments)
        return func(*args, **(kwargs or {}))


def _normed(given: Mapping[str, Any]) -> Tensor:
    """What the function gives for its arguments: (N, C, ...) -> (N, C, ...)"""
    x: Tensor = given["input"]
    gain = torch.rsqrt(given["running_var"] + given["eps"])
    if given["weight"] is not None:
        gain = given["weight"] * gain
    offset = -given["running_mean"] * gain
    if given["bias"] is not None:
        offset = given["bias"] + offset
    shape = (-1, *[1] * (x.dim() - 2))
    normed: Tensor = x * gain.reshape(shape) + offset.reshape(shape)
    return normed
