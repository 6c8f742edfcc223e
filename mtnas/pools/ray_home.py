"""Where a local Ray cluster keeps its files, and how what a killed process left of one is cleared away."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_ROOT = "mtnas-ray"


@dataclass(frozen=True)
class RayHome:
    """A folder for the cluster of one process, named after it. Its path is short: sockets lie in it.

    Attributes:
        path: of the folder.
    """

    path: Path

    @classmethod
    def enter(cls) -> RayHome:
        """Make the folder of this process, after clearing away those of processes that are gone."""
        root = Path(tempfile.gettempdir()) / f"{_ROOT}-{os.getuid()}"
        root.mkdir(mode=0o700, exist_ok=True)
        for folder in root.iterdir():
            pid, _, born = folder.name.partition("-")
            if pid.isdigit() and born_at(int(pid)) != born:
                _sweep(folder)
        path = root / f"{os.getpid()}-{born_at(os.getpid())}"
        path.mkdir(mode=0o700, exist_ok=True)
        # With this file beside it, Ray does not ask the addresses of cloud providers where it runs.
        (path / "ray_bootstrap_config.yaml").write_text("{}\n", encoding="utf-8")
        return cls(path)

    @contextmanager
    def for_children(self) -> Iterator[None]:
        """Processes that are started within take the folder for their home, and find the modules that this one does."""
        mine = {
            "HOME": str(self.path),
            "PYTHONPATH": os.pathsep.join(str(Path(place).absolute()) for place in sys.path),
        }
        before = {name: os.environ.get(name) for name in mine}
        os.environ.update(mine)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def leave(self) -> None:
        """Clear the folder away, and whatever still works in it."""
        _sweep(self.path)


def _sweep(folder: Path) -> None:
    """End the processes that were started for a folder, then delete it."""
    for pid in _processes(folder):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while _processes(folder) and time.monotonic() < end:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def _processes(folder: Path) -> list[int]:
    """Processes whose command or home names the folder, this one left out."""
    wanted, found = f"{folder}".encode(), []
    proc = Path("/proc")
    for place in proc.iterdir() if proc.is_dir() else ():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        with suppress(OSError):
            command, environment = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
            if wanted in command or b"HOME=" + wanted + b"\0" in environment:
                found.append(int(place.name))
    return found


def born_at(pid: int) -> str:
    """When a process started, so that another one of the same number is told apart; empty if there is none, or no more.

    Empty for all where there is no ``/proc``.
    """
    try:
        about = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    state, born = about[0], about[19]
    return "" if state in "ZX" else born  # it has ended, and nobody has asked how
