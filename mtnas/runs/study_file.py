"""The file of a run's study, read by the standard library.

The study is an Optuna study in SQLite. All that is needed of it is attributes of its trials: whoever only looks at a
run need not wait for Optuna, nor for torch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mtnas.errors import RunError
from mtnas.runs.run import Run

_STUDY = "SELECT study_id FROM studies WHERE study_name = ?"


@contextmanager
def reading_study(
    run: Run, known: Mapping[str, Any], query: str, patience_s: float
) -> Iterator[Iterator[tuple[Any, ...]]]:
    """Lines that a query finds in the study in use; nothing is written.

    Args:
        run: another process may be searching it.
        known: what the manifest says of the study.
        query: SQL with one parameter, the id of the study.
        patience_s: seconds to wait for that process to finish what it is writing.

    Raises:
        RunError: if the file is lost or damaged, also where what is made of the lines raises as damaged content does.
    """
    must_have_study(run)
    # Opened for writing so that SQLite can undo what a killed process had half written; query_only refuses all else.
    address = f"{run.study.resolve().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=patience_s)) as connection:
            connection.execute("PRAGMA query_only = ON")
            found = connection.execute(_STUDY, (known["name"],)).fetchone()
            if found is None:
                raise ValueError(f"it has no study '{known['name']}'")
            yield connection.execute(query, found)
    except (sqlite3.Error, LookupError, TypeError, ValueError) as error:
        raise damaged_study(run.study, str(error)) from error


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
