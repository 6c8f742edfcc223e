"""A network that for a while computes with other weights, and passes tensors through functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mtnas.errors import QuantizationError
from mtnas.quantizing.folding import folded_weights, without_norm
from mtnas.quantizing.wiring import Call, Leaf, Place, normalises_only

Weights = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
"""Other weights for a layer: (weight, bias) -> (weight, bias), batch norm folded in before."""

Change = Callable[[Tensor], Tensor]
"""Another tensor in place of one."""


@contextmanager
def rewired(network: nn.Module, weights: Mapping[Leaf, Weights], changes: Mapping[Place, Change]) -> Iterator[None]:
    """Within, layers compute with folded and changed weights, and tensors pass through their changes.

    Weights are worked out anew in every pass, so that they may be trained meanwhile. Nothing is left behind.

    Args:
        network: that the leaves were found in.
        weights: by leaf; leaves that are not named compute as ever, their batch norm apart.
        changes: by place. One between a layer's product and its bias needs the layer among ``weights``.
    """
    modules = dict(network.named_modules())
    check_fit(modules, weights)
    turns: list[_Turn] = []
    with ExitStack() as undo:
        undo.callback(network.register_forward_pre_hook(_first_turns(turns)).remove)
        for name, leaves in _by_module({leaf.call: leaf for leaf in weights}).items():
            turn = _Turn(leaves, turns)
            layer = _layer(modules[name], modules, weights, changes, turn)
            undo.enter_context(_forward(modules[name], layer))
        for name, norms in _by_module({leaf.norm: leaf.norm for leaf in weights if leaf.norm is not None}).items():
            undo.enter_context(_forward(modules[name], _folded_away(modules[name], _Turn(norms, turns))))
        outputs = {place.call: change for place, change in changes.items() if place.side == "output"}
        for name, found in _by_module(outputs).items():
            undo.callback(modules[name].register_forward_hook(_on_output(_Turn(found, turns))).remove)
        inputs = {place.call: change for place, change in changes.items() if place.side == "input"}
        for name, found in _by_module(inputs).items():
            hook = _on_input(_Turn(found, turns))
            undo.callback(modules[name].register_forward_pre_hook(hook, with_kwargs=True).remove)
        yield


def check_fit(modules: Mapping[str, nn.Module], leaves: Mapping[Leaf, Any]) -> None:
    """Raise QuantizationError unless the modules have all leaves."""
    for leaf in leaves:
        weight = getattr(modules.get(leaf.call.module), "weight", None)
        found = None if weight is None else tuple(weight.shape)
        if found != leaf.shape:
            has = "has no such layer" if found is None else f"has one of shape {found}"
            raise QuantizationError(
                f"the ranges are of a network with a layer {leaf.call.module} of shape {leaf.shape}, but this one"
                f" {has}; gather the ranges of this network"
            )
        for call in (leaf.norm or leaf.call, leaf.writes.call, *(place.call for place in leaf.reads)):
            if call.module not in modules:
                raise QuantizationError(
                    f"the ranges are of a network with a module {call.module}, which this one does not have; gather the"
                    " ranges of this network"
                )


class _Turn:
    """What is meant for each call of a module: after the last call of a pass comes the first of the next."""

    def __init__(self, by_call: Mapping[Call, Any], turns: list[_Turn]) -> None:
        self.meant = {call.number: value for call, value in by_call.items()}
        self.of = next(iter(by_call)).of
        self.count = 0
        turns.append(self)

    def next(self) -> Any:
        found = self.meant.get(self.count % self.of)
        self.count += 1
        return found


def _first_turns(turns: list[_Turn]) -> Callable[[nn.Module, Any], None]:
    """A pass begins: an exception may have ended the one before in the middle of somebody's turns."""

    def reset(module: nn.Module, args: Any) -> None:
        for turn in turns:
            turn.count = 0

    return reset


def _by_module(values: Mapping[Call, Any]) -> dict[str, dict[Call, Any]]:
    found: dict[str, dict[Call, Any]] = {}
    for call, value in values.items():
        found.setdefault(call.module, {})[call] = value
    return found


def _layer(
    module: nn.Module,
    modules: Mapping[str, nn.Module],
    weights: Mapping[Leaf, Weights],
    changes: Mapping[Place, Change],
    turn: _Turn,
) -> Change:
    """``forward`` of a layer with other weights."""
    assert isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
    usual = module.forward

    def forward(input: Tensor) -> Tensor:  # noqa: A002 - as torch names it: it may be given by name
        leaf: Leaf | None = turn.next()
        if leaf is None:
            return usual(input)
        norm = None if leaf.norm is None else modules[leaf.norm.module]
        weight, bias = weights[leaf](*folded_weights(module.weight, module.bias, norm))
        inner = None if leaf.bias_apart else bias
        if isinstance(module, nn.Linear):
            y = F.linear(input, weight, inner)
        else:
            y = module._conv_forward(input, weight, inner)
        if not leaf.bias_apart:
            return y
        assert bias is not None
        return changes.get(Place(leaf.call, "product"), _unchanged)(y) + bias

    return forward


def _unchanged(x: Tensor) -> Tensor:
    return x


def _folded_away(norm: nn.Module, turn: _Turn) -> Change:
    """``forward`` of a batch norm that is part of the layer before it in the calls meant."""
    usual, plain = norm.forward, normalises_only(norm)

    def forward(input: Tensor) -> Tensor:  # noqa: A002
        if turn.next() is not None:
            return input if plain else without_norm(usual, input)
        found: Tensor = usual(input)
        return found

    return forward


def _on_input(turn: _Turn) -> Callable[..., tuple[Any, Any] | None]:
    def change(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        found: Change | None = turn.next()
        if found is None:
            return None
        return (tuple(map(found, args)), {name: found(value) for name, value in kwargs.items()})  # a layer takes one

    return change


def _on_output(turn: _Turn) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
    def change(module: nn.Module, args: Any, output: Tensor) -> Tensor | None:
        found: Change | None = turn.next()
        return None if found is None else found(output)

    return change


@contextmanager
def _forward(module: nn.Module, forward: Change) -> Iterator[None]:
    """An attribute of the instance hides the method of the class."""
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if before is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = before
