"""Colours, labels and numbers of every figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from matplotlib.colors import to_hex, to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, BLACK = "#56B4E9", "#D55E00", "#F0E442", "#000000"

PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, BLACK)
"""Eight colours that colour-blind readers can tell apart (Okabe and Ito, 2008)."""

INK, MUTED, GREY, FAINT, BAND = "#222222", "#6B6B6B", "#A9A9A9", "#C4C4C4", "#F4F5F7"
"""Text, secondary text, points that matter less and least, and backgrounds."""

TITLE_POINTS, TEXT_POINTS, SMALL_POINTS = 11.0, 9.5, 8.5
"""Font sizes."""

HINTED = 1.08
"""Text in pixels may be that much wider than its outlines, as letters begin at whole pixels."""

UNITS = {"ms": "ms", "us": "µs", "s": "s", "kib": "KiB", "mib": "MiB", "mj": "mJ"}
"""Units that the end of a cost's name may tell, e.g. ``latency_ms``."""

NAMES = {"params": "parameters", "macs": "multiply-accumulates", "error/mean": "mean error"}


def label(cost: str) -> str:
    """Axis label of a cost, with its unit.

    >>> label("error/left_digit"), label("latency_ms")
    ('error, left_digit', 'latency (ms)')
    """
    if cost in NAMES:
        return NAMES[cost]
    kind, slash, task = cost.partition("/")
    if slash:
        return plain(f"{label(kind)}, {task}")
    name, _, unit = cost.rpartition("_")
    if name and unit in UNITS:
        return plain(f"{name.replace('_', ' ')} ({UNITS[unit]})")
    return plain(cost)


def human(value: float) -> str:
    """A number in three digits.

    >>> human(12_345), human(999_999), human(0.03125)
    ('12.3k', '1M', '0.0312')
    """
    rounded = float(f"{value:.3g}")
    for scale, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(rounded) >= scale:
            return f"{rounded / scale:.3g}{letter}"
    return f"{rounded:.3g}"


def amount(cost: str, value: float) -> str:
    """A value of a cost in three digits, with its unit if it has one.

    >>> amount("latency_ms", 1.25), amount("params", 1e5)
    ('1.25 ms', '100k')
    """
    name, _, unit = cost.rpartition("_")
    return f"{human(value)} {UNITS[unit]}" if name and unit in UNITS else human(value)


def plain(text: str) -> str:
    """Text in which dollar signs stay dollar signs instead of starting a formula."""
    return text.replace("$", r"\$")


def task_colours(tasks: Sequence[str]) -> dict[str, str]:
    """A colour per task, by its place: the palette, then darker and lighter shades of it, 22 in all."""
    chromatic = PALETTE[:-1]  # black has no other shade
    darker = [_mix(colour, "black", 0.5) for colour in chromatic]
    lighter = [_mix(colour, "white", 0.55) for colour in chromatic]
    colours = (*PALETTE, *darker, *lighter)
    return {task: colours[place % len(colours)] for place, task in enumerate(tasks)}


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on a colour (relative luminance of WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if luminance < 0.25 else "black"


@lru_cache(maxsize=4096)
def text_inches(text: str, points: float, *, bold: bool = False) -> float:
    """Width of text in inches, the widest line of several, known before anything is drawn."""
    font = FontProperties(size=points, weight="bold" if bold else "normal")
    lines = [TextPath((0, 0), plain(line), prop=font) for line in text.split("\n") if line.strip()]
    return HINTED * max((float(line.get_extents().width) for line in lines), default=0.0) / 72


def two_lines(text: str, points: float, width: float) -> str:
    """Text as it is if it fits a width in inches, else broken after a space or sign into two lines as equal as can be.

    >>> two_lines("inverted_residual_expansion6", TEXT_POINTS, 1.2)
    'inverted_residual_\\nexpansion6'
    """
    if text_inches(text, points) <= width:
        return text
    broken = [f"{text[: at.end()].rstrip()}\n{text[at.end() :]}" for at in re.finditer(r"([ _\-+/.:]|, ?)(?=.)", text)]
    return min(broken, key=lambda lines: text_inches(lines, points), default=text)


def _mix(colour: str, other: str, share: float) -> str:
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(to_rgb(colour), to_rgb(other), strict=True))
    return to_hex((red, green, blue))
