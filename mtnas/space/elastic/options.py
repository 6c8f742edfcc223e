"""Options of a block that are settings of one elastic operator."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from mtnas.errors import SpaceError
from mtnas.space.elastic.slicing import Slicing, leading
from mtnas.space.shapes import InputShape


class Family:
    """What settings of one elastic operator have in common; compared by identity."""

    def __init__(self, operator: Callable[..., Callable[[Any], nn.Module]], slicing: Slicing) -> None:
        self.operator = operator
        self.slicing = slicing


@dataclass(frozen=True)
class Setting:
    """One option of a block: an operator of certain sizes that shares its family's weights.

    Args:
        family: the elastic operator.
        values: arguments of the operator.
    """

    family: Family
    values: tuple[tuple[str, Any], ...]

    def __call__(self, shape: InputShape) -> nn.Module:
        return self.family.operator(**dict(self.values))(shape)


def elastic(
    operator: Callable[..., Callable[[Any], nn.Module]], *, slicing: Slicing = leading, prefix: str = "", **sizes: Any
) -> Mapping[str, Setting]:
    """Options for a `Block` that share the weights of the largest by slicing: one for every combination of sizes.

    ``elastic(conv, channels=(8, 16), kernel=(3, 5))`` gives ``channels8_kernel3``, ``channels8_kernel5``, ... Any
    operator can be elastic, also your own: all it takes is that every parameter of a smaller one is in the largest
    under the same name and no smaller there; `check_elastic` tests that. Depth is elastic if the smaller operator
    leaves later layers out.

    Args:
        operator: called with one value for each size, gives the operator: ``shape -> nn.Module``.
        slicing: which part of a parameter the smaller operators use.
        prefix: of the options' names. Two operators with sizes of the same names need one each to stand in one block:
            ``{**elastic(conv, prefix="conv_", channels=(8, 16)), **elastic(separable_conv, channels=(8, 16))}``;
            without it the second's options would replace the first's.
        sizes: lists and tuples are what to choose from; other values are the same for all.
    """
    choices = {name: list(value) for name, value in sizes.items() if isinstance(value, (list, tuple, range))}
    fixed = {name: value for name, value in sizes.items() if name not in choices}
    if not choices:
        raise SpaceError(
            "an elastic operator needs at least one size to choose from, e.g. elastic(conv, channels=16, kernel=(3, 5))"
        )
    for name, values in choices.items():
        if any(value in values[:place] for place, value in enumerate(values)) or not values:
            raise SpaceError(
                f"the sizes of '{name}' must be different and at least one, but are {values}; a size that is a list or"
                f" tuple itself is given in a list, as {name}=[{sizes[name]}]"
            )
    family = Family(operator, slicing)
    return {
        prefix + _name(choices, combination): Setting(family, (*fixed.items(), *zip(choices, combination, strict=True)))
        for combination in itertools.product(*choices.values())
    }


def _name(choices: Mapping[str, Sequence[Any]], combination: Sequence[Any]) -> str:
    """Text of the sizes that there are several of."""
    texts = {name: f"{name}{_text(name, value)}" for name, value in zip(choices, combination, strict=True)}
    return "_".join([texts[name] for name, values in choices.items() if len(values) > 1] or texts.values())


def _text(size: str, value: Any) -> str:
    """Text of a value: the name of a function or class, which is the same in every process, unlike its address."""
    text = str(getattr(value, "__name__", value))
    if text == "<lambda>" or re.search(r"\bat 0x[0-9a-fA-F]+", text):
        raise SpaceError(
            f"the size '{size}' has a value without a name, {value!r}, so its option cannot be told from others; give a"
            " number, a text, a class, or a function made with def"
        )
    return text
