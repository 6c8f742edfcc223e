"""JSON that is whole, but holds something else than it should."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.raw_damage import Damage

ESCAPES = "\x1b[2J\x1b]0;title\x07\r\n\u202e"
"""Clears a terminal, names its window, and turns the direction of writing round."""

TEXTS = ("", "../../etc/passwd", "/", ESCAPES, "a" * 100_000, "[/red]", "[red]", "$x$", "\ud800", "\0", "mean", "NaN")

NUMBERS: tuple[Any, ...] = (
    0,
    1,
    -1,
    0.5,
    -0.0,
    2**31,
    2**63,
    2**64 + 1,
    10**400,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    -float("inf"),
)

OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": {}}, "1", [1], {"a": 1}, 3)

Place = tuple[Any, Any]
"""A list or object, and an index or name in it."""


def places(value: Any) -> list[Place]:
    """All places of values within a value."""
    found: list[Place] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += [(value, key), *places(one)]
    return found


def on_json(change: Callable[[Any, random.Random], Any]) -> Damage:
    """A damage of the value that a file holds."""

    def damage(path: Path, rng: random.Random) -> None:
        value = change(json.loads(path.read_text(encoding="utf-8")), rng)
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1), encoding="utf-8")

    return damage


def other_type(value: Any, rng: random.Random) -> Any:
    if not places(value):
        return rng.choice(OTHERS)
    holder, key = rng.choice(places(value))
    holder[key] = rng.choice(OTHERS)
    return value


def other_number(value: Any, rng: random.Random) -> Any:
    numbers = [(holder, key) for holder, key in places(value) if isinstance(holder[key], (int, float))]
    if not numbers:
        return other_type(value, rng)
    holder, key = rng.choice(numbers)
    holder[key] = rng.choice([*NUMBERS, *(_near(holder[key], rng) for _ in NUMBERS)])
    return value


def _near(number: Any, rng: random.Random) -> Any:
    """Another number that might as well have been there."""
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return rng.random()
    return number + rng.choice([-1, 1, 2]) if isinstance(number, int) else number * rng.choice([0.9, 1.1, -1])


def other_text(value: Any, rng: random.Random) -> Any:
    texts = [(holder, key) for holder, key in places(value) if isinstance(holder[key], str)]
    if not texts:
        return other_type(value, rng)
    holder, key = rng.choice(texts)
    holder[key] = rng.choice(TEXTS)
    return value


def other_name(value: Any, rng: random.Random) -> Any:
    """A key of an object is renamed, removed, or has company."""
    named = [(holder, key) for holder, key in places(value) if isinstance(holder, dict)]
    if not named:
        return other_type(value, rng)
    holder, key = rng.choice(named)
    kind = rng.randrange(3)
    if kind == 0:
        holder[rng.choice(TEXTS)] = holder.pop(key)
    elif kind == 1:
        del holder[key]
    else:
        holder[rng.choice(TEXTS)] = rng.choice([*OTHERS, holder[key]])
    return value


def other_length(value: Any, rng: random.Random) -> Any:
    """A list is longer, shorter, or in another order."""
    lists = [holder[key] for holder, key in places(value) if isinstance(holder[key], list) and holder[key]]
    if not lists:
        return other_type(value, rng)
    chosen, kind = rng.choice(lists), rng.randrange(4)
    if kind == 0:
        chosen.append(rng.choice(chosen))
    elif kind == 1:
        chosen.pop(rng.randrange(len(chosen)))
    elif kind == 2:
        rng.shuffle(chosen)
    else:
        chosen *= 1000
    return value


def deep(value: Any, rng: random.Random) -> Any:
    """Lists in lists, some deeper than any reader goes."""
    depth = rng.choice([30, 200, 900, 2000, 100_000])
    if places(value):
        holder, key = rng.choice(places(value))
        holder[key] = "HERE"
    else:
        value = "HERE"
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}")])
    return json.dumps(value).replace('"HERE"', opening * depth + "1" + closing * depth, 1)


def odd_text(value: Any, rng: random.Random) -> str:
    """Text that only some readers take for JSON."""
    text = json.dumps(value)
    kind = rng.randrange(5)
    if kind == 0:
        return "\ufeff" + text
    if kind == 1:
        return text.replace('": ', f'": {"9" * rng.choice([20, 5000])}, "again": ', 1)
    if kind == 2:  # the same name a second time
        return text[:-1] + ", " + text[1:]
    if kind == 3:
        return text.replace(",", ",,", 1)
    return text + text


JSON: dict[str, Damage] = {
    "other type": on_json(other_type),
    "other number": on_json(other_number),
    "other text": on_json(other_text),
    "other name": on_json(other_name),
    "other length": on_json(other_length),
    "deep nesting": on_json(deep),
    "odd JSON": on_json(odd_text),
}
