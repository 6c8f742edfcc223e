"""What a tracker is told of a run, as plain values: settings, curves, files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtnas.results import MEAN_ERROR, Results
from mtnas.runs import Run, load_checkpoint, read_results
from mtnas.training.scalars import scalars_of
from mtnas.training.stored import epoch_of

FILES = ("results.csv", "front.png", "trees.png", "predictors.png", "report.html", "refined.csv")
"""Of a run directory, those that people look at."""

Curve = Mapping[int, float]
"""Values of a figure by step."""


@dataclass(frozen=True)
class Figures:
    """Of a run.

    Attributes:
        key: the same for the same run directory, another for any other.
        settings: that the run never changes, by name.
        changing: what may be another the next time, by name.
        curves: by name; steps are epochs of the training, or evaluations of the search, both counted from 1.
        files: those of `FILES` that are there.
    """

    key: str
    settings: Mapping[str, str]
    changing: Mapping[str, str]
    curves: Mapping[str, Curve]
    files: tuple[Path, ...]


def figures_of(run: Run) -> Figures:
    """Read what a run has come to. Runs no code of the space.

    Raises:
        RunError: if nothing was trained, or the run is damaged.
    """
    manifest = run.manifest.read()
    space, _ = run.architectures()
    curves: dict[str, Curve] = {}
    if run.checkpoint.exists():
        _, note = load_checkpoint(run.checkpoint)
        epoch_of(note, run.checkpoint)  # says what is wrong with it
        curves.update(_by_name({entry["epoch"]: scalars_of(entry, space) for entry in note["history"]}))
    if "study" in manifest:
        curves.update(search_curves(read_results(run)))
    budgets = manifest.get("study", {}).get("budgets", {})
    return Figures(
        key=_digest([str(run.path.resolve()), manifest.get("run"), manifest.get("forked_from")]),
        settings={
            "name": run.path.resolve().name,
            "seed": str(run.seed),
            "space": _digest(manifest["space"]),
            "tasks": ", ".join(space.tasks),
            "blocks": ", ".join(block.name for block in space.blocks),
            **_flat("data", manifest.get("data", {})),
            **_flat("training", manifest.get("training", {})),
        },
        changing={
            "path": str(run.path.resolve()),
            **_flat("search", manifest.get("search", {})),
            **_flat("budget", budgets),
            **_flat("version", manifest["run"].get("versions", {})),
        },
        curves=curves,
        files=tuple(run.path / name for name in FILES if (run.path / name).is_file()),
    )


def search_curves(results: Results) -> dict[str, Curve]:
    """Hypervolume and lowest errors within the budgets after every evaluation, and what the search amounts to now."""
    count = len(results.rows)
    if not count:
        return {}
    curves: dict[str, Curve] = {"front_size": {count: float(results.on_front.sum())}}
    if results.has_reference:
        curves["hypervolume"] = dict(enumerate(results.hypervolumes().tolist(), 1))
    for name in (*(f"error/{task}" for task in results.space.tasks), MEAN_ERROR):
        lowest = np.minimum.accumulate(np.where(results.feasible, results.values(name), np.inf))
        curves[f"best/{name}"] = {step: value for step, value in enumerate(lowest.tolist(), 1) if math.isfinite(value)}
    return curves


def _by_name(entries: Mapping[int, Mapping[str, float]]) -> dict[str, Curve]:
    """Curves from figures by epoch; what is not finite is left out."""
    found: dict[str, dict[int, float]] = {}
    for epoch, figures in entries.items():
        for name, value in figures.items():
            if math.isfinite(value):
                found.setdefault(name, {})[epoch] = value
    return dict(found)


def _flat(name: str, value: Any) -> dict[str, str]:
    """Settings by name, ``training/weighting/name``; lists are texts."""
    if isinstance(value, Mapping):
        return {key: text for part, one in value.items() for key, text in _flat(f"{name}/{part}", one).items()}
    return {name: value if isinstance(value, str) else json.dumps(value)}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
