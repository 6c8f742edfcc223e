"""What every target must keep to; run it on your own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mtnas.architecture import FLOAT, QuantizationPolicy, notation
from mtnas.errors import TargetError
from mtnas.space.shapes import Input
from mtnas.space.threads import cpu_threads
from mtnas.targets.target import USUAL_BITS, Target

DESCRIBED = ("runtime", "version", "device", "threads", "batch")
"""What a description names at least."""

IN_FLOAT = QuantizationPolicy()


def check_target(
    target: Target, network: nn.Module, example: Input, policies: Sequence[QuantizationPolicy] = (IN_FLOAT,)
) -> None:
    """Check that a target keeps its promises.

    It describes itself, in JSON and always alike; it runs the network, to outputs that a second run repeats; it refuses
    bits that it cannot run.

    Args:
        target: what to check.
        network: to run on it.
        example: its inputs.
        policies: to run; by default the float network.

    Raises:
        TargetError: at the first promise that it breaks.
    """
    if not (isinstance(target.name, str) and target.name):
        raise TargetError(f"the name of a target must be text, but is {target.name!r}")
    before = _description(target)
    if not target.can_run(FLOAT):
        raise TargetError(f"target {target.name} must run float: can_run({FLOAT}) is False")
    with cpu_threads(torch.get_num_threads()):  # which a target may change
        for policy in policies:
            with closing(target.prepare(network, policy, example)) as runnable:
                first = _numbers(target, runnable())  # copies: a runnable may write into the same memory again
                _check_equal(target, first, _numbers(target, runnable()))
    _check_refusal(target, network, example)
    after = _description(target)
    if before != after:
        raise TargetError(f"target {target.name} must describe itself always alike, but said {before}, then {after}")


def _description(target: Target) -> str:
    """The description as JSON text."""
    about = target.describe()
    missing = [name for name in DESCRIBED if name not in about]
    if missing:
        raise TargetError(f"the description of target {target.name} must name {', '.join(missing)}, but is {about}")
    try:
        text = json.dumps(about, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TargetError(f"the description of target {target.name} must be JSON, but is {about}: {error}") from error
    if json.loads(text) != about:
        raise TargetError(f"the description of target {target.name} must be the same read back, but is {about}")
    return text


def _check_refusal(target: Target, network: nn.Module, example: Input) -> None:
    """Check that bits that it cannot run are refused by a message that says which they are, and what it runs."""
    for bits in (bits for bits in USUAL_BITS if not target.can_run(bits)):
        try:
            target.prepare(network, QuantizationPolicy.of({(0, 0): bits}), example).close()
        except TargetError as error:
            unsaid = [text for text in (notation(bits), "float") if text not in str(error)]
            if unsaid:
                raise TargetError(
                    f"target {target.name} must name {' and '.join(unsaid)} where it refuses {notation(bits)}, but"
                    f" says: {error}"
                ) from error
        else:
            raise TargetError(
                f"target {target.name} must refuse {notation(bits)} with a TargetError, as its can_run says, but"
                " prepared it"
            )


def _numbers(target: Target, outputs: object) -> list[NDArray[Any]]:
    """Copies of all arrays in the outputs, in one order."""
    found: list[NDArray[Any]] = []

    def collect(value: object) -> None:
        if isinstance(value, Mapping):
            for name in sorted(value):
                collect(value[name])
        elif isinstance(value, (list, tuple)):
            for one in value:
                collect(one)
        elif isinstance(value, torch.Tensor):
            found.append(value.detach().cpu().to(torch.float64, copy=True).numpy())
        elif isinstance(value, (np.ndarray, np.generic, float, int)):
            found.append(np.array(value))
        else:
            raise TargetError(
                f"target {target.name} must return tensors or arrays, but returns a {type(value).__name__}"
            )

    collect(outputs)
    if not any(array.size for array in found):
        raise TargetError(f"target {target.name} must return the network's outputs, but returns none")
    return found


def _check_equal(target: Target, first: list[NDArray[Any]], second: list[NDArray[Any]]) -> None:
    """Check that two runs agree, but for the rounding of sums in another order."""
    same = len(first) == len(second) and all(
        one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
        for one, other in zip(first, second, strict=True)
    )
    if not same:
        raise TargetError(f"target {target.name} must return equal outputs for equal inputs, but two runs differ")
