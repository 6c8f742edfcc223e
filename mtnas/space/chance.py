"""Chance that a seed decides, in whatever draws from the generators that all of a process shares."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def fixed_chance(seed: int = 0, device: torch.device | None = None) -> Iterator[None]:
    """The global random generators of torch, numpy and Python as a seed sets them; as they were before afterwards.

    Args:
        device: whose generator torch sets, too, where it is a CUDA device.
    """
    python, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)
