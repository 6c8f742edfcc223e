"""What a user does with a run directory, each as a function that gives all that was read as text."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.fuzzing import small_space
from mtnas.cli import main
from mtnas.errors import MtnasError
from mtnas.quantizing import JointCosts
from mtnas.refining import read_refined
from mtnas.runs import Run, read_predictors, read_results
from mtnas.runs.latencies import read_latencies
from mtnas.searching import Parameters, RunStudy, SearchSettings
from mtnas.searching.checks import searched_space
from mtnas.searching.stored_trials import check_trials
from mtnas.space.data import Data
from mtnas.training import load_supernetwork

Reader = Callable[[Path], object]
"""Reads a run; what it gives is compared by its ``repr``."""


class Refused(MtnasError):
    """What the command said."""


def command(*words: str) -> Callable[[Path], str]:
    """A command on a run, in this process, with what it prints; `Refused` where it exits with status 1."""

    def run(path: Path) -> str:
        out, err = io.StringIO(), io.StringIO()
        given = ["mtnas", words[0], str(path), *words[1:]]
        with patch.object(sys, "argv", given), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
                code: Any = 0
            except SystemExit as left:
                code = left.code
        told = err.getvalue()
        if code in (None, 0) and not told:
            return out.getvalue().replace(str(path), "RUN")
        if code == 1 and told.startswith("error: "):
            raise Refused(told.removeprefix("error: ").removesuffix("\n"))
        raise RuntimeError(f"exit status {code}: {told}")

    return run


def _results(path: Path) -> object:
    found = read_results(Run(path))
    volume = found.hypervolume() if found.has_reference else None
    return found, volume, [row.id for row in found.front()], sorted(found.corner_rows())


def _search(path: Path) -> object:
    """What a search that goes on does first with the study."""
    run = Run(path)
    manifest = run.manifest.read()
    study = RunStudy.open(run, manifest["search"]["objectives"], manifest["study"]["budgets"])
    joint = _joint()
    check_trials(study, Parameters(joint.space.product), joint)
    return study.rows()


@cache
def _joint() -> JointCosts:
    example, _ = _data().example()
    return searched_space(SearchSettings(), small_space.space, small_space.space.dry_run(example), example)


@cache
def _data() -> Data:
    return small_space.data(None)


def _weights(path: Path) -> object:
    supernet = load_supernetwork(small_space.space, _data(), Run(path), "cpu")
    return {
        name: (str(tensor.dtype), tuple(tensor.shape), hashlib.sha256(tensor.numpy().tobytes()).hexdigest())
        for name, tensor in supernet.state_dict().items()
    }


READERS: Mapping[str, Reader] = {
    "read_results": _results,
    "read_predictors": lambda path: read_predictors(Run(path)),
    "read_latencies": lambda path: read_latencies(Run(path)),
    "read_refined": lambda path: read_refined(Run(path)),
    "show": command("show"),
    "pick": command("pick", "--weight", "sign=3", "--json"),
    "pick by latency": command("pick", "--budget", "latency_ms=100", "--target", "threads 1"),
    "search": _search,
    "load_supernetwork": _weights,
    "plot": command("plot", "--dpi", "20"),
}

COMMON: Sequence[str] = ("read_results", "read_predictors", "show", "pick")

OF_FILE: Mapping[str, Sequence[str]] = {
    "manifest.json": (*COMMON, "read_latencies", "read_refined"),
    "results.csv": COMMON,
    "study.db": (*COMMON, "search"),
    "supernet.safetensors": ("load_supernetwork",),
    "latencies.json": ("read_latencies", "read_results", "pick by latency"),
    "refined": ("read_refined",),
}
"""Readers of every file. Pictures are drawn now and then, and wherever a change went unnoticed."""
