"""Checks of settings, all with one wording."""

from __future__ import annotations

import math

from mtnas.errors import MtnasError, brief


def is_number(value: object) -> bool:
    """Whether a value is a finite number that fits a double; whole numbers may be too large for one."""
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:
        return False


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
        raise error(f"{name} must {limit}, but is {brief(value)}")
    if whole and not isinstance(value, int):
        raise error(f"{name} must be a whole number, but is {brief(value)}")
