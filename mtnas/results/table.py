"""The table of measured rows as a file, CSV or Parquet, and back."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.architecture import Candidate
from mtnas.atomic import write_atomic
from mtnas.errors import ArchitectureError, RunError, brief
from mtnas.results.columns import NUMBERS, TRUTHS, is_cost_column, typed
from mtnas.results.results import Row

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")
"""Of files that hold tables."""

_NEEDED = ("number", "candidate")


def check_table_file(path: Path) -> None:
    """Raise RunError unless a table can be a file of that name here."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise RunError(f"a table is a file that ends in {' or '.join(SUFFIXES)}, but got {path}; choose one of these")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise RunError(f"{path} needs pyarrow, which is not installed; pip install 'mtnas[parquet]', or write a .csv")


def write_table(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table of `Results.to_frame`; a file that is there is replaced.

    Args:
        frame: of any columns.
        path: ends in .csv or .parquet.

    Returns:
        The path.

    Raises:
        RunError: for another ending, and for Parquet where pyarrow is not installed.
    """
    check_table_file(path)
    if path.suffix.lower() == ".csv":
        write_atomic(path, lambda temporary: temporary.write_text(frame.to_csv(index=False), encoding="utf-8"))
    else:
        write_atomic(path, lambda temporary: frame.to_parquet(temporary, engine="pyarrow", index=False))
    return path


def read_table(path: Path) -> pd.DataFrame:
    """A table that `write_table` wrote, or a run's ``results.csv``, with the types and values that it had.

    Raises:
        RunError: for another ending, a file that is not there or no table of rows, and for Parquet where pyarrow is not
            installed.
    """
    import pandas as pd

    check_table_file(path)
    if not path.is_file():
        raise RunError(f"there is no table {path}; mtnas show RUN --out {path} writes one")
    try:
        if path.suffix.lower() == ".csv":
            frame = _parsed(pd.read_csv(path, dtype=str))
        else:
            frame = pd.read_parquet(path, engine="pyarrow")
        lacking = [name for name in _NEEDED if name not in frame]
        if lacking:
            raise ValueError(f"it has no column {lacking[0]}")
        return typed(frame)
    except (ValueError, TypeError, OSError) as error:  # pandas' and pyarrow's own errors are among these
        raise RunError(f"{path} is no table of measured rows ({brief(error)}); write it anew") from error


def _parsed(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of texts with its numbers and truth values: exact, and an id such as 123e456789 is no number."""
    for name in frame:
        if name in TRUTHS:
            if not frame[name].isin(["True", "False"]).all():
                raise ValueError(f"{name} is neither True nor False")
            frame[name] = frame[name] == "True"
        elif name in NUMBERS or is_cost_column(str(name)):
            frame[name] = frame[name].astype("float64")
    return frame


def rows_of_table(frame: pd.DataFrame) -> tuple[Row, ...]:
    """Measured rows out of the columns number, candidate and those of costs; a row lacks the costs that are missing.

    Raises:
        RunError: if a candidate is none.
    """
    costs = [str(name) for name in frame if is_cost_column(str(name))]
    found = []
    for line in frame.astype(object).to_dict("records"):
        try:
            candidate = Candidate.from_json(json.loads(line["candidate"]))
        except (ArchitectureError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"row {brief(line['number'])} of the table has no candidate ({brief(error)})") from error
        measured = {name: line[name] for name in costs if line[name] == line[name]}  # NaN is what was not measured
        found.append(Row(int(line["number"]), candidate, measured))
    return tuple(found)
