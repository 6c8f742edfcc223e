"""What a device is called."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def hardware(device: torch.device) -> str:
    """Name of the processor or the GPU; empty where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device) if torch.cuda.is_available() else ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
