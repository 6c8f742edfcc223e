"""Which part of the largest operator's weights a smaller one uses."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from mtnas.errors import SpaceError

Slicing = Callable[[nn.Module, str, Tensor, tuple[int, ...]], Tensor]
"""``slicing(owner, name, tensor, shape)``: the part of ``tensor`` that has ``shape``.

``owner`` is the module whose parameter ``name`` the tensor is, in the largest operator. The result must be a
view of the tensor.
"""


def leading(owner: nn.Module, name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """First channels (slimmable networks, arXiv 1812.08928); of convolutions' kernels the centre (arXiv 1908.09791)."""
    first_kernel = 2 if isinstance(owner, _ConvNd) and name == "weight" else len(shape)
    for axis, (have, want) in enumerate(zip(tensor.shape, shape, strict=True)):
        if have != want:
            start = (have - want) // 2 if axis >= first_kernel else 0
            tensor = tensor.narrow(axis, start, want)
    return tensor


def parameters_by_owner(module: nn.Module) -> dict[tuple[str, str], nn.Parameter]:
    """All parameters by (path of the module that has it, its name there)."""
    found = {}
    for path, owner in module.named_modules():
        for name, parameter in owner._parameters.items():
            if parameter is not None:
                found[path, name] = parameter
    return found


def why_no_slice(full: nn.Module, small: nn.Module) -> str | None:
    """Why the parameters of ``small`` are not slices of those of ``full``, or None if they can be."""
    have = parameters_by_owner(full)
    for (path, name), parameter in parameters_by_owner(small).items():
        text = f"parameter '{path + '.' if path else ''}{name}' of shape {tuple(parameter.shape)}"
        if (path, name) not in have:
            return f"{text} is not in the largest, which has {sorted({'.'.join(key).strip('.') for key in have})}"
        shape = tuple(have[path, name].shape)
        if len(shape) != parameter.dim() or any(n > limit for n, limit in zip(parameter.shape, shape, strict=True)):
            return f"{text} is not a part of the largest's, of shape {shape}"
    return None


def check_slices(where: str, full: nn.Module, small: nn.Module) -> None:
    """Raise SpaceError unless the parameters of ``small`` are slices of those of ``full``."""
    reason = why_no_slice(full, small)
    if reason is not None:
        raise SpaceError(
            f"{where} cannot share the weights of the largest: {reason}; give the smaller operator no parameter that"
            " the largest lacks, and no larger one (mtnas's residual operators and skips: project=True)"
        )
