"""Values of JSON that someone else may have written: taken as they are meant, or not at all.

Python is lenient where a reader must not be: ``int(0.9)`` is 0, ``bool("false")`` is True, ``str(None)`` is a name.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mtnas.limits import is_number

MOST_BYTES = 2**28
"""Largest file of JSON that is read."""

DEEPEST = 50
"""Lists and objects within each other that are read; what this package writes has at most 8."""


def read_json(path: Path) -> Any:
    """The value that a file holds.

    Raises:
        ValueError: if it is not one value of JSON, or names two values alike.
        OSError: if it cannot be read, or is no file (a pipe would be waited for, a device read for ever).
    """
    if not path.is_file():
        raise OSError("it is not a file")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    return parse_json(path.read_text(encoding="utf-8"))


def is_there(path: Path) -> bool:
    """Whether something has that name, be it a link that leads nowhere: what is broken is not absent."""
    return path.exists() or path.is_symlink()


def parse_json(content: str) -> Any:
    """The value of a text; ValueError if it is not one value of JSON, or names two values alike."""
    try:
        value = json.loads(content, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if content.count("[") + content.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise ValueError("it is nested too deeply")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _depth(value: Any) -> int:
    """How many lists and objects lie within each other, at most one more than `DEEPEST`."""
    level, depth = [value], 0
    while depth <= DEEPEST and (level := [one for one in level if isinstance(one, (list, dict))]):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        depth += 1
    return depth


def listed(value: Any) -> list[Any]:
    """A list; TypeError for anything else, also for what could be iterated."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"a list is needed, not {type(value).__name__}")
    return list(value)


def text(value: Any) -> str:
    """A text; TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"a text is needed, not {type(value).__name__}")
    return value


def whole(value: Any) -> int:
    """A whole number; TypeError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number is needed, not {type(value).__name__}")
    return value


def truth(value: Any) -> bool:
    """True or false; TypeError for anything else."""
    if not isinstance(value, bool):
        raise TypeError(f"true or false is needed, not {type(value).__name__}")
    return value


def finite(value: Any) -> float:
    """A finite number as it is, whole or not; TypeError for anything else, ValueError if it is not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a number is needed, not {type(value).__name__}")
    if not is_number(value):
        raise ValueError("a number is needed that is finite")
    return value


def null_unless_finite(value: Any) -> Any:
    """The value with null in place of NaN and infinities, which JSON has not; keys of objects become text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): null_unless_finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [null_unless_finite(one) for one in value]
    return value
