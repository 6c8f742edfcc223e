"""Latencies on a quiet machine, and on one whose processors others want."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.latency.spaces import Measurable
from mtnas.targets import MeasureSettings, OnnxRuntime, TorchEager


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """So many processes that do nothing but take time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def rows_of(space: Measurable, seed: int, calls: int, networks: int, settings: MeasureSettings) -> list[dict[str, Any]]:
    """One row for every target and network: medians over calls that alternate between quiet and busy."""
    candidates = space.draw(networks, seed, float_only=True)
    hogs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    rows = []
    for target in (OnnxRuntime(), TorchEager()):
        anchor = space.anchor(target)
        found: dict[bool, list[Sequence[float]]] = {False: [], True: []}
        for _ in range(calls):
            found[False].append(space.measured(candidates, target, anchor, settings))
            with busy_loops(hogs):
                found[True].append(space.measured(candidates, target, anchor, settings))
        for number in range(networks):
            quiet, busy = (median(call[number] for call in found[state]) for state in (False, True))
            apart = max(abs(call[number] / quiet - 1) for call in found[False])
            rows.append(
                {
                    "space": space.name,
                    "seed": seed,
                    "what": f"beside busy loops, {target.name}: {quiet:.4f} ms when quiet",
                    "measured": calls,
                    "unseen": "",
                    "off by, %": 100 * (busy / quiet - 1),
                    "tau": "",
                    "note": f"quiet calls lie up to {100 * apart:.1f} % apart",
                }
            )
    return rows
