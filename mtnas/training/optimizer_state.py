"""The state of an optimizer as named tensors, for checkpoints without pickle."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of every parameter under ``<prefix>.<number of the parameter>.<name>``."""
    states = optimizer.state_dict()["state"]
    return {f"{prefix}.{index}.{name}": value for index, state in states.items() for name, value in state.items()}


def load_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take up what `optimizer_tensors` gave. Learning rates and the like stay as the optimizer has them.

    Raises:
        ValueError: for the state of parameters that the optimizer does not have, or of another shape.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{prefix}."):
            index, name = key.removeprefix(f"{prefix}.").split(".", 1)
            if int(index) >= len(parameters) or (value.dim() and value.shape != parameters[int(index)].shape):
                raise ValueError(f"{key} is of no parameter of {prefix}")
            states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
