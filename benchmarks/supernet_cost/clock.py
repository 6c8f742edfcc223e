"""The device and its time."""

from __future__ import annotations

import time

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def clock() -> float:
    """Seconds of CPU time of this process; on CUDA those of the wall clock, once the device has finished."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
