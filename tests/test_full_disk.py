"""A disk that is full ends a search with a sentence; what was measured is intact, and the same command goes on."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toy_runs import call, trained_run

from mtnas.atomic import write_atomic, write_text
from mtnas.errors import RunError
from mtnas.runs import Run, load_checkpoint, read_results

pytestmark = pytest.mark.long


def limited(arguments: list[str], bytes_at_most: int) -> subprocess.CompletedProcess[str]:
    """The command in a process whose files may not grow beyond some size, as on a disk that has no more room."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, bytes_at_most))

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mtnas", *arguments], env=environment, text=True, capture_output=True, preexec_fn=limit
    )


def test_a_search_on_a_full_disk_keeps_what_it_has(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    assert call("search", str(run.path), "-n", "6").code == 0
    before = read_results(run).rows
    room = run.study.stat().st_size + 12_000
    ended = limited(["search", str(run.path), "-n", "200"], room)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in ended.stderr
    assert "the disk is full" in ended.stderr and "the same command goes on" in ended.stderr
    between = read_results(Run(run.path)).rows
    assert between[:6] == before and 6 < len(between) < 200
    assert call("search", str(run.path), "-n", str(len(between) + 3)).code == 0
    assert read_results(Run(run.path)).rows[: len(between)] == between


def test_a_training_on_a_full_disk_keeps_its_last_epoch(tmp_path: Path) -> None:
    from toy_runs import TOY_FILE

    run = tmp_path / "run"
    assert call("train", str(TOY_FILE), "--run", str(run), "--epochs", "3").code == 0
    kept = (run / "supernet.safetensors").read_bytes()
    other = tmp_path / "other"
    ended = limited(["train", str(TOY_FILE), "--run", str(other), "--epochs", "3"], len(kept) // 2)
    assert ended.returncode == 1
    assert "the disk is full" in ended.stderr and "Traceback" not in ended.stderr
    assert not (other / "supernet.safetensors").exists()
    assert call("train", str(TOY_FILE), "--run", str(other), "--epochs", "3").code == 0
    assert load_checkpoint(other / "supernet.safetensors")[1] == load_checkpoint(run / "supernet.safetensors")[1]


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")

    def fails(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="cannot be written: the disk is full"):
        write_atomic(path, fails)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    def fails(temporary: Path) -> None:
        raise OSError(13, "Permission denied")

    with pytest.raises(PermissionError):
        write_atomic(tmp_path / "file", fails)
