"""The manifest: what a run directory belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtnas.atomic import write_text
from mtnas.errors import RunError, brief
from mtnas.json_values import read_json

FORMAT = 1
"""Version of the directory's layout; another one is refused."""


class Manifest:
    """A JSON file of named sections, each written once and compared ever after.

    Args:
        path: of the file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return self.path.exists()

    def read(self) -> dict[str, Any]:
        """All sections.

        Raises:
            RunError: if the file is damaged or of another format.
        """
        if not self.exists():
            return {}
        try:
            value = read_json(self.path)
        except (ValueError, OSError) as error:
            raise self.damaged(str(error)) from error
        if not isinstance(value, dict):
            raise self.damaged("no JSON object")
        if value.get("format") != FORMAT or isinstance(value["format"], bool):
            raise RunError(
                f"the manifest {self.path} has format {brief(repr(value.get('format')))}, but this version of mtnas"
                f" reads {FORMAT}; use another run directory"
            )
        return value

    def damaged(self, reason: str) -> RunError:
        """The error of a manifest that cannot be what was written."""
        return RunError(
            f"the manifest {self.path} is damaged ({brief(reason)}); restore it, or use another run directory"
        )

    def section(self, name: str) -> dict[str, Any]:
        """One section; RunError if it is not there."""
        value = self.read().get(name)
        if not isinstance(value, dict):
            raise RunError(f"the run {self.path.parent} has no {name} yet")
        return value

    def write(self, name: str, section: Mapping[str, Any]) -> None:
        """Set a section, whatever it was."""
        value = self.read() or {"format": FORMAT}
        value[name] = section
        write_text(self.path, json.dumps(value, indent=1))

    def claim(self, name: str, section: Mapping[str, Any]) -> None:
        """Set a section if it is new; otherwise it must be the same.

        Raises:
            RunError: naming the first field that differs, with both values.
        """
        known = self.read().get(name)
        section = json.loads(json.dumps(section))
        if known is None:
            self.write(name, section)
            return
        difference = first_difference(known, section, name)
        if difference is not None:
            where, old, new = difference
            raise RunError(
                f"the run {self.path.parent} has {brief(where)} = {_near(old, new)}, but now it is {_near(new, old)};"
                " use another run directory, or the same value"
            )


def first_difference(old: Any, new: Any, where: str) -> tuple[str, Any, Any] | None:
    """Where two JSON values first differ, as (path, old value, new value), or None."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in old or key not in new:
                return f"{where}.{key}", old.get(key, "(absent)"), new.get(key, "(absent)")
            found = first_difference(old[key], new[key], f"{where}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            found = first_difference(a, b, f"{where}[{index}]")
            if found is not None:
                return found
        return None
    return None if old == new else (where, old, new)


def _near(value: Any, other: Any, width: int = 100) -> str:
    """JSON text of a value; of a long one the part where it first differs from another."""
    text = json.dumps(value)
    if len(text) <= width:
        return text
    pairs = zip(text, json.dumps(other), strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(json.dumps(other))))
    start = max(0, min(first - width // 2, len(text) - width))
    end = start + width
    return f"{'...' if start else ''}{text[start:end]}{'...' if end < len(text) else ''}"
