"""Files that are either the old one or the new one, whatever kills the process."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mtnas.errors import RunError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_NO_PLACES = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)

_SIGNS = ("No space left on device", "File too large", "database or disk is full", "disk I/O error")
"""How libraries tell it that raise no OSError: safetensors, SQLite."""


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a temporary file beside ``path``, then put it in its place in one step.

    A file that is there stays untouched until the new one is complete and on disk.

    Raises:
        RunError: if the disk is full, a directory is in the way, or nothing can be written there.
    """
    if path.is_dir() and not path.is_symlink():
        raise RunError(f"{path} is a directory, but a file is to be written there; move it away")
    with telling_full_disk(path):
        make_directory(path.parent)
        with telling_place(path):
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".tmp{path.suffix}")
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(_usual_mode())
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def make_directory(path: Path) -> None:
    """Make a directory, and those that it is in, unless it is there.

    Raises:
        RunError: if that cannot be: a file is in the way, or nothing may be written there.
    """
    with telling_place(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def telling_place(path: Path) -> Iterator[None]:
    """Turn what a place raises in which nothing can be written into a sentence.

    Raises:
        RunError: if a directory is read-only or somebody else's, or a file is where a directory is needed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACES:
            raise
        raise RunError(
            f"{path} cannot be written ({error.strerror}: {error.filename}); allow that, or choose another place"
        ) from error


@contextmanager
def telling_full_disk(path: Path) -> Iterator[None]:
    """Turn what a full disk raises within into a sentence.

    Raises:
        RunError: if a file cannot be written for lack of space.
    """
    try:
        yield
    except Exception as error:
        if any(map(_is_full, _causes(error))):
            raise RunError(
                f"{path} cannot be written: the disk is full, or a limit on files is reached. Everything up to here is"
                " kept; free some space, and the same command goes on"
            ) from error
        raise


def _is_full(error: BaseException) -> bool:
    full = isinstance(error, OSError) and error.errno in _FULL
    return full or any(sign in str(error) for sign in _SIGNS)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomic(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    write_atomic(path, lambda temporary: temporary.write_bytes(content))


def _usual_mode() -> int:
    """Permissions that a new file has here; temporary files are made readable by their owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
