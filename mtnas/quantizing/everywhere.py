"""A network with all that can be in integers in integers."""

from __future__ import annotations

from mtnas.architecture import Bits, Candidate, QuantizationPolicy
from mtnas.quantizing.wiring import wire
from mtnas.space.shapes import Input
from mtnas.supernet import BranchedNetwork


def everywhere(network: BranchedNetwork, x: Input, bits: Bits) -> Candidate:
    """The network's architecture with the same bits for all nodes that have layers which bits could be of.

    The others, such as skips, stay in float, as they do in a search: no node is called what it is not.

    Args:
        x: a batch of inputs.
        bits: (weight bits, activation bits), such as `INT8`.
    """
    nodes = sorted({leaf.node for leaf in wire(network, x) if leaf.node is not None})
    return Candidate(network.architecture, QuantizationPolicy.uniform(nodes, *bits))
