"""One HTML file that holds everything it shows: it opens without a network."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from mtnas.atomic import write_text
from mtnas.json_values import null_unless_finite
from mtnas.reporting.contents import contents
from mtnas.runs import Run


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write what a run has come to as a page with figures to work with. Runs no code of the space.

    Args:
        run: with results.
        path: of the page; None: ``report.html`` in the run.

    Returns:
        Where it was written.

    Raises:
        RunError: if the run has no results yet, or is damaged.
    """
    page = page_of(contents(run))
    target = run.path / "report.html" if path is None else path
    write_text(target, page)
    return target


def page_of(values: dict[str, Any]) -> str:
    """The page of what `contents` gives."""
    assets = files("mtnas.reporting") / "assets"
    parts = {
        "title": _escaped(str(values["about"]["name"])),
        "style": (assets / "report.css").read_text(encoding="utf-8"),
        "plotly": _plotly(),
        "script": (assets / "report.js").read_text(encoding="utf-8"),
        "values": _as_json(values),
    }
    before, *rest = (assets / "report.html").read_text(encoding="utf-8").split("{{")
    page = [before]
    for piece in rest:
        name, _, after = piece.partition("}}")
        page += [parts[name], after]
    return "".join(page)


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # slow to import, and only needed here

    script: str = get_plotlyjs()
    return script


def _as_json(values: dict[str, Any]) -> str:
    """For a script element: nothing in it can end the element; what is not finite is null."""
    text = json.dumps(null_unless_finite(values), allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
