"""Searches whose processes are killed at random instants: is anything lost, or done twice?"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report import Bar, Options, Report, main
from mtnas.progress import progress
from mtnas.results import non_dominated
from mtnas.runs import Run, read_results
from mtnas.space.file import load_space_file
from mtnas.training import TrainingSettings, claim_run, train

ABOUT = (
    "A trained run of the digits space (2 epochs) is searched by `mtnas search --workers W` in a process of its"
    " own. It is killed by SIGKILL up to 4 seconds after its start (every third time) or after its first new row;"
    " every second time one of its workers is killed before it, and it goes on for up to 4 seconds. All instants are"
    " drawn at random. After each kill the same command is given again, in the end until it is done. lost: rows that"
    " were there before a kill and not after; repeated: candidates with two rows; front: members of results.csv's"
    " front that are not on the front of the rows, or the other way round. Workers that outlive their process are"
    " counted two seconds after each kill."
)

SPACE = Path(__file__).parent.parent / "search_spaces" / "digits.py"


def rows_in(path: Path) -> list[str]:
    """Ids of the rows in their order."""
    run = Run(path)
    return [row.id for row in read_results(run).rows] if "study" in run.manifest.read() else []


def children_of(pid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(place.name))
    return found


def prepared(path: Path, seed: int) -> None:
    """A trained run."""
    file = load_space_file(SPACE)
    training = replace(file.setting("training", TrainingSettings()), epochs=2, threads=1, device="cpu")
    run = Run(path, seed)
    data = file.data(None)
    claim_run(file.space, data, run, training)
    run.keep_space_file(SPACE)
    train(file.space, data, run, training, show_progress=False)


def kill_and_go_on(path: Path, workers: int, kills: int, evaluations: int, seed: int) -> dict[str, Any]:
    """One row: what became of a search that was killed so often."""
    rng = random.Random(seed)
    prepared(path, seed)
    command = [sys.executable, "-m", "mtnas", "search", str(path), "-n", str(evaluations), "--workers", str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = dict.fromkeys(("lost", "workers outliving", "of workers besides", "ended before its kill"), 0)
    before: list[str] = []
    with progress(f"kills, {workers} workers", kills) as advance:
        for number in range(kills):
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number % 3:
                _wait_for_a_row(process, path, len(before))
            time.sleep(rng.uniform(0.0, 4.0))
            left = children_of(process.pid)
            if number % 2 and left:
                _kill(rng.choice(left))
                told["of workers besides"] += 1
                time.sleep(rng.uniform(0.0, 4.0))
                left = children_of(process.pid)
            told["ended before its kill"] += process.poll() is not None
            _kill(process.pid)
            process.wait()
            time.sleep(2)
            told["workers outliving"] += sum(Path(f"/proc/{pid}/cmdline").exists() for pid in left)
            after = rows_in(path)
            told["lost"] += _lost(before, after)
            before = after
            advance(f"{len(after)} rows")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the search did not end:\n{done.stderr}")
    after = rows_in(path)
    told["lost"] += _lost(before, after)
    return {
        "workers": workers,
        "seed": seed,
        "kills": kills,
        **told,
        "rows at the last kill": len(before),
        "repeated": len(after) - len(set(after)),
        "evaluations": len(after),
        "asked for": evaluations,
        "front": _front_differs(path),
    }


def _wait_for_a_row(process: subprocess.Popen[bytes], path: Path, rows: int) -> None:
    """Until the search has one row more than so many, or has ended."""
    while process.poll() is None and len(rows_in(path)) <= rows:
        time.sleep(0.1)


def _lost(before: list[str], after: list[str]) -> int:
    """Rows that are no longer where they were."""
    changed = sum(old != new for old, new in zip(before, after, strict=False))
    return changed + max(0, len(before) - len(after))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _front_differs(path: Path) -> int:
    """Rows that the table has on the front and the rows themselves do not, or the other way round."""
    results = read_results(Run(path))
    points = np.array([[row.costs[name] for name in results.objectives] for row in results.rows])
    met = np.array([all(row.costs[n] <= limit for n, limit in results.budgets.items()) for row in results.rows])
    on_front = np.zeros(len(met), dtype=bool)
    on_front[np.flatnonzero(met)[non_dominated(points[met])]] = True
    told = pd.read_csv(path / "results.csv")["front"].to_numpy(dtype=bool)
    return int((told != on_front).sum()) + abs(len(told) - len(on_front))


def measure(options: Options) -> Report:
    report = Report(ABOUT)
    kills, evaluations = (2, 40) if options.quick else (20, 2000)
    for seed in options.seeds:
        for workers in (1,) if options.quick else (1, 4):
            path = options.work_dir / "faults" / f"{workers}-{seed}"
            shutil.rmtree(path, ignore_errors=True)  # of an earlier call
            report.rows.append(kill_and_go_on(path, workers, kills, evaluations, seed))
    for row in report.rows:
        name = f"{row['workers']} workers, seed {row['seed']}, {row['kills']} kills"
        for what in ("lost", "repeated", "front", "workers outliving"):
            report.bars.append(Bar.at_most(f"{name}: {what}", row[what], 0))
        report.bars.append(Bar.at_most(f"{name}: off the count", abs(row["evaluations"] - row["asked for"]), 0))
    return report


if __name__ == "__main__":
    main("faults", ABOUT, measure)
