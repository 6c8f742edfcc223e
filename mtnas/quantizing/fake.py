"""A network that computes as its quantized file would, in float."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor

from mtnas.architecture import FLOAT, FLOAT_BITS, Bits, QuantizationPolicy
from mtnas.errors import QuantizationError
from mtnas.quantizing.ranges import Ranges
from mtnas.quantizing.rewiring import Change, Weights, check_fit, rewired
from mtnas.quantizing.rounding import fake_quantize, fake_quantize_weights
from mtnas.quantizing.scheme import (
    INT32,
    Affine,
    activation_affine,
    are_few,
    check_bits,
    scales_for_bias,
    weight_limits,
    weight_scales,
)
from mtnas.quantizing.wiring import Leaf, Place
from mtnas.supernet import BranchedNetwork


@contextmanager
def fake_quantized(network: BranchedNetwork, policy: QuantizationPolicy, ranges: Ranges) -> Iterator[BranchedNetwork]:
    """Within, ``network(x)`` computes as onnxruntime does with the policy's nodes in integers, up to a few roundings.

    What a node's convolutions and linear layers read and write is rounded to integers, their weights are, batch norm
    folded in, and their biases to the integers of 32 bits that products are added up in (arXiv 1712.05877, sec. 2.4).
    Stem, heads and everything between the layers stay float. A tensor is rounded once, for all that read it, at the
    fewest bits that a layer at one of its ends asks for: a float node may read what a quantized one beside it rounds,
    as in onnxruntime. One that no module made, as the result of a function, is rounded for the layers that read it.

    Gradients pass straight through, so that the network may be trained within; the batch norms that are folded keep
    their statistics meanwhile. With the empty policy the network computes bit for bit as it does outside.

    Args:
        network: its batch-norm statistics are those of the ranges. Left as it was, also by an exception.
        policy: 2 to 8 bits, or 32, for weights and activations. Files have weights of 4, 7 and 8 and activations of
            8; others are a simulation. Weights of fewer than 7 bits take their scales from the first pass.
        ranges: that `gather_ranges` found for this network.

    Raises:
        QuantizationError: for a node that the architecture does not have, other bits, or ranges of another network.
    """
    check_policy(network, policy)
    check_fit(dict(network.named_modules()), dict.fromkeys(ranges.leaves))
    bits = {leaf: found for leaf in ranges.leaves if (found := leaf_bits(leaf, policy)) != FLOAT}
    affine = {place: activation_affine(*ranges.of(place), least) for place, least in _fewest(bits.items()).items()}
    weights: dict[Leaf, Weights] = {}
    for leaf, (weight_bits, activation_bits) in bits.items():
        # A product without bias, or with float inputs, is not added up with a bias of integers.
        integer = activation_bits != FLOAT_BITS and not leaf.bias_apart
        weights[leaf] = _Rounded(weight_bits, affine[leaf.reads[0]].scale if integer else None)
    changes: dict[Place, Change] = {place: partial(_rounded, found) for place, found in affine.items()}
    with rewired(network, weights, changes):
        yield network


def check_policy(network: BranchedNetwork, policy: QuantizationPolicy) -> None:
    """Raise QuantizationError unless the policy's nodes are the architecture's, and integers have its bits."""
    tree = network.architecture.tree
    nodes = [(block, group[0]) for block, group in tree.nodes()]
    for node, (weight_bits, activation_bits) in policy.entries:
        if node not in nodes:
            leaders = [leader for block, leader in nodes if block == node[0]]
            there = f"those of block {node[0]} have leaders {leaders}" if leaders else f"it has {tree.blocks} blocks"
            raise QuantizationError(
                f"the policy names node {node} (block, leader), which the network does not have: {there}; take the"
                " policy of a candidate with this architecture"
            )
        check_bits(weight_bits, f"the weight of node {node}")
        check_bits(activation_bits, f"the activation of node {node}")


def leaf_bits(leaf: Leaf, policy: QuantizationPolicy) -> Bits:
    """(weight bits, activation bits) of a layer."""
    return FLOAT if leaf.node is None else policy.bits(*leaf.node)


def _fewest(bits: Iterable[tuple[Leaf, Bits]]) -> dict[Place, int]:
    """Bits of every tensor that is rounded."""
    found: dict[Place, int] = {}
    for leaf, (_, activation_bits) in bits:
        for place in (*leaf.reads, leaf.writes):
            if activation_bits != FLOAT_BITS:
                found[place] = min(activation_bits, found.get(place, activation_bits))
    return found


def _rounded(affine: Affine, x: Tensor) -> Tensor:
    return fake_quantize(x, affine.scale, *affine.steps)


class _Rounded:
    """Rounded weight and bias of a layer.

    Args:
        bits: of the weight. Where they are few, the scales of the first weights stay: they take long to find.
        input_scale: of what the layer reads; None: the bias stays float.
    """

    def __init__(self, bits: int, input_scale: float | None) -> None:
        self.bits, self.input_scale = bits, input_scale
        self._scales: Tensor | None = None

    def __call__(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """weight (C, ...), bias (C,)"""
        if self.bits == FLOAT_BITS:
            return weight, bias
        scales = self._scales_of(weight)  # (C,)
        if bias is not None and self.input_scale is not None:
            scales = scales_for_bias(scales, bias, self.input_scale)
            # In float64: a bias may have more steps than float32 can count.
            exact = fake_quantize_weights(bias.double(), (scales * self.input_scale).double(), *INT32)
            bias = exact.to(bias.dtype)
        shape = (-1, *[1] * (weight.dim() - 1))
        return fake_quantize_weights(weight, scales.reshape(shape), *weight_limits(self.bits)), bias

    def _scales_of(self, weight: Tensor) -> Tensor:
        if not are_few(self.bits):
            return weight_scales(weight, self.bits)
        if self._scales is None:
            self._scales = weight_scales(weight, self.bits)
        return self._scales
