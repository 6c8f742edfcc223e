"""Memory that Linux's control groups leave to this process: containers and jobs of a cluster are such groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Version:
    """Where a version of control groups keeps what, in the folder of a group.

    Attributes:
        mount: below which its groups are.
        limit: file with the limit in bytes, or ``max``.
        used: file with the bytes in use, cached files included.
        inactive: name, in ``memory.stat``, of the cached files that are given up before the limit is met.
    """

    mount: str
    limit: str
    used: str
    inactive: str


_SECOND = _Version("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
_FIRST = _Version("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def left_mib(root: Path = Path("/")) -> Iterator[float]:
    """What every group that this process is in has left of its limit, in MiB; nothing where none has a limit.

    Args:
        root: of the file system that tells.
    """
    own = root / "proc/self/cgroup"
    for line in own.read_text().splitlines() if own.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _left(root, _SECOND, path)
        elif "memory" in controllers.split(","):
            yield from _left(root, _FIRST, path)


def _left(root: Path, version: _Version, path: str) -> Iterator[float]:
    """Of a group and all around it. A container sees its own group as the outermost, whatever its path says."""
    mount = root / version.mount
    group = Path(path.lstrip("/"))
    for folder in (mount / group, *(mount / parent for parent in group.parents)):
        limit, used = folder / version.limit, folder / version.used
        if not (limit.is_file() and used.is_file()) or (most := limit.read_text().strip()) == "max":
            continue
        yield max(0.0, int(most) - int(used.read_text()) + _inactive(folder, version)) / 2**20


def _inactive(folder: Path, version: _Version) -> int:
    stat = folder / "memory.stat"
    for line in stat.read_text().splitlines() if stat.is_file() else ():
        name, _, amount = line.partition(" ")
        if name == version.inactive:
            return int(amount)
    return 0
