"""Runs of the toy space, trained and searched once and copied for every test, and the command line as tests call it."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import toy_space
from optuna.samplers import BaseSampler
from sqlalchemy import Engine, event

from mtnas.cli import main
from mtnas.results import Results
from mtnas.runs import Run
from mtnas.searching import search
from mtnas.searching.study import RunStudy
from mtnas.supernet import SuperNetwork
from mtnas.training import load_supernetwork, train

TOY_FILE = Path(toy_space.__file__).resolve()


@event.listens_for(Engine, "connect")
def _do_not_wait_for_the_disk(connection: Any, record: Any) -> None:
    """Studies of this process need not outlive a power cut; those of processes that are killed are left as they are."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


_KEPT = tempfile.TemporaryDirectory(prefix="toy_runs_")


# Runs ------------------------------------------------------------------------------------------------------------


@cache
def _made(searched: bool) -> Path:
    path = Path(_KEPT.name) / ("searched" if searched else "trained")
    if searched:
        shutil.copytree(_made(False), path)
        search_toy(Run(path))
    else:
        run = Run(path)
        train(toy_space.space, toy_space.data(None), run, toy_space.training, show_progress=False)
        run.keep_space_file(TOY_FILE)
    return path


def trained_run(path: Path) -> Run:
    """A run whose supernetwork is trained and that has no results yet."""
    return Run(shutil.copytree(_made(False), path))


def searched_run(path: Path) -> Run:
    """A run with the results that the toy file's settings give."""
    return Run(shutil.copytree(_made(True), path))


def begun_run(path: Path) -> Run:
    """A run whose search has begun, but has no rows yet."""
    run, objectives = trained_run(path), ("error/mean", "params")
    run.manifest.claim("search", {"objectives": list(objectives)})
    RunStudy.open(run, objectives, {})
    return run


@cache
def supernet() -> SuperNetwork:
    """The supernetwork of those runs."""
    return load_supernetwork(toy_space.space, toy_space.data(None), Run(_made(False)), "cpu")


def search_toy(
    run: Run,
    evaluations: int = 12,
    budgets: Mapping[str, float] | None = None,
    objectives: Sequence[str] = (),
    sampler: BaseSampler | None = None,
    warm_start: Results | None = None,
) -> Results:
    """Search a trained run of the toy space."""
    settings = replace(toy_space.searching, evaluations=evaluations, budgets=budgets or {}, objectives=objectives)
    return search(
        toy_space.space,
        toy_space.data(None),
        run,
        settings,
        sampler=sampler,
        supernet=supernet(),
        warm_start=warm_start,
        show_progress=False,
    )


def contents(path: Path) -> dict[str, bytes]:
    """Every file below a directory with what is in it, but for the lock."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


# Command line ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def call(*arguments: str | os.PathLike[str]) -> Outcome:
    """The command in this process: what it prints and its exit status."""
    out, err = io.StringIO(), io.StringIO()
    words = ["mtnas", *map(os.fspath, arguments)]
    with patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code: Any = 0
        except SystemExit as left:
            code = left.code
    return Outcome(int(code or 0), out.getvalue(), err.getvalue())


def refused(outcome: Outcome, *parts: str) -> str:
    """The sentence of a command that refused its input; each part must be in it."""
    assert outcome.code == 1, outcome
    assert outcome.err.startswith("error: ") and "Traceback" not in outcome.err + outcome.out
    sentence = outcome.err.removeprefix("error: ").strip()
    for part in parts:
        assert part in sentence, sentence
    return sentence


def start(*arguments: str | os.PathLike[str], pause_s: float = 0.0) -> subprocess.Popen[str]:
    """The command in a process of its own, which may be killed: what it wrote stays, but for a power cut."""
    environment = {name: value for name, value in os.environ.items() if name != "MTNAS_DATA"}
    environment.update(OMP_NUM_THREADS="1", TOY_PAUSE_S=str(pause_s))
    return subprocess.Popen(
        [sys.executable, "-m", "mtnas", *map(os.fspath, arguments)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Children of a shell's background jobs (nohup, some CI) ignore SIGINT unless told otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
