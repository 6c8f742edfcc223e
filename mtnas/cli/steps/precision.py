"""Which integers the command line asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtnas.cli.output import remark
from mtnas.errors import RunError

if TYPE_CHECKING:
    from mtnas.architecture import Bits
    from mtnas.targets import Target


def integers(target: Target | None, weight_bits: int | None) -> Bits:
    """Bits of 8-bit integers on a target, or on onnxruntime where none is named.

    Args:
        weight_bits: of weights; None: what the target runs fastest.
    """
    from mtnas.architecture import INT8, W7A8
    from mtnas.errors import ExportError
    from mtnas.targets import OnnxRuntime

    if weight_bits is not None:
        return W7A8 if weight_bits == W7A8[0] else INT8
    try:
        found = (target or OnnxRuntime()).integers
    except ExportError:  # onnxruntime is not installed, so that nothing here runs integers
        return INT8
    if found == W7A8:
        remark(
            "integers: weights of 7 bits, which this CPU (without VNNI) runs faster than 8; --weight-bits 8 for those",
            as_json=True,
        )
    return found


def bits_of_all(int8: bool, weight_bits: int | None, target: Target) -> Bits | None:
    """Bits of all nodes; None: those of the candidate."""
    check_weight_bits(int8, weight_bits)
    return integers(target, weight_bits) if int8 else None


def check_weight_bits(int8: bool | None, weight_bits: int | None) -> None:
    if weight_bits is not None and not int8:
        raise RunError(f"--weight-bits {weight_bits} is of integers; give --int8 with it, or leave it out")
