"""How several runs or methods are told apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mtnas.plotting.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, BLACK, SKY)
"""Those of the palette that are seen as thin lines, without that of the budgets."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


@dataclass(frozen=True)
class Series:
    """Colour, marker and dashes of one of them. Each alone tells the first few apart, so that grey prints do, too."""

    colour: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]


def series_styles(names: Iterable[str]) -> dict[str, Series]:
    """A style per name, by its place; no two of the first 42 have both colour and marker in common."""
    return {
        name: Series(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
        for place, name in enumerate(names)
    }
