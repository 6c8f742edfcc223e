"""How tables print errors."""

from __future__ import annotations

_LONG = 10.0
"""From here on four decimals are more than anyone reads."""


def error_text(error: float, *, sign: str = "") -> str:
    """Text of an error, or of a difference of two: most are shares, but some are in a unit of their own.

    Args:
        error: in its unit; NaN if there is none.
        sign: ``+`` to show that of positive numbers, too.
    """
    return f"{error:{sign},.2f}" if abs(error) >= _LONG else f"{error:{sign}.4f}"
