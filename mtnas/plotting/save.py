"""Figures to files."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from mtnas.atomic import write_atomic
from mtnas.errors import MtnasError

FORMATS = {".png": "Software", ".svg": "Date", ".pdf": "CreationDate"}
"""File formats by suffix, with the entry that would make two files of one figure differ."""


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 150) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of the path.

    The file appears whole or not at all: a picture that cannot be drawn leaves the old file as it was. Equal figures
    give equal files.

    Raises:
        MtnasError: if the suffix is of another format.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        raise MtnasError(f"a figure cannot be written as '{target.name}'; end the name with {', '.join(FORMATS)}")

    def write(temporary: Path) -> None:
        # Fonts as TrueType, since many publishers turn down the Type 3 fonts that matplotlib embeds by default.
        with matplotlib.rc_context({"svg.hashsalt": "mtnas", "pdf.fonttype": 42}):
            figure.savefig(temporary, format=suffix[1:], dpi=dpi, facecolor="white", metadata={FORMATS[suffix]: None})

    write_atomic(target, write)
