"""All damages of all files, each done to a copy of a run."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzzing.checkpoint_damage import CHECKPOINT
from benchmarks.fuzzing.edits import Truth, is_valid_edit
from benchmarks.fuzzing.json_damage import JSON
from benchmarks.fuzzing.outcomes import Outcome, outcome, read
from benchmarks.fuzzing.raw_damage import RAW, Damage
from benchmarks.fuzzing.sqlite_damage import SQLITE

DAMAGES: Mapping[str, Mapping[str, Damage]] = {
    "manifest.json": {**RAW, **JSON},
    "results.csv": RAW,
    "study.db": {**RAW, **SQLITE},
    "supernet.safetensors": {**RAW, **CHECKPOINT},
    "latencies.json": {**RAW, **JSON},
    "refined": {**RAW, **JSON},
}
"""By file, or ``refined`` for the row of a refined network, and by name."""


@dataclass(frozen=True)
class Undamaged:
    """A run, and what readers give of it.

    Attributes:
        path: of the run.
        folder: for damaged copies.
        before: what is read, by reader.
        truth: what is in it.
    """

    path: Path
    folder: Path
    before: Mapping[str, str]
    truth: Truth

    @classmethod
    def of(cls, path: Path, folder: Path, readers: Sequence[str]) -> Undamaged:
        return cls(path, folder, read(path, readers), Truth.of(path))


def damaged_outcome(run: Undamaged, file: str, name: str, number: str, pictures: float) -> Outcome:
    """Damage a copy of a run, and read it.

    Args:
        run: its readers are used.
        file: in `DAMAGES`.
        name: of the damage.
        number: the seed of all chance.
        pictures: share of the damages after which pictures are drawn, too; 0: none.
    """
    rng = random.Random(f"{number} {file} {name}")
    copy = run.folder / "run"
    shutil.copytree(run.path, copy)
    try:
        place = next((copy / "refined").glob("*/row.json")) if file == "refined" else copy / file
        DAMAGES[file][name](place, rng)
        return outcome(
            copy,
            tuple(run.before),
            run.before,
            lambda: is_valid_edit(file, copy, run.truth),
            draws=rng.random() < pictures,
            draws_edits=pictures > 0,
        )
    finally:
        shutil.rmtree(copy)
