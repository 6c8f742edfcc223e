"""A run's study where it is kept, read without Optuna.

It is an Optuna study in SQLite, or in another relational database if the user gave the address of one. All that is
needed of it is attributes of its trials: whoever only looks at a run need not wait for Optuna, nor for torch.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mtnas.errors import RunError, brief
from mtnas.runs.run import Run

STORAGE_VARIABLE = "MTNAS_STORAGE"
"""Environment variable with the whole address of a database, password included: runs keep it without."""

_GIVEN: dict[str, str] = {}
"""Whole addresses that this process was given, by how they are kept."""

_TABLES = ("studies", "trials", "trial_user_attributes", "trial_system_attributes", "trial_values")
"""Of Optuna, that are read here."""

_STUDY = "SELECT study_id FROM studies WHERE study_name = :name"


_LONGEST = 2**26
"""Bytes of the longest value that is read; a function in a hostile schema could make a longer one out of nothing."""

Ask = Callable[[str], Iterator[tuple[Any, ...]]]
"""Gives the lines that a query finds: SQL with one parameter, ``:study``, the id of the study."""


@contextmanager
def reading_study(run: Run, known: Mapping[str, str], patience_s: float) -> Iterator[Ask]:
    """Asks the study in use; nothing is written.

    Args:
        run: another process may be searching it.
        known: what the manifest says of the study: its name, and the address of its database if it has one.
        patience_s: seconds to wait for that process to finish what it is writing.

    Raises:
        RunError: if the study is lost or damaged, also where what is made of the lines raises as damaged content does.
    """
    address = known.get("storage")
    with _in_file(run, known, patience_s) if address is None else _in_database(address, known) as ask:
        yield ask


@contextmanager
def _in_file(run: Run, known: Mapping[str, str], patience_s: float) -> Iterator[Ask]:
    must_have_study(run)
    # Opened for writing so that SQLite can undo what a killed process had half written; query_only refuses all else.
    address = f"{run.study.resolve().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=patience_s)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")  # so that all answers are of one moment
            _check_file(connection)
            found = connection.execute(_STUDY, {"name": known["name"]}).fetchone()
            if found is None:
                raise ValueError(f"it has no study '{known['name']}'")
            yield lambda query: connection.execute(query, {"study": found[0]})
    except (sqlite3.Error, LookupError, TypeError, ValueError) as error:
        raise damaged_study(str(run.study), str(error)) from error


def _check_file(connection: Any) -> None:
    """See that a SQLite file is whole and holds tables only. ValueError or sqlite3.Error if not.

    Pages that refer to each other in circles are refused so, and what Optuna does not make: views, which may go on
    without end, tables of extensions, and triggers, which would run when a search writes.

    Args:
        connection: of `sqlite3`, or of a driver like it.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    found = set()
    for kind, name, page in connection.execute("SELECT type, name, rootpage FROM sqlite_master"):
        if kind not in ("table", "index") or not page:  # tables of extensions have no page
            raise ValueError(f"it has '{name}', which a study has not")
        found.add(name)
    if not found.issuperset(_TABLES):
        raise ValueError(f"it has no table '{min(set(_TABLES) - found)}'")
    (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        raise ValueError(str(answer))
    orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    if orphan is not None:
        raise ValueError(f"'{orphan[0]}' tells of '{orphan[2]}' that are gone")


@contextmanager
def _in_database(address: str, known: Mapping[str, str]) -> Iterator[Ask]:
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(with_password(address))
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            raise ValueError("it is not a file")  # one would be made
        engine = sqlalchemy.create_engine(url)
        with closing(engine.connect()) as connection:
            if engine.dialect.name == "sqlite":
                _check_file(connection.connection.driver_connection)
            found = connection.execute(sqlalchemy.text(_STUDY), {"name": known["name"]}).fetchone()
            if found is None:
                raise ValueError(f"it has no study '{known['name']}'")

            def ask(query: str) -> Iterator[tuple[Any, ...]]:
                return (tuple(line) for line in connection.execute(sqlalchemy.text(query), {"study": found[0]}))

            yield ask
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, ImportError, LookupError, TypeError, ValueError) as error:
        raise RunError(
            f"the study '{brief(known['name'])}' cannot be read from {brief(address)} ({first_line(error)}); is the"
            f" database there, and does {STORAGE_VARIABLE} hold its whole address if it needs a password?"
        ) from error


def without_password(address: str) -> str:
    """An address as it is kept and shown.

    >>> without_password("postgresql+psycopg2://me:secret@host:5432/studies")
    'postgresql+psycopg2://me@host:5432/studies'
    """
    named = re.sub(r"^([\w+]+://[^/@:]*):.*@", r"\1@", address)
    return re.sub(r"(?<=[?&])password=[^&]*&?", "", named).rstrip("?&")


def remember(address: str) -> str:
    """How an address is kept; this process knows its password from now on."""
    kept = without_password(address)
    if kept != address:
        _GIVEN[kept] = address
    return kept


def with_password(address: str) -> str:
    """An address that is kept, with the password that this process was given or that the environment has for it."""
    whole = os.environ.get(STORAGE_VARIABLE, "")
    return _GIVEN.get(address) or (whole if whole and without_password(whole) == address else address)


def must_have_study(run: Run) -> None:
    """Raise RunError if the study is not where it was."""
    if not run.study.is_file():
        raise RunError(
            f"the run {run.path} has lost its study {run.study.name}; restore it, or use another run directory"
        )


def damaged_study(where: str | Path, reason: str) -> RunError:
    """The error of a study that cannot be read, as one line."""
    line = brief(reason.strip().partition("\n")[0])
    return RunError(f"the study {where} is damaged ({line}); restore it, or use another run directory")


def first_line(error: BaseException) -> str:
    """What an error of a database says first."""
    return brief(str(error).strip().partition("\n")[0] or type(error).__name__)
