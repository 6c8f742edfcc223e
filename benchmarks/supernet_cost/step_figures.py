"""Rows and bars of the kinds of steps."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.report import Bar
from benchmarks.supernet_cost.encoder import BLOCKS
from benchmarks.supernet_cost.rounds import Readings
from benchmarks.supernet_cost.row import row
from benchmarks.supernet_cost.steps import SAMPLED, SPLIT

EARLIER = {2: 1.3, 4: 2.0, 8: 3.6}
"""Single-task steps of a sampled tree by number of tasks, as read on an earlier machine: shown beside ours, no bar."""


def step_rows(tasks: int, found: Mapping[str, Readings]) -> list[dict[str, Any]]:
    """Rows of all kinds of steps of one number of tasks."""
    rows = []
    for name, readings in found.items():
        by_seed: dict[int, list[float]] = defaultdict(list)
        for reading in readings.times:
            by_seed[reading.seed].append(reading.ratio)
        rows.append(
            row(
                "single-task step",
                tasks,
                name,
                [reading.ratio for reading in readings.times],
                per_seed=" ".join(f"{statistics.median(ratios):.2f}" for ratios in by_seed.values()),
                floor=readings.floor() if readings.times else float("nan"),
                memory=statistics.median(readings.memory) if readings.memory else float("nan"),
                note=_of_sampled(tasks, readings) if name == SAMPLED else readings.left_out,
            )
        )
    return rows


def _of_sampled(tasks: int, readings: Readings) -> str:
    """Floor and earlier reading, and a least-squares line through time over nodes."""
    nodes = np.array([reading.runs for reading in readings.times], float)
    ratios = np.array([reading.ratio for reading in readings.times])
    slope, start = np.polyfit(nodes, ratios, 1)
    explained = np.corrcoef(nodes, ratios)[0, 1] ** 2
    beside = f"floor {readings.floor():.2f}" + (f", earlier reading {EARLIER[tasks]}" if tasks in EARLIER else "")
    return f"{beside}; {start:.2f} + {slope:.3f} nodes, R2 {explained:.2f}"


def step_bars(tasks: int, found: Mapping[str, Readings], calls: float) -> list[Bar]:
    """Bars of one number of tasks.

    Args:
        calls: the most calls of a node, or calls over nodes, of any sampled tree.
    """
    sampled, split = found[SAMPLED].times, found[SPLIT].times
    over = [reading.ratio * BLOCKS / reading.runs for reading in sampled]
    whole = {(reading.seed, reading.round): reading.ratio for reading in split}
    shares = [reading.ratio / whole[reading.seed, reading.round] for reading in sampled]
    per_node = [reading.ratio / reading.runs for reading in sorted(sampled, key=lambda reading: reading.runs)]
    half = len(per_node) // 2
    growth = statistics.median(per_node[-half:]) / statistics.median(per_node[:half])
    return [
        Bar.at_most(f"T={tasks}: sampled tree over its floor", statistics.median(over), 1.15),
        Bar.at_most(f"T={tasks}: sampled tree over the fully split one", statistics.median(shares), 1.0),
        Bar.at_most(f"T={tasks}: time per node, larger half of the trees over smaller", growth, 1.1),
        Bar(f"T={tasks}: most calls of a node, all calls over nodes", calls, "== 1", calls == 1),
    ]
