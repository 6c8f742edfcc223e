"""Memory that is free."""

from __future__ import annotations

from pathlib import Path

import torch

from mtnas.control_groups import memory_left_mib

_ELSEWHERE = 4096.0
"""MiB taken to be free where the system does not tell."""


def free_mib(device: torch.device, root: Path = Path("/")) -> float:
    """Memory of a device that is free, in MiB; 4,096 where the system does not tell.

    In a container, or a job of a cluster, that is what is left of its limit, if that is less.

    Args:
        device: CUDA or CPU.
        root: of the file system that tells.
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0]) / 2**20
    return min([_machine_mib(root), *memory_left_mib(root)])


def _machine_mib(root: Path) -> float:
    """What the whole machine has free."""
    meminfo = root / "proc/meminfo"
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return float(amount.split()[0]) / 2**10  # given in KiB
    return _ELSEWHERE
