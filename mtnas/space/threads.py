"""CPU threads of torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mtnas.control_groups import cpus


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` CPU threads; 0: as many as it likes, but no more than the CPUs of a container or job.

    Torch takes a thread for every core of the machine, however few of them a container may keep busy, which makes
    work many times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or most_threads(before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def most_threads(wanted: int, root: Path = Path("/")) -> int:
    """As many threads as wanted, or as there are CPUs for in this container or job, if those are fewer.

    Args:
        root: of the file system that tells.
    """
    return min([wanted, *(max(1, math.ceil(count)) for count in cpus(root))])
