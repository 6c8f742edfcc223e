"""Costs of a step by kind of step and number of tasks, then those of a whole training and its parts."""

from __future__ import annotations

import torch

from benchmarks.report import Options, Report, main
from benchmarks.supernet_cost.clock import DEVICE
from benchmarks.supernet_cost.encoder import BATCH, BLOCKS, SIDE, WIDTH
from benchmarks.supernet_cost.memory import MEMORY
from benchmarks.supernet_cost.rounds import measure_steps
from benchmarks.supernet_cost.step_figures import step_bars, step_rows
from benchmarks.supernet_cost.whole_training import measure_training

ABOUT = (
    f"Steps: {BLOCKS} residual blocks of width {WIDTH}, one operator each, batch {BATCH} of {SIDE}x{SIDE} images, no"
    " stem. Baseline and unit: one step (forward, backward, fused AdamW) of the same encoder for a single task, run"
    " before and after each row's; ratio: median over rounds and seeds, with 10% and 90% quantiles, and the seeds'"
    " medians. floor: how often a step runs a block, over the blocks; no step can cost less, heads and optimizer come"
    " on top. Training: the digits space with its own settings, first seed; baseline and unit: an epoch of hard sharing"
    " with the largest operators on the same batches, trained before each; quantiles are over epochs."
    f" Time: {'CPU time, one thread' if DEVICE.type == 'cpu' else 'of CUDA'}."
    f" memory: {MEMORY}, peak within a step, over that of a hard-sharing step;"
) + (
    " each storage counted once, parameters and buffers left out."
    if DEVICE.type == "cpu"
    else " less what was there before the step."
)

ROUNDS = {2: 20, 4: 10, 8: 5, 16: 3}
"""Rounds per seed by number of tasks."""


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    for tasks, rounds in ({2: 2, 4: 2} if options.quick else ROUNDS).items():
        found, calls = measure_steps(tasks, rounds, options.seeds[:1] if options.quick else options.seeds)
        report.rows += step_rows(tasks, found)
        report.bars += step_bars(tasks, found, calls)
    rows, bars = measure_training(options.quick, options.seeds[0])
    report.rows += rows
    report.bars += bars
    return report


if __name__ == "__main__":
    main("supernet_cost", ABOUT, measure, seeds=(0, 1, 2))
