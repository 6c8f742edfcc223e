"""Runs with code in them, and readers that must not run it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.readers import READERS
from mtnas.errors import MtnasError
from mtnas.runs import Run

NAMES = ("space.py", "sitecustomize.py", "usercustomize.py", "conftest.py", "torch.py", "optuna.py", "small_space.py")
"""Files that a careless reader, or Python in that directory, would run."""


def hostile_rows(finished: Path, folder: Path) -> list[dict[str, Any]]:
    """One row for every reader: how often code of the run was executed.

    Args:
        finished: an undamaged run.
        folder: to copy it to.
    """
    rows: list[dict[str, Any]] = []
    here = Path.cwd()
    for name, reader in READERS.items():
        path, marker = folder / f"hostile-{len(rows)}", folder / f"marker-{len(rows)}"
        shutil.copytree(finished, path)
        for file in NAMES:
            (path / file).write_text(f"open({str(marker)!r}, 'w').close()\n", encoding="utf-8")
        run = Run(path)
        run.manifest.write("space_file", {**run.manifest.section("space_file"), "path": str(path / "space.py")})
        os.chdir(path)
        try:
            reader(path)
            refused = 0
        except MtnasError:
            refused = 1
        finally:
            os.chdir(here)
        rows.append({"reader": name, "executed": int(marker.exists()), "refused": refused})
        shutil.rmtree(path)
    return rows
