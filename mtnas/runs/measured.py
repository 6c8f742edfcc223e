"""Measured rows and results of a run, read from its files alone.

The study is an Optuna study in SQLite. Its rows are read by the standard library, since all that is needed of it is the
attributes of its finished trials: whoever only looks at a run need not wait for Optuna, nor for torch.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.results import Results, Row, cost_names
from mtnas.runs.run import Run

CANDIDATE, COSTS = "candidate", "costs"
"""Attributes of a trial that make its row."""

_STUDY = "SELECT study_id FROM studies WHERE study_name = ?"
_ATTRIBUTES = """
    SELECT trials.number, attributes.key, attributes.value_json
    FROM trials LEFT JOIN trial_user_attributes AS attributes USING (trial_id)
    WHERE trials.study_id = ? AND trials.state = 'COMPLETE'
    ORDER BY trials.number
"""


def read_results(run: Run) -> Results:
    """Results of a run so far. Reads the manifest and the study; runs no code of the space and needs no data."""
    manifest = run.manifest.read()
    if "study" not in manifest:
        raise RunError(f"the run {run.path} has no results yet; search first")
    space, costs = run.architectures()
    known = cost_names(space.tasks)
    try:
        objectives = tuple(manifest["search"]["objectives"])
        budgets, reference = dict(manifest["study"]["budgets"]), dict(manifest.get("reference", {}))
        intact = all(name in known for name in (*objectives, *budgets, *reference)) and all(
            isinstance(value, (int, float)) and value > 0 for value in (*budgets.values(), *reference.values())
        )
    except (KeyError, TypeError, ValueError):
        intact = False
    if not intact:
        raise RunError(
            f"the manifest {run.manifest.path} is damaged (search, study or reference);"
            " restore it, or use another run directory"
        )
    return Results(space, costs, objectives, budgets, reference, read_rows(run))


def read_rows(run: Run, *, patience_s: float = 30.0) -> tuple[Row, ...]:
    """Measured rows of a run, without writing to it; no rows if no search was started.

    Args:
        run: another process may be searching it.
        patience_s: seconds to wait for that process to finish what it is writing.
    """
    known = run.manifest.read().get("study")
    if known is None:
        return ()
    must_have_study(run)
    try:
        trials = _finished_trials(run.study, known["name"], patience_s)
        return tuple(as_row(number, attributes) for number, attributes in enumerate(trials))
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise damaged_study(run.study, str(error)) from error


def as_row(number: int, attributes: Mapping[str, Any]) -> Row:
    """The row of a trial's attributes; ValueError, KeyError or TypeError if they are not those of a row."""
    costs = dict(attributes[COSTS])
    if not costs or not all(isinstance(cost, (int, float)) for cost in costs.values()):
        raise ValueError(f"row {number} has costs {costs}")
    return Row(number, Candidate.from_json(attributes[CANDIDATE]), costs)


def must_have_study(run: Run) -> None:
    """Raise RunError if the study is not where it was."""
    if not run.study.exists():
        raise RunError(
            f"the run {run.path} has lost its study {run.study.name}; restore it, or use another run directory"
        )


def damaged_study(path: Path, reason: str) -> RunError:
    """The error of a study that cannot be read, as one line."""
    line = reason.partition("\n")[0]
    return RunError(f"the study {path} is damaged ({line}); restore it, or use another run directory")


def _finished_trials(path: Path, study: str, patience_s: float) -> list[dict[str, Any]]:
    """Attributes of a study's finished trials by rising number."""
    # Opened for writing so that SQLite can undo what a killed process had half written; query_only refuses all else.
    address = f"{path.resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=patience_s)) as connection:
        connection.execute("PRAGMA query_only = ON")
        found = connection.execute(_STUDY, (study,)).fetchone()
        if found is None:
            raise ValueError(f"it has no study '{study}'")
        trials: dict[int, dict[str, Any]] = {}
        for number, key, value in connection.execute(_ATTRIBUTES, found):
            trials.setdefault(number, {})
            if key in (CANDIDATE, COSTS):
                trials[number][key] = json.loads(value)
    return list(trials.values())
