"""Runs what a page shows, in its order and in a folder of its own, on spaces that are smaller than the shipped ones.

Whatever a command or a file is changed by stands in the tables here, with the reason.
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import types
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shown import ROOT, Shown, shown_on
from toy_runs import call

from mtnas.results import mean_error
from mtnas.runs import Run, read_results

# What is not as it is shown ------------------------------------------------------------------------------------------

SMALLER: dict[str, dict[str, str]] = {
    "digits.py": {
        "train=4000, valid=1000, test=1000": "train=200, valid=60, test=60",
        "channels=few, kernel=(3, 5)": "channels=few",
        "channels=some, kernel=(1, 3)": "channels=some",
        "channels=None, kernel=(3, 5), expansion=(1, 3)": "channels=None, expansion=(1, 3)",
        "channels=many, kernel=(1, 3), stride=2": "channels=many, stride=2",
        "epochs=74": "epochs=3",
        "shared_warmup=0.57": "shared_warmup=0.4, parting=0.34, affinity_samples=100, tree_budgets=(0.0, 0.5)",
        "evaluations=120": "evaluations=9, startup=6, measuring=_quickly, confirming=_quickly",
        "from mtnas.training import TrainingSettings": "from mtnas.training import TrainingSettings\n"
        "from mtnas.targets import MeasureSettings\n_quickly = MeasureSettings(rounds=4, block_ms=1, warmup_ms=1)",
        "RefineSettings(threads=1)": "RefineSettings(epochs=1, quantized_epochs=1, threads=1)",
    },
    "my_space.py": {
        "Squares(4000, seed=0)": "Squares(200, seed=0)",
        "Squares(1000, seed=1)": "Squares(100, seed=1)",
        "Squares(1000, seed=2)": "Squares(100, seed=2)",
        "evaluations=60": "evaluations=12",
        "epochs=24": "epochs=2",
    },
}
"""Space files, by name, with what is replaced in them: less data, fewer options, epochs and evaluations."""


FEWER = {"TrainingSettings(epochs=20, threads=1)": "TrainingSettings(epochs=2, threads=1)"}
"""What is replaced in Python that is shown: epochs."""


@dataclass(frozen=True)
class Change:
    """Of a command: what matches is replaced, for that reason. ``by`` may look at the folder that it runs in."""

    what: str
    by: str | Callable[[Path, str], str]
    why: str


def _some_more(folder: Path, command: str) -> str:
    """As many evaluations as the run of a command has, and two."""
    run = re.search(r"(?:search|--run) (\S+)", command)
    assert run is not None, command
    path = folder / run[1]
    known = len(read_results(Run(path)).rows) if (path / "results.csv").exists() else 10
    return f"-n {known + 2}"


def _lowest(folder: Path, command: str) -> str:
    """The candidate of lowest error of the small run."""
    return read_results(Run(folder / "runs/digits")).best().id


def _other(folder: Path, command: str) -> str:
    """The one of highest error."""
    rows = read_results(Run(folder / "runs/digits")).rows
    return max(rows, key=lambda row: mean_error({k: v for k, v in row.costs.items() if k.startswith("error/")})).id


CHANGES = (
    Change(r"4a9e94568c", _lowest, "ids are those of the run that the README's figures are of"),
    Change(r"bff78c16a5", _other, "the same"),
    Change(r"(-n|--evaluations) \d+", _some_more, "time"),
    Change(r"--(workers|seeds|epochs) \d+", r"--\1 1", "time"),
    Change(r"--top 16", "--top 4", "time; more than before, so that there is something left to do"),
    Change(r"--top [1-9]\b", "--top 2", "time"),
    Change(r"--rows 20", "--rows 4", "time"),
    Change(r"mtnas measure ", "mtnas measure --rounds 4 ", "time"),
    Change(r"--worker-gpus \S+", "--worker-gpus 0", "there is no GPU"),
    Change(r"--ray-address \S+", "--ray-address local", "to the cluster that the test has begun"),
    Change(r"postgresql://user@host/studies", "sqlite:///studies.db", "any database; there is no such server"),
)

NOT_RUN = {
    r"pip install ": "changes the environment, and needs a network",
    r"make \w+": "sets up an environment and runs the demo or these very tests",
    r"ray (start|up|exec|rsync-up|rsync-down) ": "needs machines of a cluster; the test begins its own",
    r"export RAY_AUTH_MODE=token": "the test's cluster has no other users",
    r"export MTNAS_STORAGE=": "there is no such server",
    r"#!/bin/bash|#SBATCH|head=\$\(scontrol |srun ": "a script for Slurm, which is not here",
    r"kubectl ": "there is no Kubernetes here",
    r"a search space in Python|->": "a sketch of what happens, no command",
}
"""Beginnings of shown lines that are no `mtnas` commands, or cannot be run here, with the reason."""


def why_not(shown: Shown) -> str | None:
    """Why a shown line is not run; None if it must be."""
    return next((why for start, why in NOT_RUN.items() if re.match(start, shown.text)), None)


WITH_WORKERS = "docs/cluster.md"
"""Commands with workers of other pages stand there, too, word for word, and run there only: that saves time."""


def needs_workers(shown: Shown) -> bool:
    """Whether a command starts other processes."""
    return "--workers" in shown.text or "--ray-address" in shown.text


# Running -------------------------------------------------------------------------------------------------------------


def run_page(page: str, folder: Path) -> None:
    """Run everything that a page shows, in its order: Python in one namespace.

    Raises:
        AssertionError: naming the page and the line of what does not run.
    """
    module = types.ModuleType("shown_page")
    sys.modules[module.__name__] = module
    with_workers: set[str] = set()  # that ran; the same for more evaluations on another address would show nothing new
    for shown in shown_on(page):
        if shown.kind == "python":
            _run_python(shown, module)
        elif why_not(shown) is None and (page == WITH_WORKERS or not needs_workers(shown)):
            command = re.sub(r"-n \d+ ", "", shlex.join(shlex.split(changed(shown.text, folder), comments=True)))
            if command not in with_workers:
                run_command(shown, folder)
            with_workers |= {command} if needs_workers(shown) else set()


def _run_python(shown: Shown, module: types.ModuleType) -> None:
    text = shown.text
    for old, new in FEWER.items():
        text = text.replace(old, new)
    code = compile("\n" * (shown.line - 1) + text, str(ROOT / shown.page), "exec")  # tracebacks name the line
    try:
        exec(code, module.__dict__)
    except Exception as error:
        error.add_note(f"shown at {shown.page}:{shown.line}")
        raise


def run_command(shown: Shown, folder: Path) -> None:
    """Run a command of `mtnas` as it is shown, but for `CHANGES`."""
    words = shlex.split(changed(shown.text, folder), comments=True)
    assert words[0] == "mtnas", f"{shown}: neither a command of mtnas nor in NOT_RUN"
    if words[1] == "dashboard":
        _look_at_dashboard(words[1:])
        return
    outcome = call(*words[1:])
    assert outcome.code == 0, f"{shown}\nas {shlex.join(words)}\n{outcome.out[-1000:]}\n{outcome.err[-3000:]}"
    if words[1] == "new":
        make_smaller(folder / words[2])


def changed(command: str, folder: Path) -> str:
    """A command with what is changed in it."""
    for change in CHANGES:
        by = change.by
        text = by if isinstance(by, str) else by(folder, command) if re.search(change.what, command) else ""
        command = re.sub(change.what, text, command)
    return command


def make_smaller(file: Path) -> None:
    """Replace in a space file what `SMALLER` says."""
    text = file.read_text(encoding="utf-8")
    for old, new in SMALLER[file.name].items():
        assert text.count(old) == 1, f"{file.name} no longer has {old!r} once: change SMALLER"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


@cache
def _prepared() -> Path:
    """A folder with the small space file and a run of it. It is removed when Python ends."""
    global _kept
    _kept = tempfile.TemporaryDirectory(prefix="shown_")
    folder = Path(_kept.name)
    (folder / "search_spaces").mkdir()
    shutil.copy(ROOT / "search_spaces/digits.py", folder / "search_spaces")
    make_smaller(folder / "search_spaces/digits.py")
    for words in (["train", folder / "search_spaces/digits.py", "--run"], ["search"]):
        outcome = call(*words, folder / "runs/digits")
        assert outcome.code == 0, outcome.err
    return folder


_kept: tempfile.TemporaryDirectory[str]


def fill(folder: Path, *, with_run: bool) -> None:
    """Put the small space file into a folder, and the run of it that most pages begin with."""
    prepared = _prepared() if with_run else None
    if prepared is not None:
        shutil.copytree(prepared, folder, dirs_exist_ok=True)
        return
    (folder / "search_spaces").mkdir()
    shutil.copy(ROOT / "search_spaces/digits.py", folder / "search_spaces")
    make_smaller(folder / "search_spaces/digits.py")


def _look_at_dashboard(words: list[str]) -> None:
    """Start it on a free port, ask it for its page, and stop it as a user does: with Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers: list[int] = []

    def ask_and_stop() -> None:
        end = time.monotonic() + 60
        while not answers and time.monotonic() < end:
            time.sleep(0.05)
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/dashboard", timeout=5) as answer:
                answers.append(answer.status)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # Where a shell began this in the background, interrupts are ignored unless told otherwise.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=ask_and_stop, daemon=True)
    thread.start()
    try:
        outcome = call(*words, "--port", str(port))
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert answers == [200] and outcome.code == 130, outcome
