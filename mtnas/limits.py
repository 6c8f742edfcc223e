"""Checks of settings, all with one wording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from mtnas.errors import MtnasError, brief


def is_number(value: object) -> bool:
    """Whether a value is a finite number that fits a double; whole numbers may be too large for one."""
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:
        return False


def as_limits(error: type[MtnasError], what: str, given: Mapping[str, Any]) -> dict[str, float]:
    """Numbers by name, those of numpy, as frames have them, as Python's; raise ``error`` unless all are above 0.

    Args:
        what: they are, one of them: a word.
    """
    if not isinstance(given, Mapping):
        raise error(f"{what}s must be numbers by name, such as {{'params': 20000}}, but are {brief(repr(given))}")
    found = {name: plain(value) for name, value in given.items()}
    for name, value in found.items():
        check_number(error, f"the {what} of {name}", value, above=0)
    return found


def plain(value: Any) -> Any:
    """A number as one of Python's, which JSON takes; anything else as it is."""
    if isinstance(value, (int, float)) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def check_number(
    error: type[MtnasError],
    name: str,
    value: float,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    whole: bool = False,
) -> None:
    """Raise ``error`` with a sentence unless ``value`` is a finite number within the limits.

    Args:
        whole: whether it must be an integer.
    """
    if at_least is not None and at_most is not None:
        limit = f"lie between {at_least:g} and {at_most:g}"
    elif above is not None:
        limit = f"be above {above:g}"
    else:
        limit = f"be at least {at_least:g}"
    fits = (
        is_number(value)
        and (at_least is None or value >= at_least)
        and (above is None or value > above)
        and (at_most is None or value <= at_most)
    )
    if not fits:
        kind = "" if isinstance(value, (int, float)) else f" ({type(value).__name__})"
        raise error(f"{name} must {limit}, but is {brief(value)}{kind}")
    if whole and not isinstance(value, int):
        raise error(f"{name} must be a whole number, but is {brief(value)}")
