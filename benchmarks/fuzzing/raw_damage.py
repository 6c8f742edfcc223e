"""What disks, transfers and editors do to any file."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, random.Random], None]
"""Damages a file in place."""


def on_bytes(change: Callable[[bytearray, random.Random], bytes | bytearray]) -> Damage:
    """A damage of the content."""

    def damage(path: Path, rng: random.Random) -> None:
        path.write_bytes(change(bytearray(path.read_bytes()), rng))

    return damage


def _flip(content: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice([1, 1, 1, 2, 8, 64])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def _overwrite(content: bytearray, rng: random.Random) -> bytearray:
    start, size = _block(content, rng)
    content[start : start + size] = rng.randbytes(min(size, len(content) - start))
    return content


def _zero(content: bytearray, rng: random.Random) -> bytearray:
    start, size = _block(content, rng)
    content[start : start + size] = bytes(min(size, len(content) - start))
    return content


def _remove(content: bytearray, rng: random.Random) -> bytearray:
    start, size = _block(content, rng)
    del content[start : start + size]
    return content


def _duplicate(content: bytearray, rng: random.Random) -> bytearray:
    start, size = _block(content, rng)
    content[start:start] = content[start : start + size]
    return content


def _truncate(content: bytearray, rng: random.Random) -> bytearray:
    return content[: rng.randrange(len(content))]


def _append(content: bytearray, rng: random.Random) -> bytearray:
    extra = rng.choice([b"\0", b"\n", b"}", rng.randbytes(100), bytes(5000), bytes(content[:1000])])
    return content + extra


def _block(content: bytearray, rng: random.Random) -> tuple[int, int]:
    """Start and size of a block, of a sector or a page now and then."""
    size = rng.choice([1, 2, 4, 16, 64, 512, 4096])
    start = rng.randrange(len(content))
    return (start // size * size if rng.random() < 0.5 else start), size


def _replace(path: Path, rng: random.Random) -> None:
    """Something else is in its place."""
    path.unlink()
    kind = rng.randrange(7)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(path.name)
    elif kind == 2:
        path.write_bytes(b"")
    elif kind == 3:
        path.write_bytes(rng.randbytes(rng.randrange(1, 100_000)))
    elif kind == 4:
        os.mkfifo(path)
    elif kind == 5:
        path.symlink_to("/dev/zero")
    else:
        shutil.copyfile(rng.choice([p for p in path.parent.iterdir() if p.is_file() and p.stat().st_size]), path)


RAW: dict[str, Damage] = {
    "bits flipped": on_bytes(_flip),
    "bytes overwritten": on_bytes(_overwrite),
    "block zeroed": on_bytes(_zero),
    "block removed": on_bytes(_remove),
    "block twice": on_bytes(_duplicate),
    "truncated": on_bytes(_truncate),
    "more at the end": on_bytes(_append),
    "something else": _replace,
}
