"""How tables print errors."""

from __future__ import annotations

_LONG, _SHORT = 10.0, 1e-3
"""From here on four decimals are more than anyone reads, and below this they tell nothing."""


def error_text(error: float, *, sign: str = "") -> str:
    """Text of an error, or of a difference of two: most are shares, but some are in a unit of their own.

    Args:
        error: in its unit; NaN if there is none.
        sign: ``+`` to show that of positive numbers, too.

    >>> error_text(0.07346), error_text(0.00002345), error_text(1234.5)
    ('0.0735', '2.35e-05', '1,234.50')
    """
    if 0 < abs(error) < _SHORT:
        return f"{error:{sign}.3g}"
    return f"{error:{sign},.2f}" if abs(error) >= _LONG else f"{error:{sign}.4f}"
