"""What a layer's products are sums of: mean products of the numbers that meet its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtnas.errors import QuantizationError
from mtnas.quantizing.tracing import evaluating
from mtnas.space.data import Batch
from mtnas.space.elastic import device_of
from mtnas.space.shapes import to_device

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


@dataclass(frozen=True)
class Moments:
    """Of the patches x that a layer reads, for each of its groups g and parts p of their channels.

    Attributes:
        products: mean of x x', (g, p, K, K), where K numbers belong to a part.
        means: mean of x, (g, p, K).
    """

    products: Tensor
    means: Tensor

    def split(self, weight: Tensor) -> Tensor:
        """A layer's weight (C, ...) by groups and parts: (g, p, C / g, K)."""
        groups, parts, columns = self.means.shape
        return weight.reshape(groups, -1, parts, columns).transpose(1, 2)

    @staticmethod
    def joined(weight: Tensor, like: Tensor) -> Tensor:
        """Undo `split`."""
        return weight.transpose(1, 2).reshape(like.shape)


def gather_moments(
    network: nn.Module, layers: Iterable[str], batches: Iterable[Batch], *, positions: int, columns: int, seed: int = 0
) -> dict[str, Moments]:
    """Moments of what layers read in a network's passes over real inputs, by name of the layer.

    Layers that are not called have none.

    Args:
        network: runs in evaluation mode, and is left as it was.
        layers: names of convolutions and linear layers.
        batches: labels are not looked at.
        positions: places of a convolution's output, or tokens, that are drawn from each sample.
        columns: most numbers of a part.
        seed: of the places.

    Raises:
        QuantizationError: if what a layer reads is not finite.
    """
    modules = dict(network.named_modules())
    sums = {name: _Sums(_layer(modules[name]), positions, columns, seed) for name in layers}
    device = device_of(network)
    with ExitStack() as undo, torch.no_grad():
        undo.enter_context(evaluating(network))
        for name, seen in sums.items():
            undo.callback(modules[name].register_forward_pre_hook(_looking(seen), with_kwargs=True).remove)
        for x, _ in batches:
            network(to_device(x, device))
    return {name: seen.moments(name) for name, seen in sums.items() if seen.count}


def _layer(module: nn.Module) -> Layer:
    assert isinstance(module, Layer)
    return module


def _looking(seen: _Sums) -> Callable[[nn.Module, tuple[Any, ...], Mapping[str, Any]], None]:
    def look(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for x in (*args, *kwargs.values()):  # a layer takes one
            seen.add(x)

    return look


class _Sums:
    """Adds patches up."""

    def __init__(self, layer: Layer, positions: int, columns: int, seed: int) -> None:
        self.layer, self.positions = layer, positions
        channels = layer.weight.shape[1]
        kernel = math.prod(layer.weight.shape[2:])
        self.groups = 1 if isinstance(layer, nn.Linear) else layer.groups
        # Channels in as many equal parts as are small enough; a single channel has no parts.
        fitting = (p for p in range(1, channels + 1) if channels % p == 0 and channels // p * kernel <= columns)
        self.parts = next(fitting, channels)
        self.generator = torch.Generator().manual_seed(seed)
        self.count = 0
        self.products: Tensor | float = 0.0
        self.means: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        patches = self._rows(x) if isinstance(self.layer, nn.Linear) else self._patches(self.layer, x)
        patches = patches.reshape(len(patches), self.groups, self.parts, -1).permute(1, 2, 0, 3)  # (g, p, n, K)
        self.count += patches.shape[2]
        self.products = self.products + (patches.transpose(-1, -2) @ patches).cpu()
        self.means = self.means + patches.sum(2).cpu()

    def moments(self, name: str) -> Moments:
        assert isinstance(self.products, Tensor) and isinstance(self.means, Tensor)
        if not bool(torch.isfinite(self.products).all()):
            raise QuantizationError(
                f"what the layer {name} reads is not finite on the calibration samples, or too large to be squared;"
                " train the network anew with a lower learning rate, or look for such numbers in its inputs"
            )
        return Moments(self.products / self.count, self.means / self.count)

    def _rows(self, x: Tensor) -> Tensor:
        """(batch, ..., K) -> (n, K)"""
        if x.dim() < 2:
            return x.reshape(1, -1)
        tokens = x.reshape(len(x), -1, x.shape[-1])
        return tokens[:, self._drawn(tokens.shape[1])].reshape(-1, x.shape[-1])

    def _patches(self, layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
        """(batch, channels, ...) -> (n, channels * kernel), channels first."""
        dims = len(layer.kernel_size)
        if x.dim() == dims + 1:
            x = x[None]
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        x = F.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
        for dim, (size, stride, step) in enumerate(zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)):
            x = x.unfold(2 + dim, (size - 1) * step + 1, stride)[..., ::step]
        places = x.shape[2 : 2 + dims]
        drawn = self._drawn(math.prod(places))
        at: tuple[Any, ...] = (slice(None), slice(None), *torch.unravel_index(drawn, places))
        found: Tensor = x[at]  # (batch, channels, n, *kernel)
        return found.transpose(1, 2).reshape(-1, math.prod(found.shape[3:]) * found.shape[1])

    def _drawn(self, places: int) -> Tensor:
        """Numbers of some places, in order."""
        if places <= self.positions:
            return torch.arange(places)
        return torch.randperm(places, generator=self.generator)[: self.positions].sort().values
