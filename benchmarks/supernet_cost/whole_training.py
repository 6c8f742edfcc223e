"""A whole training of the digits' supernetwork, in trainings of the hard-sharing network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.report import Bar
from benchmarks.supernet_cost.clock import DEVICE
from benchmarks.supernet_cost.hard_sharing import HardSharing
from benchmarks.supernet_cost.parts import Epoch, Watch, WatchedWeighting, watched_data, watched_supernetwork
from benchmarks.supernet_cost.row import row
from mtnas.runs import Run
from mtnas.space.data import Data
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.training import TrainingSettings, train
from mtnas.training.phases import Phases

UNIT = "hard-sharing epoch"


def measure_training(quick: bool, seed: int) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Rows on the digits' training and its parts.

    Quick: 3 epochs, scaled by the phases' shares of all epochs; it has no bar.
    """
    chosen = load_space_file(Path(__file__).parents[2] / "search_spaces" / "digits.py")
    shipped = replace(chosen.setting("training", TrainingSettings()), threads=1, device=DEVICE.type)
    settings = replace(shipped, epochs=3) if quick else shipped
    epochs = watch_training(chosen.space, chosen.data(None), settings, seed)
    space = chosen.space.architectures
    now, whole = Phases.of(settings, space), Phases.of(shipped, space)
    tasks = len(chosen.space.tasks)
    rows, total, wall = [], 0.0, 0.0
    for name, part, phase in (
        ("shared phase", whole.shared, epochs[: now.shared]),
        ("parting phase", whole.parted - whole.shared, epochs[now.shared : now.parted]),
        ("branching phase", whole.epochs - whole.parted, epochs[now.parted :]),
    ):
        share = part / whole.epochs
        if phase:
            rows += _phase_rows(tasks, name, share, phase)
            total += share * sum(epoch.total for epoch in phase) / sum(epoch.hard for epoch in phase)
            wall += share * sum(epoch.wall for epoch in phase) / sum(epoch.hard_wall for epoch in phase)
    what = f"from {settings.epochs} epochs" if quick else "whole training"
    rows.append(row(UNIT, tasks, what, [total], note=f"wall clock: {wall:.2f}"))
    bar = Bar.at_most("digits: whole training in hard-sharing trainings", total, 4.0)
    return rows, [] if quick else [bar]


def watch_training(space: SearchSpace, data: Data, settings: TrainingSettings, seed: int) -> list[Epoch]:
    """Times of all epochs of a training, with an epoch of hard sharing before each."""
    hard = HardSharing(space, data, settings, seed)
    hard.epoch(0)  # warm-up
    watch = Watch(hard)
    with tempfile.TemporaryDirectory() as folder, watch.optimizers():
        train(
            space,
            watched_data(data, watch),
            Run(folder, seed),
            replace(settings, weighting=WatchedWeighting(settings, watch)),
            supernetwork=watched_supernetwork(watch),
            show_progress=False,
        )
        watch.end_epoch()
    return watch.epochs


def _phase_rows(tasks: int, name: str, share: float, epochs: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Rows of one phase of the training and of its parts."""
    total = sum(epoch.total for epoch in epochs)
    ratios = [epoch.total / epoch.hard for epoch in epochs]
    rows = [row(UNIT, tasks, f"{name}, an epoch", ratios, note=f"{share:.0%} of the epochs")]
    for part in dict.fromkeys(part for epoch in epochs for part in epoch.parts):
        note = f"{sum(epoch.parts[part] for epoch in epochs) / total:.0%} of {name}"
        ratios = [epoch.parts[part] / epoch.hard for epoch in epochs]
        rows.append(row(UNIT, tasks, f"  {part}", ratios, note=note))
    return rows
