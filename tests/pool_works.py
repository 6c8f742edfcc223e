"""What workers do in the tests of pools."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Fatal(Exception):
    """An exception of a test's own."""


def make_work(offset: int = 0, *, marks: Path | None = None) -> Callable[[Any], Any]:
    """Work that does what its payload says; every begun payload leaves a mark."""

    def work(payload: Any) -> Any:
        what, value = payload
        if marks is not None:
            with (marks / f"{value}").open("a") as file:
                file.write(f"{os.getpid()}\n")
        if what == "add":
            return value + offset
        if what == "pid":
            return os.getpid()
        if what == "sleep":
            time.sleep(value)
            return value
        if what == "wait":
            while not (marks / "go").exists():  # type: ignore[operator]
                time.sleep(0.05)
            return value
        if what == "raise":
            raise Fatal(f"no {value}")
        if what == "fill":
            return len(bytearray(1 << 60))
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "die with a child":
            subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({value})"], close_fds=False)
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "die once":
            if len((marks / f"{value}").read_text().split()) == 1:  # type: ignore[operator]
                os.kill(os.getpid(), signal.SIGKILL)
            return value
        if what == "unsendable":
            return lambda: value
        raise AssertionError(what)

    return work


def cannot_make() -> Callable[[Any], Any]:
    raise Fatal("this worker is not to be")


def dies_while_made() -> Callable[[Any], Any]:
    os._exit(3)


def serving_path(patch: pytest.MonkeyPatch) -> None:
    """Let workers of a Ray cluster that is begun find the modules of the tests."""
    patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
