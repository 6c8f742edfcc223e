"""Where data files are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mtnas.errors import DataError


def find_data_dir(data_dir: Path | None) -> Path:
    """The directory given, else that of the environment variable MTNAS_DATA.

    Raises:
        DataError: if neither names a directory that exists.
    """
    named = os.environ.get("MTNAS_DATA", "")
    if data_dir is None and not named:
        raise DataError(
            "no data directory is given; pass one as data_dir, or name it in the environment variable MTNAS_DATA"
        )
    path, origin = (Path(named), "MTNAS_DATA") if data_dir is None else (Path(data_dir), "data_dir")
    if not path.is_dir():
        raise DataError(f"{origin} names '{path}', which is not a directory; name one that exists")
    return path


def find_file(folders: Iterable[Path], names: Iterable[str], remedy: str) -> Path:
    """The first file of one of these names in one of these folders.

    Raises:
        DataError: if there is none, with where it was looked for and the remedy.
    """
    folders, names = list(folders), list(names)
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    places = ", ".join(f"'{folder}'" for folder in folders)
    raise DataError(f"there is no {' or '.join(names)} in {places}; {remedy}")
