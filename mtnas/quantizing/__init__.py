"""Quantization policies on a torch network: what its quantized file would compute, and how large it would be."""

from mtnas.quantizing.bytes import network_bytes, operator_bytes
from mtnas.quantizing.ends import Ends
from mtnas.quantizing.everywhere import everywhere
from mtnas.quantizing.fake import fake_quantized
from mtnas.quantizing.folding import folded
from mtnas.quantizing.ranges import Ranges, gather_ranges
from mtnas.quantizing.scheme import Affine, activation_affine, check_bits, weight_limits, weight_scales
from mtnas.quantizing.settling import settle_weights, snap_weights
from mtnas.quantizing.sizes import JointCosts, joint_costs
from mtnas.quantizing.structure import UNKNOWN, Layers, Structure
from mtnas.quantizing.wiring import Call, Leaf, Place, wire

__all__ = [
    "UNKNOWN",
    "Affine",
    "Call",
    "Ends",
    "JointCosts",
    "Layers",
    "Leaf",
    "Place",
    "Ranges",
    "Structure",
    "activation_affine",
    "check_bits",
    "everywhere",
    "fake_quantized",
    "folded",
    "gather_ranges",
    "joint_costs",
    "network_bytes",
    "operator_bytes",
    "settle_weights",
    "snap_weights",
    "weight_limits",
    "weight_scales",
    "wire",
]
