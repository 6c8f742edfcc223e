"""Many yes-or-no draws at once, from far fewer random numbers than one for each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def coins(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """True with a chance of one half each, from one random bit."""
    count = math.prod(shape)
    bits = np.frombuffer(rng.bytes(-(-count // 8)), dtype=np.uint8)
    return np.unpackbits(bits, count=count).reshape(shape).view(np.bool_)


def seldom(rng: np.random.Generator, shape: tuple[int, ...], chance: float) -> NDArray[np.bool_]:
    """True with a small chance each, by drawing how far it is from one to the next (geometric distribution)."""
    count = math.prod(shape)
    found = np.zeros(count, dtype=bool)
    at = -1
    while at < count - 1:
        expected = (count - at) * chance
        steps = rng.geometric(chance, size=int(expected + 4 * math.sqrt(expected)) + 1)
        places = at + np.cumsum(steps)
        found[places[places < count]] = True
        at = int(places[-1])
    return found.reshape(shape)
