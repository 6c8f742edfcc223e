"""Which integers the command line asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtnas.cli.output import remark
from mtnas.errors import RunError

if TYPE_CHECKING:
    from mtnas.architecture import Bits
    from mtnas.targets import Target


def integers(target: Target | None, weight_bits: int | None) -> Bits:
    """Bits of integers on a target, or on onnxruntime where none is named.

    Args:
        weight_bits: of weights, see `check_weight_bits`; None: what the target runs fastest.
    """
    from mtnas.architecture import INT8, W7A8
    from mtnas.errors import ExportError
    from mtnas.targets import OnnxRuntime

    if weight_bits is not None:
        return weight_bits, INT8[1]
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


def precisions(target: Target | None, weight_bits: Sequence[int]) -> tuple[Bits, ...]:
    """Float, and integers of these bits of weights; without any, what the target runs fastest."""
    from mtnas.architecture import FLOAT

    asked = list(dict.fromkeys(weight_bits))
    return FLOAT, *([integers(target, bits) for bits in asked] or [integers(target, None)])


def bits_of_all(int8: bool, weight_bits: int | None, target: Target) -> Bits | None:
    """Bits of all nodes; None: those of the candidate."""
    check_weight_bits(int8, [] if weight_bits is None else [weight_bits])
    return integers(target, weight_bits) if int8 else None


def check_weight_bits(int8: bool | None, weight_bits: Sequence[int]) -> None:
    """Raise RunError for bits of weights that files do not have, or that are of no integers."""
    from mtnas.architecture import INT8, W4A8, W7A8

    known = [bits for bits, _ in (INT8, W7A8, W4A8)]
    for bits in weight_bits:
        if not int8:
            raise RunError(f"--weight-bits {bits} is of integers; give --int8 with it, or leave it out")
        if bits not in known:
            raise RunError(f"--weight-bits {bits}: weights in integers have {', '.join(map(str, known))} bits")
