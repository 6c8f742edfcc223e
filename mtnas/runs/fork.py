"""Another run with the supernetwork of one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from mtnas.atomic import make_directory, telling_place
from mtnas.errors import RunError
from mtnas.runs.run import Run

TRAINED = ("format", "run", "space", "data", "training", "space_file", "data_dir")
"""Sections of the manifest that say what was trained."""


def fork_run(run: Run, path: str | os.PathLike[str]) -> Run:
    """A new run directory with the trained supernetwork of a run, and none of its searches.

    One training serves several searches so: with other objectives, in other precisions, for other targets. The weights
    are not copied where the file system can link them: neither run ever changes them in place.

    Args:
        run: with a checkpoint.
        path: of the new directory, which must not be there.

    Raises:
        RunError: if there is nothing to fork, or something in the way.
    """
    path = Path(path)
    if path.exists():
        raise RunError(f"{path} exists already; choose a new directory for the forked run")
    if not run.checkpoint.exists():
        raise RunError(f"the run {run.path} has no supernetwork yet; train it first")
    with run.hold():
        known = run.manifest.read()
        manifest = {name: known[name] for name in TRAINED if name in known}
        origin = {"path": str(run.path.resolve()), "at": datetime.now(UTC).isoformat(timespec="seconds")}
        manifest["forked_from"] = origin
        make_directory(path.parent)
        with telling_place(path):
            temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
        try:
            _link(run.checkpoint, temporary / run.checkpoint.name)
            if run.space_file.exists():
                shutil.copyfile(run.space_file, temporary / run.space_file.name)
            (temporary / run.manifest.path.name).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            temporary.chmod(run.path.stat().st_mode & 0o777)
            temporary.rename(path)  # the new run is there as a whole or not at all
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return Run(path)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
