"""What is worth keeping when not all can be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class _Held(Generic[Value]):
    value: Value
    size: float
    cost: float
    worth: float


class WorthKeeping(Generic[Key, Value]):
    """Keeps what was costly to make, takes little room, and is asked for often (GreedyDual-Size-Frequency).

    Worth is the cost of making it for each byte, times how often it was asked for, plus the worth of what was dropped
    last when it was asked for, so that what nobody asks for any more goes in the end (Cherkasova, "Improving WWW
    proxies performance with Greedy-Dual-Size-Frequency caching policy", 1998). What was kept last always stays.

    Args:
        limit: of all sizes together.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.size = 0.0
        self._held: dict[Key, _Held[Value]] = {}
        self._asked: Counter[Key] = Counter()
        self._dropped = 0.0

    def get(self, key: Key) -> Value | None:
        """What is kept by this name, if it is."""
        self._asked[key] += 1
        found = self._held.get(key)
        if found is None:
            return None
        found.worth = self._worth(key, found.cost, found.size)
        return found.value

    def keep(self, key: Key, value: Value, *, size: float, cost: float) -> None:
        """Keep a value that was made at this cost, in any unit, and drop what is worth least until all fits."""
        self._held[key] = _Held(value, size, cost, self._worth(key, cost, size))
        self.size += size
        while self.size > self.limit and len(self._held) > 1:
            least = min((other for other in self._held if other != key), key=lambda other: self._held[other].worth)
            dropped = self._held.pop(least)
            self.size -= dropped.size
            self._dropped = dropped.worth

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def _worth(self, key: Key, cost: float, size: float) -> float:
        return self._dropped + self._asked[key] * cost / max(size, 1.0)
