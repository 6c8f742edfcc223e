"""What an elastic operator must keep to, as a check that users can run on their own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtnas.errors import SpaceError
from mtnas.space.chance import fixed_chance
from mtnas.space.counting import count_params
from mtnas.space.elastic.options import Setting
from mtnas.space.elastic.sliced import Sliced
from mtnas.space.elastic.slicing import Slicing, check_slices, leading, parameters_by_owner
from mtnas.space.shapes import Input, InputShape, batch_of, tensors_of


def check_elastic(
    options: Mapping[str, Callable[[Any], nn.Module]],
    shapes: Sequence[InputShape],
    *,
    samples: int = 4,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Raise SpaceError unless options can share weights by slicing, each made for every entering shape.

    For every option and shape: its parameters are parts of those of the largest; computing with the slices gives the
    same output, in training and in evaluation mode, as an ordinary module that holds a copy of them; and the gradients
    that arrive in the largest operator's weights are those of the copy, zero elsewhere.

    Args:
        options: those of a block. Settings of one operator, as `elastic` gives them, are checked together; others
            alone, for whether they may follow a block whose width is searched.
        shapes: of what may enter, without the batch dimension; dicts of shapes where dicts of tensors do.
        samples: batch size of the random input.
        tolerance: largest difference that counts as equal, relative to the largest value.
        seed: of weights and input.
    """
    with fixed_chance(seed):
        groups: dict[object, list[str]] = {}
        for name, make in options.items():
            groups.setdefault(make.family if isinstance(make, Setting) else name, []).append(name)
        for names in groups.values():
            made = [(name, shape, options[name](shape)) for name in names for shape in shapes]
            largest = max((module for _, _, module in made), key=count_params)
            for name, shape, small in made:
                make = options[name]
                slicing = make.family.slicing if isinstance(make, Setting) else leading
                where = f"option '{name}' for an input of shape {shape}"
                check_pair(where, largest, small, slicing, batch_of(torch.randn, shape, samples), tolerance, seed)


def check_pair(
    where: str, full: nn.Module, small: nn.Module, slicing: Slicing, x: Input, tolerance: float = 1e-5, seed: int = 0
) -> None:
    """The same for one smaller operator beside the largest, on a batch ``x`` of at least two samples.

    Args:
        where: begins the message of a SpaceError.
        full: the largest; like ``small``, left as it is.
    """
    check_slices(where, full, small)
    for training in (True, False):
        one, other = copy.deepcopy(full).train(training), copy.deepcopy(small).train(training)
        _check_equal(where, one, other, slicing, x, tolerance, seed)


def _check_equal(
    where: str, full: nn.Module, small: nn.Module, slicing: Slicing, x: Input, tolerance: float, seed: int
) -> None:
    reference = copy.deepcopy(small)  # with a copy of the slices in parameters of its own
    want = parameters_by_owner(reference)
    with torch.no_grad():
        for (path, name), parameter in want.items():
            owner = full.get_submodule(path)
            parameter.copy_(slicing(owner, name, getattr(owner, name), tuple(parameter.shape)))
    sliced = Sliced(full, small, slicing).train(small.training)
    # All draw the same random numbers, for dropout.
    ordinary, theirs, ours = (_output(where, module, x, seed) for module in (sliced.ordinary(), reference, sliced))
    if not (_close(ours, theirs, tolerance) and _close(ordinary, theirs, tolerance)):
        raise SpaceError(
            f"{where} computes something else with slices than with weights of its own; its modules must read their"
            " parameters as attributes (self.weight) in each forward pass"
        )
    if not want or not theirs.requires_grad:
        return
    _backward(where, theirs)
    if ours.requires_grad:
        _backward(where, ours)
    have = parameters_by_owner(full)
    for key in have:
        given = have[key].grad
        gradient = torch.zeros_like(have[key]) if given is None else given
        expected = torch.zeros_like(gradient)
        own = want[key].grad if key in want else None
        if own is not None:
            slicing(full.get_submodule(key[0]), key[1], expected, tuple(own.shape)).copy_(own)
        if not _close(gradient, expected, tolerance):
            raise SpaceError(
                f"{where}: the gradient of parameter '{'.'.join(key).strip('.')}' is not that of the slice; the slicing"
                " must be a plain part of the tensor, and the module must read it as an attribute"
            )


def _backward(where: str, output: Tensor) -> None:
    try:
        (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise SpaceError(
            f"{where} fails in the backward pass with slices of the largest's weights: {error}; its modules must read"
            " their parameters in the forward pass only, without torch.utils.checkpoint"
        ) from error


def _output(where: str, module: nn.Module, x: Input, seed: int) -> Tensor:
    """What a module returns; the numbers of all tensors of a dict, one after the other."""
    torch.manual_seed(seed)
    try:
        output = module(x)
    except Exception as error:
        raise SpaceError(f"{where} fails with slices of the largest's weights: {error}") from error
    if isinstance(output, Mapping):
        return torch.cat([tensor.flatten() for tensor in tensors_of(output)])
    if not isinstance(output, Tensor):
        raise SpaceError(f"{where} must return a tensor or a dict of tensors, but returned a {type(output).__name__}")
    return output


def _close(one: Tensor, other: Tensor, tolerance: float) -> bool:
    if one.shape != other.shape:
        return False
    scale = max(1.0, float(other.detach().abs().max()) if other.numel() else 0.0)
    return bool((one - other).detach().abs().max() <= tolerance * scale) if one.numel() else True
