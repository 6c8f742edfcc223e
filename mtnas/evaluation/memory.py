"""Memory that is free."""

from __future__ import annotations

from pathlib import Path

import torch

_ELSEWHERE = 4096.0
"""MiB taken to be free where the system does not tell."""


def free_mib(device: torch.device) -> float:
    """Memory of a device that is free, in MiB; 4,096 where the system does not tell."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0]) / 2**20
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return float(amount.split()[0]) / 2**10  # given in KiB
    return _ELSEWHERE
