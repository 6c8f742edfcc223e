"""One root seed; every stage's, epoch's and trial's seed is derived from it and its place."""

from __future__ import annotations

import hashlib


def derive_seed(root: int, *place: str | int) -> int:
    """Seed (0 <= seed < 2**32) of a place, e.g. ``derive_seed(0, "epoch", 3)``.

    Depends on its arguments only, never on what ran before, so a resumed run draws the same numbers.
    """
    text = "/".join(str(part) for part in (root, *place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
