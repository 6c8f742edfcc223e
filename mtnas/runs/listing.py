"""The runs below a directory, and how far each has come."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mtnas.errors import MtnasError, RunError, brief
from mtnas.json_values import is_there, parse_json, text, whole
from mtnas.results import MEAN_ERROR, Results, Row
from mtnas.runs.checkpoint import ENTRY
from mtnas.runs.measured import read_results
from mtnas.runs.run import Run

ASKED = "asked"
"""Section of the manifest that tells the ``evaluations`` of the last search in all, and whether it has ``ended``."""


@dataclass(frozen=True)
class ListedRun:
    """How far a run has come. Numbers and texts that it does not have yet, or that are damaged, are None or empty.

    Attributes:
        path: of its directory.
        changed: when a file of it last did.
        problems: what is damaged, a sentence each.
        seed: of the run.
        tasks: their names.
        epoch: finished epochs of the training.
        epochs: of the training in all.
        results: of its search.
        database: address of the database that has the study instead of the run, which is not asked.
        asked: evaluations that the search was to make in all.
        ended: whether the last search came to its end.
        refined: candidates that were trained on their own.
        compared: candidates that were compared with plain networks.
    """

    path: Path
    changed: datetime
    problems: tuple[str, ...] = ()
    seed: int | None = None
    tasks: tuple[str, ...] = ()
    epoch: int | None = None
    epochs: int | None = None
    results: Results | None = None
    database: str | None = None
    asked: int | None = None
    ended: bool = False
    refined: int = 0
    compared: int = 0

    @property
    def state(self) -> str:
        """In words: ``training 12/40 epochs``, ``trained``, ``searching 80/120``, ``searched 120, 3 refined``."""
        if self.problems:
            return "damaged"
        if self.epochs is None:
            return "not trained"
        if self.epoch != self.epochs:
            return f"training {self.epoch}/{self.epochs} epochs"
        found = "trained"
        if self.results is not None:
            measured = len(self.results.rows)
            of = "" if self.asked is None else f"/{self.asked}"
            found = f"searched {measured}" if self.ended else f"searching {measured}{of}"
        elif self.database is not None:
            found = "searched in a database"
        more = {"refined": self.refined, "compared": self.compared}
        return ", ".join([found, *(f"{count} {what}" for what, count in more.items() if count)])

    @property
    def best(self) -> Row | None:
        """The row of lowest mean error within the budgets, if there is one."""
        if self.results is None or not self.results.feasible.any():
            return None
        return self.results.best(MEAN_ERROR)

    @property
    def hypervolume(self) -> float | None:
        """Of the results; None as long as there is no reference point."""
        return self.results.hypervolume() if self.results is not None and self.results.has_reference else None

    def to_json(self) -> dict[str, Any]:
        found, best = self.results, self.best
        return {
            "path": str(self.path),
            "state": self.state,
            "problems": list(self.problems),
            "changed": self.changed.isoformat(timespec="seconds"),
            "seed": self.seed,
            "tasks": list(self.tasks),
            "epoch": self.epoch,
            "epochs": self.epochs,
            "evaluations": None if found is None else len(found.rows),
            "evaluations_asked": self.asked,
            "search_ended": self.ended,
            "database": self.database,
            "objectives": [] if found is None else list(found.objectives),
            "budgets": {} if found is None else dict(found.budgets),
            "best": None if best is None else {"id": best.id, "costs": dict(best.costs)},
            "hypervolume": self.hypervolume,
            "refined": self.refined,
            "compared": self.compared,
        }


def list_runs(directory: Path) -> list[ListedRun]:
    """The runs in or below a directory, the one that changed last first. No code of a space runs, nothing is written.

    Of a checkpoint only the header is read, which has the note but not the weights: the digest over these is not
    checked, so that a run whose weights alone are damaged is not told from a sound one.

    Raises:
        RunError: if there is no such directory.
    """
    if not directory.is_dir():
        raise RunError(f"there is no directory {directory}; name the one that has the runs, for example runs/")
    return sorted(map(_listed, _run_directories(directory)), key=lambda run: (-run.changed.timestamp(), run.path))


def _run_directories(directory: Path) -> Iterator[Path]:
    """Directories with a manifest. Links are not followed, which could lead in circles, nor is a run looked into."""
    for place, names, files in os.walk(directory):
        if "manifest.json" in files or "manifest.json" in names:  # one that is a directory is damaged, not absent
            names.clear()
            yield Path(place)
        names[:] = [name for name in names if not name.startswith(".")]


def _listed(path: Path) -> ListedRun:
    known: dict[str, Any] = {"changed": _changed(path)}
    problems = []
    for read in (_read_manifest, _read_training, _read_search, _read_refining):
        try:
            known |= read(Run(path))
        except (MtnasError, OSError) as error:
            problems.append(" ".join(str(error).split()))
    return ListedRun(path, problems=tuple(dict.fromkeys(problems)), **known)


def _read_manifest(run: Run) -> dict[str, Any]:
    manifest = run.manifest.read()
    if "space" not in manifest:
        return {"seed": run.seed}
    return {"seed": run.seed, "tasks": run.architectures()[0].tasks}


def _read_training(run: Run) -> dict[str, Any]:
    if "training" not in run.manifest.read():
        return {}
    try:
        epochs = whole(run.manifest.section("training").get("epochs"))
    except TypeError as error:
        raise run.manifest.damaged(f"training.epochs: {error}") from error
    return {"epochs": epochs, "epoch": _epoch(run.checkpoint) if is_there(run.checkpoint) else 0}


def _epoch(checkpoint: Path) -> int:
    """Finished epochs that the note of a checkpoint tells, read from the header alone; see `list_runs`."""
    # Of numpy, since for torch's tensors torch would be imported; the library sees whether the file is whole.
    from safetensors import SafetensorError, safe_open

    try:
        if not checkpoint.is_file():
            raise OSError("it is not a file")
        with safe_open(str(checkpoint), framework="numpy") as file:
            entry = parse_json((file.metadata() or {})[ENTRY])
        return whole(parse_json(text(entry["note"]))["epoch"])
    except (SafetensorError, LookupError, TypeError, ValueError, OSError) as error:
        raise RunError(
            f"the checkpoint {checkpoint} is damaged ({brief(error)}); delete it to train again from the start"
        ) from error


def _read_search(run: Run) -> dict[str, Any]:
    manifest = run.manifest.read()
    study, asked = manifest.get("study"), manifest.get(ASKED)
    if study is None:
        return {}
    if isinstance(study, dict) and "storage" in study:
        # Whoever lists a directory does not mean to connect to whatever its runs name.
        return {"database": brief(study["storage"])}
    results = read_results(run)
    noted = asked if isinstance(asked, dict) else {}
    count = noted.get("evaluations")
    known = count if isinstance(count, int) and not isinstance(count, bool) else None
    # A search that was stopped before its first row leaves the table of the one before, which has as many rows.
    going_on = noted.get("ended") is False and known is not None and len(results.rows) < known
    return {"results": results, "asked": known, "ended": not going_on and _lines(run.results) == len(results.rows)}


def _lines(table: Path) -> int:
    """Lines of a table of results, but for the heading: it is written when a search ends."""
    if not table.is_file():
        return 0
    with table.open("rb") as file:
        return sum(1 for _ in file) - 1


def _read_refining(run: Run) -> dict[str, Any]:
    refined = sum(1 for _ in (run.path / "refined").glob("*/row.json"))
    compared = sum(1 for _ in (run.path / "compared").glob("*/compared.csv"))
    return {"refined": refined, "compared": compared}


def _changed(path: Path) -> datetime:
    """When a file of the run last changed; not its lock, which every command that may write touches."""
    times = []
    for place, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):  # another process is writing there
                times.append((Path(place) / name).lstat().st_mtime if name != ".lock" else 0.0)
    return datetime.fromtimestamp(max(times, default=0.0), UTC)
