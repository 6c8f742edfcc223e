"""A network whose weights of few bits lie on their grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain

import torch
from torch import Tensor, nn

from mtnas.architecture import FLOAT_BITS, QuantizationPolicy
from mtnas.errors import QuantizationError
from mtnas.quantizing.compensation import compensated
from mtnas.quantizing.fake import check_policy, leaf_bits
from mtnas.quantizing.folding import folded_weights
from mtnas.quantizing.moments import gather_moments
from mtnas.quantizing.rounding import fake_quantize
from mtnas.quantizing.scheme import are_few, weight_limits, weight_scales
from mtnas.quantizing.wiring import Leaf, wire
from mtnas.space.data import Batch
from mtnas.supernet import BranchedNetwork

_Change = Callable[[str, int, Tensor], tuple[Tensor, Tensor | None]]
"""Another weight for a layer, and what to add to its bias: (name, bits, folded weight) -> (weight, (C,) or None)."""

_NEXT_TO_NOTHING = 1e-12
"""A batch norm's factor below it has switched a channel off; its weights make no difference."""


def settle_weights(
    network: BranchedNetwork,
    policy: QuantizationPolicy,
    batches: Iterable[Batch],
    *,
    positions: int = 16,
    columns: int = 1152,
    damping: float = 0.01,
    seed: int = 0,
) -> None:
    """Give weights of fewer than 7 bits values of their grid with which the network's outputs change least.

    To the nearest steps they lose much: two points of error, where 4 bits chosen this way lose a tenth. Weights that
    are rounded later make up for the errors of those before (`compensated`), a channel's scale brings its outputs
    nearest to those in float, and its bias takes the mean of what is left (arXiv 1906.04721, sec. 4.2). Afterwards
    rounding to the nearest step changes nothing, and doing this again next to nothing. Weights that several layers
    or calls share are left as they are.

    Args:
        network: changed; its batch-norm statistics are final.
        policy: what has 7 bits or more is left alone.
        batches: of samples that trained no weights, as `Data.range_batches` gives them.
        positions: places of a convolution's output, or tokens, that are looked at in each sample.
        columns: most weights of a channel that make up for each other; more are taken in parts.
        damping: steadies what is learned of few samples, as a share of the mean square of a layer's inputs.
        seed: of the places.

    Raises:
        QuantizationError: for a node that the architecture does not have, or if there is no batch.
    """
    if not _has_few(policy):
        return
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        raise QuantizationError(
            "there are no batches to settle weights of few bits by; give at least one of data.range_batches()"
        )
    leaves = _with_few_bits(network, policy, first)
    if not leaves:
        return
    names = [leaf.call.module for leaf, _ in leaves]
    every = chain([first], batches)
    moments = gather_moments(network, names, every, positions=positions, columns=columns, seed=seed)

    def settled(name: str, bits: int, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        return compensated(weight, moments[name], bits, damping=damping)

    _changed(network, leaves, settled)


def snap_weights(network: BranchedNetwork, policy: QuantizationPolicy, batch: Batch) -> None:
    """Give weights of fewer than 7 bits the nearest values of their grid: for those that were trained with roundings.

    Args:
        network: changed.
        policy: what has 7 bits or more is left alone.
        batch: any.
    """

    def snapped(name: str, bits: int, weight: Tensor) -> tuple[Tensor, None]:
        scales = weight_scales(weight, bits).reshape(-1, *[1] * (weight.dim() - 1))
        return fake_quantize(weight, scales, *weight_limits(bits)), None

    if _has_few(policy):
        _changed(network, _with_few_bits(network, policy, batch), snapped)


def _has_few(policy: QuantizationPolicy) -> bool:
    return any(are_few(weight_bits) for _, (weight_bits, _) in policy.entries)


def _with_few_bits(network: BranchedNetwork, policy: QuantizationPolicy, batch: Batch) -> list[tuple[Leaf, int]]:
    """Layers with weights of their own that have few bits, and these."""
    check_policy(network, policy)
    leaves = wire(network, batch[0])
    owners = Counter(id(part) for module in network.modules() for part in module.parameters(recurse=False))
    found = []
    for leaf in leaves:
        bits, _ = leaf_bits(leaf, policy)
        module = network.get_submodule(leaf.call.module)
        alone = leaf.call.of == 1 and (leaf.norm is None or leaf.norm.of == 1)
        if bits != FLOAT_BITS and are_few(bits) and alone and owners[id(module._parameters.get("weight"))] == 1:
            found.append((leaf, bits))
    return found


@torch.no_grad()
def _changed(network: nn.Module, leaves: Iterable[tuple[Leaf, int]], change: _Change) -> None:
    """Change the weights of layers as they are with their batch norm folded in."""
    for leaf, bits in leaves:
        layer = network.get_submodule(leaf.call.module)
        norm = None if leaf.norm is None else network.get_submodule(leaf.norm.module)
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, Tensor) and not isinstance(bias, nn.Module)
        folded, _ = folded_weights(weight, None, norm)
        changed, more = change(leaf.call.module, bits, folded)
        # Folding multiplies, channel by channel, by what it makes of ones.
        factor, _ = folded_weights(torch.ones_like(weight[:, :1].flatten(1)[:, :1]), None, norm)  # (C, 1)
        on = factor.flatten().abs() > _NEXT_TO_NOTHING
        factor = factor.reshape(-1, *[1] * (weight.dim() - 1))
        weight[on] = (changed / factor)[on]
        if more is None:
            continue
        if norm is not None and isinstance(norm.bias, Tensor):
            norm.bias[on] += more[on]
        elif bias is not None:
            bias[on] += (more / factor.flatten())[on]
