"""A process that is killed at any instant loses nothing that was finished: the same command goes on to the same end."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from toy_runs import TOY_FILE, contents, searched_run, start

from mtnas.architecture import Candidate
from mtnas.results import Results
from mtnas.runs import Run, load_checkpoint
from mtnas.searching import read_results

pytestmark = pytest.mark.long

PATIENCE_S = 120
"""After this long a process that should have got somewhere is broken, however busy the machine."""


def rows_of(results: Results) -> list[tuple[Candidate, dict[str, float]]]:
    return [(row.candidate, dict(row.costs)) for row in results.rows]


def finished_rows(run: Path) -> int:
    """Finished evaluations in a study that another process may be writing."""
    study = run / "study.db"
    if not study.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{study}?mode=ro", uri=True, timeout=5)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0])
    except sqlite3.OperationalError:  # no tables yet
        return 0


def rows_so_far(run: Path) -> list[tuple[Candidate, dict[str, float]]]:
    """What a killed process left, without writing to it."""
    handle = Run(run)
    return rows_of(read_results(handle)) if "study" in handle.manifest.read() else []


@contextmanager
def working(run: Path, pause_s: float) -> Iterator[subprocess.Popen[str]]:
    """The command at work on a run."""
    process = start("run", TOY_FILE, "--run", run, "--seed", "0", "--evaluations", "12", pause_s=pause_s)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(reached: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the process got nowhere"
        time.sleep(0.01)


def test_a_run_stopped_again_and_again_ends_as_if_it_never_was(tmp_path: Path) -> None:
    path = tmp_path / "run"
    random_delay = random.Random(5)
    stops: list[tuple[signal.Signals, Callable[[], Any]]] = [
        (signal.SIGINT, lambda: (path / "supernet.safetensors").exists()),  # between two epochs
        (signal.SIGKILL, lambda: (path / "study.db").exists()),  # while the study's tables are made
        (signal.SIGKILL, lambda: finished_rows(path) >= 2),  # among the corner networks
        (signal.SIGINT, lambda: finished_rows(path) >= 6),
        (signal.SIGKILL, lambda: finished_rows(path) >= 8),
    ]
    before: list[tuple[Candidate, dict[str, float]]] = []
    said = []
    for how, instant in stops:
        with working(path, pause_s=0.03) as process:
            wait_until(instant, process)
            time.sleep(random_delay.uniform(0, 0.1))
            os.kill(process.pid, how)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
        assert "Traceback" not in out + err
        said += [err] if how == signal.SIGINT else []
        left = rows_so_far(path)
        assert left[: len(before)] == before and len(left) < 12
        before = left
        assert 1 <= load_checkpoint(path / "supernet.safetensors")[1]["epoch"] <= 3
        with Run(path).hold():  # nobody holds it any more
            pass

    with working(path, pause_s=0) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "12 candidates measured" in out
    results = read_results(Run(path))
    assert rows_of(results)[: len(before)] == before and len(before) >= 8
    assert len(results.rows) == len({row.id for row in results.rows}) == 12

    whole = searched_run(tmp_path / "whole")
    uninterrupted = read_results(whole)
    assert rows_of(results) == rows_of(uninterrupted) and results.reference == uninterrupted.reference
    weights, note = load_checkpoint(path / "supernet.safetensors")
    expected, expected_note = load_checkpoint(whole.checkpoint)
    assert note == expected_note and all(weights[name].equal(expected[name]) for name in expected)
    assert not [name for name in contents(path) if ".tmp" in name]
    assert {"results.csv", "front.png", "trees.png", "manifest.json", "space.py"} <= contents(path).keys()
    assert all("the same command goes on where it stopped" in err for err in said)
