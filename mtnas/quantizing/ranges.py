"""Ranges of the tensors that a policy may quantize, gathered once for a network and used for all of its policies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.errors import QuantizationError
from mtnas.quantizing.rewiring import rewired
from mtnas.quantizing.tracing import evaluating
from mtnas.quantizing.wiring import Leaf, Place, place_from_json, wire
from mtnas.space.data import Batch
from mtnas.space.elastic import device_of
from mtnas.space.shapes import to_device


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value of every tensor that a convolution or linear layer reads or writes.

    Attributes:
        leaves: the layers, as `wire` found them.
        limits: by place, sorted; of what a layer writes, behind its batch norm and clipping activation.
    """

    leaves: tuple[Leaf, ...]
    limits: tuple[tuple[Place, tuple[float, float]], ...]

    @cached_property
    def _by_place(self) -> dict[Place, tuple[float, float]]:
        return dict(self.limits)

    def of(self, place: Place) -> tuple[float, float]:
        """(smallest, largest) value at a place."""
        return self._by_place[place]

    def to_json(self) -> dict[str, Any]:
        return {
            "leaves": [leaf.to_json() for leaf in self.leaves],
            "limits": [[place.to_json(), list(limits)] for place, limits in self.limits],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Ranges:
        try:
            return cls(
                tuple(Leaf.from_json(leaf) for leaf in value["leaves"]),
                tuple((place_from_json(place), (float(low), float(high))) for place, (low, high) in value["limits"]),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise QuantizationError(
                f"not ranges of a network: {str(value)[:80]}; gather them again by gather_ranges"
            ) from error


def gather_ranges(network: nn.Module, batches: Iterable[Batch]) -> Ranges:
    """Run real inputs through the float network, batch norm folded. The more of them, the wider the ranges.

    Args:
        network: its batch-norm statistics are final. It runs in evaluation mode and is left as it was.
        batches: as `Data.calibration_batches` gives them; labels are not looked at.

    Raises:
        QuantizationError: if there is no batch, or an activation that is not finite.
    """
    device = device_of(network)
    inputs = (to_device(x, device) for x, _ in batches)
    first = next(inputs, None)
    if first is None:
        raise QuantizationError(
            "there are no batches to gather ranges of activations from; give at least one of data.calibration_batches()"
        )
    leaves = wire(network, first)
    clips = {leaf.writes: leaf.clip for leaf in leaves}
    watched = {place: _MinMax(clips.get(place)) for leaf in leaves for place in (*leaf.reads, leaf.writes)}
    with evaluating(network), torch.no_grad(), rewired(network, dict.fromkeys(leaves, _as_they_are), watched):
        for x in chain([first], inputs):
            network(x)
    return Ranges(leaves, tuple((place, watched[place].limits(place)) for place in sorted(watched)))


def _as_they_are(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    return weight, bias


class _MinMax:
    """Looks at tensors that pass."""

    def __init__(self, clip: tuple[float, float] | None) -> None:
        self.clip = clip
        self._lowest: list[Tensor] = []
        self._highest: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        lowest, highest = x.detach().aminmax()
        self._lowest.append(lowest)
        self._highest.append(highest)
        return x

    def limits(self, place: Place) -> tuple[float, float]:
        lowest = float(torch.stack(self._lowest).min())
        highest = float(torch.stack(self._highest).max())
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            raise QuantizationError(
                f"{place} goes from {lowest} to {highest} on the calibration samples, but integers hold finite numbers"
                " only; train the network anew with a lower learning rate, or look for such numbers in its inputs"
            )
        if self.clip is not None:
            lowest, highest = (min(max(limit, self.clip[0]), self.clip[1]) for limit in (lowest, highest))
        return lowest, highest
