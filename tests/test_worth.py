"""What is kept when not all can be."""

from __future__ import annotations

import random

from mtnas.evaluation.worth import WorthKeeping


def kept_of(limit: float, *asked: tuple[str, float, float]) -> WorthKeeping[str, str]:
    """After things were asked for, in that order: (name, size, cost of making it)."""
    found: WorthKeeping[str, str] = WorthKeeping(limit)
    for name, size, cost in asked:
        if found.get(name) is None:
            found.keep(name, name, size=size, cost=cost)
    return found


def test_what_is_kept_is_given_back() -> None:
    found = kept_of(10, ("a", 5, 1), ("b", 5, 1))
    assert found.get("a") == "a" and found.get("b") == "b" and found.get("c") is None
    assert found.size == 10


def test_what_is_quickly_made_goes_first() -> None:
    found = kept_of(10, ("cheap", 5, 1), ("dear", 5, 2), ("new", 5, 1))
    assert "cheap" not in found and "dear" in found and "new" in found


def test_what_is_large_goes_first() -> None:
    found = kept_of(10, ("small", 2, 1), ("large", 8, 1), ("new", 2, 1))
    assert "large" not in found and "small" in found and found.size == 4


def test_what_is_seldom_asked_for_goes_first() -> None:
    found = kept_of(10, ("often", 5, 1), ("seldom", 5, 1), ("often", 5, 1), ("new", 5, 1))
    assert "seldom" not in found and "often" in found


def test_what_nobody_asks_for_any_more_goes_in_the_end() -> None:
    once_wanted = [("old", 5.0, 1.0)] * 10
    others = [(str(number), 5.0, 1.0) for number in range(40)]
    assert "old" in kept_of(10, *once_wanted, *others[:5])
    assert "old" not in kept_of(10, *once_wanted, *others)


def test_what_was_kept_last_stays_however_large_it_is() -> None:
    found = kept_of(10, ("a", 5, 9), ("huge", 100, 1))
    assert "huge" in found and "a" not in found and found.size == 100


def test_no_more_is_kept_than_fits() -> None:
    rng = random.Random(0)
    found: WorthKeeping[int, int] = WorthKeeping(50)
    for _ in range(500):
        key = rng.randrange(40)
        if found.get(key) is None:
            found.keep(key, key, size=1 + key % 7, cost=rng.random())
        assert found.size == sum(1 + one % 7 for one in range(40) if one in found) <= 50


def test_it_makes_less_than_dropping_what_was_used_longest_ago() -> None:
    """A few dear things are asked for now and then among many cheap ones, which alone would fill the room."""
    rng = random.Random(0)
    asked = [
        (f"dear {rng.randrange(5)}", 1.0, 10.0) if rng.random() < 0.2 else (f"cheap {rng.randrange(200)}", 1.0, 1.0)
        for _ in range(2000)
    ]
    found: WorthKeeping[str, str] = WorthKeeping(10)
    ours, recent, theirs = 0.0, dict[str, None](), 0.0
    for name, size, cost in asked:
        if found.get(name) is None:
            found.keep(name, name, size=size, cost=cost)
            ours += cost
        theirs += 0 if name in recent else cost
        recent.pop(name, None)
        recent[name] = None
        if len(recent) > 10:
            del recent[next(iter(recent))]
    assert ours < 0.75 * theirs
