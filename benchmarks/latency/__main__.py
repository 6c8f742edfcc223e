"""Latencies: beside a busy machine, and foreseen."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.latency import foreseen, hogs
from benchmarks.latency.spaces import Measurable
from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import notation
from mtnas.targets import MeasureSettings, OnnxRuntime

ABOUT = (
    "Nothing is trained: weights make no difference to latency. One thread, one sample, CPU time of the thread."
    " beside busy loops: float networks measured in calls that alternate between a quiet machine and one with as many"
    " busy loops as processors; medians of the calls. foreseen: candidates with random trees, operators and bits;"
    " from so many measured ones, the latencies of others, mean of 16 random splits of all that were measured; and from"
    " networks that mtnas chooses to measure because they tell the most (measure --foresee), mean of 3 choices. Bars:"
    " percentage error at most 1.5 times that of measuring again, and tau 0.9. Baselines: the features that errors are"
    " predicted by, a table of nodes by operator and bits, and the float network's time plus what each of its nodes"
    " alone in integers changes (for a quarter of the unseen ones: it takes many measurements each, on the very network"
    " that is to be foreseen)."
)


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    quick = options.quick
    settings = MeasureSettings(rounds=4, warmup_ms=5, block_ms=1) if quick else MeasureSettings(rounds=12)
    report = Report(
        f"{ABOUT} Integers: {notation(OnnxRuntime().integers)}."
        + ("\n--quick: its figures mean nothing" if quick else "")
    )
    spaces = [Measurable.of("digits", 4, 12)]
    if not quick:
        spaces += [Measurable.of("vit_digits", 1, 12), Measurable.of("multifashion", 2, 36)]
    calls, networks, learn, unseen = (1, 1, 10, 6) if quick else (5, 3, 100, 100)
    for seed in options.seeds:
        for space in spaces:
            rows = foreseen.rows_of(space, seed, learn, unseen, settings)
            report.rows += rows
            report.bars += _bars(space, seed, rows)
        for row in hogs.rows_of(spaces[0], seed, calls, networks, MeasureSettings()):
            report.rows.append(row)
            name = f"{row['space']}, seed {seed}, {row['what']}: difference, %"
            report.bars.append(Bar.at_most(name, abs(row["off by, %"]), 5.0))
    return report


def _bars(space: Measurable, seed: int, rows: list[dict[str, Any]]) -> list[Bar]:
    again = next(row for row in rows if row["what"] == "measured again")
    bars = []
    for what in (foreseen.PROBED, foreseen.OURS):
        ours = max((row for row in rows if row["what"] == what), key=lambda row: int(row["measured"]))
        name = f"{space.name}, seed {seed}, from {ours['measured']} measured, {what}"
        bars.append(Bar.at_most(f"{name}: MAPE, %", ours["off by, %"], 1.5 * again["off by, %"]))
        bars.append(Bar.at_least(f"{name}: tau", ours["tau"], 0.9))
    return bars


if __name__ == "__main__":
    main("latency", ABOUT, measure)
