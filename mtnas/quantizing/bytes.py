"""Bytes of weights in an exported file."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtnas.architecture import FLOAT_BITS, QuantizationPolicy
from mtnas.quantizing.fake import check_policy, leaf_bits
from mtnas.quantizing.scheme import MOST_BITS, REDUCED_BITS, check_bits
from mtnas.quantizing.wiring import Leaf, wire
from mtnas.space.shapes import Input
from mtnas.supernet import BranchedNetwork

_FLOAT32 = 4
_PER_CHANNEL = 4 + 1
"""A float32 scale and a zero point of one byte."""


def network_bytes(network: BranchedNetwork, policy: QuantizationPolicy, leaves: Iterable[Leaf]) -> int:
    """Bytes of a network's weights under a policy: stem, nodes and heads.

    Batch norm is folded into the layer before it. Weights of b bits are packed, but for those of 7 bits, which are in
    bytes; every output channel has a float32 scale and a zero point of one byte; a bias has 4 bytes, as int32 or
    float32; all else has the width that it has here.

    Args:
        leaves: as `wire` found them in the network.

    Raises:
        QuantizationError: for a node that the architecture does not have, or bits that integers do not have.
    """
    check_policy(network, policy)
    return _bytes(network, leaves, lambda leaf: leaf_bits(leaf, policy)[0])


def operator_bytes(operator: nn.Module, x: Input, bits: int = FLOAT_BITS) -> int:
    """Bytes of the weights of a node's operator, or of a stem or head, alone: those of a network are their sum.

    Args:
        x: a batch of what enters it.
        bits: of its weights; 32: float.
    """
    check_bits(bits, "an operator's weight")
    return _bytes(operator, wire(operator, x), lambda leaf: bits)


def _bytes(module: nn.Module, leaves: Iterable[Leaf], bits_of: Callable[[Leaf], int]) -> int:
    """Bytes of all weights; what several modules share is there once."""
    # A layer with another norm in each of its calls becomes several layers.
    layers = {(leaf.call.module, leaf.norm and leaf.norm.module): leaf for leaf in leaves}
    total = 0
    for (name, norm), leaf in layers.items():
        has_bias = norm is not None or module.get_submodule(name).bias is not None
        total += _layer_bytes(leaf.shape, bits_of(leaf), has_bias=has_bias)
    gone = {name for pair in layers for name in pair if name is not None}
    rest: dict[int, Tensor] = {}
    for name, part in module.named_modules():
        if name in gone or any(name.startswith(f"{other}.") for other in gone):
            continue
        rest.update((id(tensor), tensor) for tensor in part.parameters(recurse=False))
        rest.update(
            (id(tensor), tensor)
            for buffer, tensor in part.named_buffers(recurse=False)
            if not (isinstance(part, _BatchNorm) and buffer == "num_batches_tracked")  # it counts training steps
        )
    return total + sum(tensor.numel() * tensor.element_size() for tensor in rest.values())


def _layer_bytes(shape: tuple[int, ...], bits: int, *, has_bias: bool) -> int:
    count = 1
    for size in shape:
        count *= size
    channels = shape[0]
    held = MOST_BITS if bits == REDUCED_BITS else bits
    weight = count * _FLOAT32 if bits == FLOAT_BITS else -(-count * held // 8) + channels * _PER_CHANNEL
    return weight + channels * 4 * has_bias
