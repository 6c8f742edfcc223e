"""What Linux's control groups leave to this process: containers and jobs of a cluster are such groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MOUNT = "sys/fs/cgroup"


def memory_left_mib(root: Path = Path("/")) -> Iterator[float]:
    """What every group that this process is in has left of its memory, in MiB; nothing where none has a limit.

    Cached files that are given up before a limit is met do not count as used.

    Args:
        root: of the file system that tells.
    """
    for second, group in _groups(root, "memory"):
        limit, used, inactive = (
            ("memory.max", "memory.current", "inactive_file")
            if second
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        most, taken = _text(group / limit), _text(group / used)
        if taken and most not in ("", "max"):
            stat = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines())
            yield max(0.0, int(most) - int(taken) + int(stat.get(inactive, 0))) / 2**20


def cpus(root: Path = Path("/")) -> Iterator[float]:
    """How many CPUs every group that this process is in may keep busy; nothing where none has a limit.

    Args:
        root: of the file system that tells.
    """
    for second, group in _groups(root, "cpu"):
        if second:
            quota, _, period = _text(group / "cpu.max").partition(" ")
        else:
            quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        if period and quota not in ("max", "-1"):
            yield int(quota) / int(period)


def _groups(root: Path, controller: str) -> Iterator[tuple[bool, Path]]:
    """Folders of the groups that this process is in, and whether they are of the second version of control groups.

    A container sees its own group as the outermost one, whatever its path says.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        second = controllers == ""
        if second or controller in controllers.split(","):
            mount, group = root / _MOUNT / ("" if second else controller), Path(path.lstrip("/"))
            yield from ((second, mount / folder) for folder in (group, *group.parents))


def _text(path: Path) -> str:
    """Of a file; nothing if it is not there or may not be read, as in some sandboxes: then no limit is known."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
