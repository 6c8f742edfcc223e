"""A run: a directory that holds everything of one training and its searches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mtnas.architecture import ArchitectureSpace, CostTable
from mtnas.atomic import make_directory, telling_place, write_atomic, write_text
from mtnas.errors import ArchitectureError, RunError, brief
from mtnas.json_values import listed, text, whole
from mtnas.runs.manifest import Manifest


class Run:
    """A run directory.

    Args:
        path: of the directory; it is made when something is first written.
        seed: root seed, from which all others are derived. None: the directory's own, 0 for a new one.

    Raises:
        RunError: if the directory belongs to another seed, is damaged, or holds files that are not a run's.
    """

    def __init__(self, path: str | os.PathLike[str], seed: int | None = None) -> None:
        self.path = Path(path)
        self.manifest = Manifest(self.path / "manifest.json")
        self._depth = 0
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file, but a run needs a directory; choose another path")
        known = self._known_seed()
        if known is None and self.path.exists() and any(p.name[0] != "." for p in self.path.iterdir()):
            raise RunError(f"{self.path} holds files but no manifest, so it is not a run; choose another directory")
        self._asked = seed
        self.seed: int = self._agreed(known)

    def _known_seed(self) -> int | None:
        """The directory's seed, if it has one."""
        section = self.manifest.read().get("run")
        if section is None:
            return None
        try:
            return whole(section["seed"])
        except (KeyError, TypeError) as error:
            raise self.manifest.damaged("no seed") from error

    def _agreed(self, known: int | None) -> int:
        """The seed that was asked for, if the directory has no other."""
        if known is not None and self._asked not in (None, known):
            raise RunError(
                f"the run {self.path} has seed = {known}, but now it is {self._asked};"
                " use another run directory, or the same seed"
            )
        return known if known is not None else self._asked or 0

    # Files -----------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        """Weights of the supernetwork, optimizer state and training history."""
        return self.path / "supernet.safetensors"

    @property
    def study(self) -> Path:
        """SQLite file of the Optuna study."""
        return self.path / "study.db"

    @property
    def results(self) -> Path:
        """Table of measured rows, derived from the study."""
        return self.path / "results.csv"

    @property
    def space_file(self) -> Path:
        """Copy of the space file."""
        return self.path / "space.py"

    # Use -------------------------------------------------------------------------------------------------------

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes out while this one works on the directory. May be nested.

        The lock is the operating system's, so a killed process leaves none behind.

        Raises:
            RunError: if another process holds it, or nothing can be written into the directory.
        """
        if self._depth == 0:
            self._acquire()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._lock.release()

    def _acquire(self) -> None:
        make_directory(self.path)
        place = self.path / ".lock"
        if place.is_symlink() or (place.exists() and not place.is_file()):
            raise RunError(f"{place} is no file, so the run cannot be locked; delete it")
        self._lock = FileLock(place)
        try:
            with telling_place(self.path):
                self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"another process is working on the run {self.path}; wait for it, stop it, or use another run directory"
            ) from None
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise

    def _begin(self) -> None:
        """With the lock held: clear what killed processes left, settle the seed, write the manifest of a new run."""
        for left in self.path.rglob(".*.tmp*"):  # half-written by a process that was killed
            if left.is_file() or left.is_symlink():
                left.unlink(missing_ok=True)
        known = self._known_seed()
        self.seed = self._agreed(known)
        if known is None:
            self.manifest.write(
                "run",
                {
                    "seed": self.seed,
                    "created": datetime.now(UTC).isoformat(timespec="seconds"),
                    "versions": {name: version(name) for name in ("mtnas", "torch", "optuna", "numpy")},
                },
            )

    def keep_space_file(self, source: Path) -> None:
        """Copy the space file into the run and remember where it came from.

        A file that changed without changing the space itself replaces the copy; the earlier copy stays beside it.
        """
        if source.resolve().is_relative_to(self.path.resolve()):
            return
        content = source.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if self.space_file.exists():
            before = hashlib.sha256(self.space_file.read_bytes()).hexdigest()
            if before != digest:
                self.space_file.rename(self.path / f"space.{before[:8]}.py")
        write_atomic(self.space_file, lambda temporary: temporary.write_bytes(content))
        self.manifest.write("space_file", {"path": str(source.resolve()), "sha256": digest})

    def note_command(self, command: str, *, most: int = 50) -> None:
        """Remember a command line that has worked on the run, for reports; of equal ones in a row one is kept.

        Args:
            most: commands that are kept, the last ones.
        """
        known = self.commands()
        if known[-1:] != [command]:
            self.manifest.write("commands", {"lines": [*known, command][-most:]})

    def commands(self) -> list[str]:
        """Command lines that worked on the run, in their order.

        Raises:
            RunError: if the manifest is damaged.
        """
        section = self.manifest.read().get("commands", {"lines": []})
        try:
            return [text(line) for line in listed(section["lines"])]
        except (KeyError, TypeError) as error:
            raise self.manifest.damaged(f"commands: {error}") from error

    def find_space_file(self) -> Path:
        """The space file that this run was started with, where it was.

        Code out of the run directory itself is never chosen: whoever wants to run the copy in there names it.

        Raises:
            RunError: if it is no longer there, or has changed.
        """
        section = self.manifest.section("space_file")
        try:
            path, digest = Path(text(section["path"])), text(section["sha256"])
            # Another directory's manifest must not reach for what lies where the user happens to stand.
            if not path.is_absolute() or "\0" in section["path"]:
                raise ValueError("path is not absolute")
        except KeyError as error:
            raise self.manifest.damaged(f"space_file has no {error}") from error
        except (TypeError, ValueError) as error:
            raise self.manifest.damaged(f"space_file: {error}") from error
        remedy = f"name the space file to use, for example --space {self.space_file} for the copy that the run kept"
        if not path.is_file():
            raise RunError(f"the space file of the run {self.path} is no longer at {brief(path)}; {remedy}")
        if path.resolve().is_relative_to(self.path.resolve()):
            raise RunError(
                f"the run {self.path} names a space file inside itself, which is not run by itself; {remedy}"
            )
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise RunError(f"the space file {path} has changed since the run {self.path} used it; {remedy}")
        return path

    def architectures(self) -> tuple[ArchitectureSpace, CostTable]:
        """The architectures and costs that this run searches, read from the manifest: no code of the space runs.

        Raises:
            RunError: if there are none yet, or the manifest is damaged.
        """
        section = self.manifest.section("space")
        try:
            space = ArchitectureSpace.from_json(section.get("architectures", {}))
            costs = CostTable.from_json(section.get("costs", {}))
            costs.check(space)
            _check_names(section, space)
        except ArchitectureError as error:
            raise self.manifest.damaged(str(error)) from error
        return space, costs

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of that name into the run atomically and return its path."""
        write_text(self.path / name, text)
        return self.path / name


def _check_names(section: Mapping[str, Any], space: ArchitectureSpace) -> None:
    """Raise ArchitectureError unless what describes tasks and options has their names, in their order.

    Rows name tasks by their number: in another order, their trees and heads would be those of other tasks.
    """
    tasks = {part: list(space.tasks) for part in ("heads", "losses", "errors", "weights")}
    for part, names in {**tasks, "modules": [block.name for block in space.blocks]}.items():
        if part in section and _names(section[part]) != names:
            raise ArchitectureError(f"space: {part} are not those of {', '.join(names)}")
    for block in space.blocks if "modules" in section else ():
        if _names(section["modules"][block.name]) != list(block.options):
            raise ArchitectureError(f"space: the modules of block '{block.name}' are not those of its options")


def _names(value: Any) -> list[str]:
    """Names of an object, in their order; none of anything else."""
    return list(value) if isinstance(value, dict) else []
