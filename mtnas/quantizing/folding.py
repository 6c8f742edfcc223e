"""Batch norm folded into the layer before it, as in an exported file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode

from mtnas.errors import QuantizationError
from mtnas.quantizing.wiring import Leaf, normalises_only
from mtnas.space.elastic import Sliced

Module = TypeVar("Module", bound=nn.Module)


def folded_weights(weight: Tensor, bias: Tensor | None, norm: nn.Module | None) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a layer followed by a batch norm with fixed statistics (arXiv 1712.05877, eq. 14).

    Operations follow one another as in torch's ONNX exporter, so that the same bits come out.

    Args:
        weight: (C, ...), output channels first.
        bias: (C,).
        norm: of C channels; None: nothing to fold.
    """
    if norm is None:
        return weight, bias
    assert isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None
    mean, inverse = norm.running_mean, torch.rsqrt(norm.running_var + norm.eps)
    gain = torch.ones_like(mean) if norm.weight is None else norm.weight
    offset = torch.zeros_like(mean) if norm.bias is None else norm.bias
    before = torch.zeros_like(mean) if bias is None else bias
    shape = (-1, *[1] * (weight.dim() - 1))
    return weight * (gain * inverse).reshape(shape), (before - mean) * inverse * gain + offset


@torch.no_grad()
def folded(module: Module, leaves: Iterable[Leaf]) -> Module:
    """A copy in evaluation mode without the batch norms that fold into the layer before them, nor parametrizations.

    torch's ONNX exporter folds those of convolutions by itself, but not those of linear layers. A layer or norm that is
    called more than once keeps its norm.

    Args:
        module: its batch-norm statistics are final.
        leaves: as `wire` found them in it.
    """
    if any(isinstance(part, Sliced) for part in module.modules()):
        raise QuantizationError(
            "a view of the supernetwork has no weights of its own to fold; take supernet.extract(architecture)"
        )
    copied = copy.deepcopy(module).eval()
    for part in [*copied.modules()]:
        if is_parametrized(part):
            _settle_parametrizations(part)
    for leaf in leaves:
        if leaf.norm is None or leaf.call.of > 1 or leaf.norm.of > 1:
            continue
        layer, norm = copied.get_submodule(leaf.call.module), copied.get_submodule(leaf.norm.module)
        assert isinstance(layer.weight, Tensor)
        weight, bias = folded_weights(layer.weight, _bias(layer), norm)
        assert bias is not None
        layer.weight = nn.Parameter(weight, layer.weight.requires_grad)
        layer.bias = nn.Parameter(bias, layer.weight.requires_grad)
        parent, _, name = leaf.norm.module.rpartition(".")
        if normalises_only(norm):
            setattr(copied.get_submodule(parent), name, nn.Identity())
        else:
            norm.__class__ = type(type(norm).__name__, (_Rest, type(norm)), {})
    return copied


def without_norm(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a batch norm with more in it makes of what is normalised already."""
    with _NoNorm():
        return forward(x)


class _NoNorm(TorchFunctionMode):
    """Batch norms hand on what they are given."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (F.batch_norm, torch.batch_norm):
            return args[0] if args else (kwargs or {})["input"]
        return func(*args, **(kwargs or {}))


class _Rest(nn.Module):
    """Mixed into the class of a batch norm with more in it: what is left of it once it is folded away."""

    def forward(self, x: Tensor) -> Tensor:
        return without_norm(super().forward, x)


def _settle_parametrizations(module: nn.Module) -> None:
    """Plain weights in place of those that are made of others, as by weight norm.

    torch's `remove_parametrizations` would change the class, which the module shares with what it is copied from.
    """
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    made = {name: getattr(module, name).detach().clone() for name in parametrizations}
    module.__class__ = type(module).__bases__[0]
    del module.parametrizations
    for name, value in made.items():
        module.register_parameter(name, nn.Parameter(value))


def _bias(layer: nn.Module) -> Tensor | None:
    bias = layer.bias
    assert bias is None or isinstance(bias, Tensor)
    return bias
