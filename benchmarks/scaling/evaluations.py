"""What the workers do in place of judging networks: nothing, for as long as that takes. Imports next to nothing."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def make_sleeper(tasks: Sequence[str], seconds: float, busy: bool, up: str) -> Callable[[Any], dict[str, float]]:
    """Work that takes so long, and gives errors that depend on the candidate.

    Args:
        busy: whether it computes, rather than sleeps: then the seconds are of CPU time.
        up: folder in which a file of this process says when it was ready to work.
    """
    (Path(up) / str(os.getpid())).write_text(repr(time.time()))

    def work(candidate: Any) -> dict[str, float]:
        if busy:
            end = time.process_time() + seconds
            while time.process_time() < end:
                pass
        elif seconds:
            time.sleep(seconds)
        return errors_of(candidate, tasks)

    return work


def errors_of(candidate: Any, tasks: Sequence[str]) -> dict[str, float]:
    """Errors that fall with the network's size, some chance in them."""
    rng = random.Random(candidate.id)
    nodes = len(candidate.architecture.tree.nodes())
    small = sum("kernel1" in name for row in candidate.architecture.options for name in row)
    return {task: 0.02 + 0.3 / nodes + 0.01 * small + 0.02 * rng.random() for task in tasks}


def all_up(folder: Path) -> float:
    """When the last worker was ready, in seconds since the epoch."""
    return max(float(path.read_text()) for path in folder.iterdir())
