"""Studies that SQLite can read, but that hold something else than a search wrote."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.fuzzing import json_damage
from benchmarks.fuzzing.raw_damage import Damage

Change = Callable[[sqlite3.Connection, random.Random], None]

VALUES: tuple[Any, ...] = (
    None,
    -1,
    0,
    7,
    2**62,
    0.5,
    1e308,
    float("inf"),
    -float("inf"),
    "",
    "text",
    "NaN",
    json_damage.ESCAPES,
    b"\xff\xfe\0",
    "x" * 100_000,
)

TRIES = 50
"""Of a damage that SQLite may refuse to write."""

TABLES = (
    "studies",
    "study_directions",
    "study_system_attributes",
    "trials",
    "trial_params",
    "trial_values",
    "trial_user_attributes",
    "trial_system_attributes",
    "version_info",
    "alembic_version",
)


def on_database(change: Change) -> Damage:
    """A damage of the tables, without what would keep them from it."""

    def damage(path: Path, rng: random.Random) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for _ in range(TRIES):
                try:
                    change(connection, rng)
                except sqlite3.IntegrityError:  # a unique or NOT NULL column: this one cannot be written
                    continue
                return

    return damage


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [line[1] for line in connection.execute(f"PRAGMA table_info({table})")]


def _line(connection: sqlite3.Connection, table: str, rng: random.Random) -> int:
    """rowid of some line."""
    return int(rng.choice(connection.execute(f"SELECT rowid FROM {table}").fetchall())[0])


def _value(connection: sqlite3.Connection, rng: random.Random) -> None:
    """One value of a table is another."""
    table = rng.choice(TABLES)
    column = rng.choice(_columns(connection, table))
    place = _line(connection, table, rng)
    connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (rng.choice(VALUES), place))


def _lost(connection: sqlite3.Connection, rng: random.Random) -> None:
    """A line is gone, or all of a table."""
    table = rng.choice(TABLES)
    if rng.random() < 0.2:
        connection.execute(f"DELETE FROM {table}")
    else:
        connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (_line(connection, table, rng),))


def _exchanged(connection: sqlite3.Connection, rng: random.Random) -> None:
    """Two lines have each other's value."""
    table = rng.choice(TABLES[3:8])
    column = rng.choice([name for name in _columns(connection, table) if not name.endswith("_id")])
    one, other = _line(connection, table, rng), _line(connection, table, rng)
    found = [
        connection.execute(f'SELECT "{column}" FROM {table} WHERE rowid = ?', (place,)).fetchone()[0]
        for place in (one, other)
    ]
    for place, value in zip((other, one), found, strict=True):
        connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE rowid = ?', (value, place))


def _state(connection: sqlite3.Connection, rng: random.Random) -> None:
    state = rng.choice(["FAIL", "PRUNED", "RUNNING", "WAITING", "complete", "LOOP", "", 3, None])
    connection.execute("UPDATE trials SET state = ? WHERE rowid = ?", (state, _line(connection, "trials", rng)))


def _number(connection: sqlite3.Connection, rng: random.Random) -> None:
    """Numbers or studies of trials: gaps, the same twice, another study."""
    column = rng.choice(["number", "study_id", "trial_id"])
    value = rng.choice([0, 1, 5, 99, -1, 2**40, 1.5, "1", None])
    connection.execute(f"UPDATE trials SET {column} = ? WHERE rowid = ?", (value, _line(connection, "trials", rng)))


def _amount(connection: sqlite3.Connection, rng: random.Random) -> None:
    """A value of an objective, or a parameter, is another number or kind of number."""
    table, column, kind = rng.choice(
        [("trial_values", "value", "value_type"), ("trial_params", "param_value", "distribution_json")]
    )
    place = _line(connection, table, rng)
    if rng.random() < 0.3:
        other = rng.choice(
            ["INF_POS", "INF_NEG", "FINITE", "NAN", "{}", "5", '{"name": "os.system", "attributes": {}}']
        )
        connection.execute(f"UPDATE {table} SET {kind} = ? WHERE rowid = ?", (other, place))
        return
    known = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (place,)).fetchone()[0]
    given = rng.choice([known + 1, known * 1.01, known - 1, *VALUES])
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (given, place))


def _attribute(connection: sqlite3.Connection, rng: random.Random) -> None:
    """The JSON of an attribute holds something else, or is none."""
    table = rng.choice(["trial_user_attributes", "trial_user_attributes", "trial_system_attributes"])
    place = _line(connection, table, rng)
    text = connection.execute(f"SELECT value_json FROM {table} WHERE rowid = ?", (place,)).fetchone()[0]
    kinds = (
        json_damage.other_type,
        json_damage.other_number,
        json_damage.other_text,
        json_damage.other_name,
        json_damage.other_length,
        json_damage.deep,
        json_damage.odd_text,
    )
    value = rng.choice(kinds)(json.loads(text), rng)
    written = value if isinstance(value, str) else json.dumps(value)
    connection.execute(f"UPDATE {table} SET value_json = ? WHERE rowid = ?", (written, place))


def _schema(connection: sqlite3.Connection, rng: random.Random) -> None:
    """Tables are gone, or are views that go on without end, make values out of nothing, or are not of this file."""
    table = rng.choice(TABLES)
    connection.execute(f"ALTER TABLE {table} RENAME TO kept")
    kind = rng.randrange(5)
    columns = _columns(connection, "kept")
    if kind == 0:
        connection.execute(
            f"CREATE VIEW {table} AS WITH RECURSIVE more AS (SELECT * FROM kept UNION ALL SELECT * FROM more)"
            " SELECT * FROM more"
        )
    elif kind == 1:
        named = ", ".join(f'hex(zeroblob(100000000)) AS "{name}"' for name in columns)
        connection.execute(f"CREATE VIEW {table} AS SELECT {named} FROM kept")
    elif kind == 2:
        named = ", ".join(f'"{name}"' for name in columns)
        connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts3({named})")
    elif kind == 3:
        connection.execute(f"CREATE TABLE {table} (other TEXT)")


SQLITE: dict[str, Damage] = {
    "value changed": on_database(_value),
    "lines lost": on_database(_lost),
    "lines exchanged": on_database(_exchanged),
    "state changed": on_database(_state),
    "number changed": on_database(_number),
    "amount changed": on_database(_amount),
    "attribute changed": on_database(_attribute),
    "schema changed": on_database(_schema),
}
