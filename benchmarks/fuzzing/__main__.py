"""Damaged and hostile run directories: is anything but a sentence, or the truth, ever the answer?"""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is imported

import optuna
import torch

from benchmarks.fuzzing.damages import DAMAGES, Undamaged, damaged_outcome
from benchmarks.fuzzing.hostile import hostile_rows
from benchmarks.fuzzing.outcomes import BAD, LIMIT_S, ORDER
from benchmarks.fuzzing.readers import OF_FILE
from benchmarks.fuzzing.runs import finished_run
from benchmarks.report import Bar, Options, Report, main
from mtnas.progress import progress

ABOUT = (
    "A small run (14 rows, one refined network, latencies that are made up) is copied, one of its files is damaged, and"
    " it is read: read_results, read_predictors, show and pick for every file; read_latencies and read_refined where"
    " they read it; what a search that goes on does first for the study; load_supernetwork for the checkpoint; plot for"
    " every tenth damage and for every one that changed what is read. The worst outcome of all readers counts.\n"
    "same: all that is read is as before. refused: one printable sentence that names the run. valid edit: what is read"
    " differs in something that is said once, and is still possible, so that no check could notice: budgets, the"
    " reference point, options that no row has and their costs; the last trials, gone without a trace; figures of"
    " predictors; a measured latency; a test error. The files have no digest, as people may edit them; where a value"
    " follows from others, or stands in two places, a change must be refused. unclear: an error that is no such"
    " sentence, or control characters on the terminal. silent wrong: something else was read. crash: any exception that"
    f" is not MtnasError, or a warning of NumPy. hang: more than {LIMIT_S} s.\n"
    "results.csv is derived from the study and never read: its damages must all be 'same'. Checkpoints have a digest of"
    " tensors and note; 'digest too' are damages with a new digest.\n"
    "executed: a run full of files of Python that leave a marker, and a manifest that names one of them as its space"
    " file, opened by every reader from within the directory."
)

EACH, EACH_QUICK = 1050, 45
"""Damages of every file."""


PICTURES = 0.1
"""Share of the damages after which pictures are drawn though all is as before."""


def file_rows(finished: Path, folder: Path, file: str, each: int, seed: int) -> list[dict[str, Any]]:
    """Outcomes of a file's damages, a row for every kind of damage."""
    run, kinds = Undamaged.of(finished, folder, OF_FILE[file]), tuple(DAMAGES[file])
    rows = []
    with progress(file, each) as advance:
        for place, name in enumerate(kinds):
            counts: Counter[str] = Counter()
            slowest = 0.0
            for number in range(len(range(place, each, len(kinds)))):
                faulthandler.dump_traceback_later(4 * LIMIT_S, exit=True)  # for what no signal reaches
                found = damaged_outcome(run, file, name, f"{seed} {number}", PICTURES)
                faulthandler.cancel_dump_traceback_later()
                counts[found.kind] += 1
                slowest = max(slowest, found.seconds)
                if found.kind in BAD:
                    where = f"{file}, {name}, seed and number {seed} {number}"
                    print(f"{found.kind}: {where}: {found.reader}: {found.told!a}", file=sys.stderr)
                advance(f"{name}: {found.kind}")
            rows.append(_row(file, name, counts, slowest))
    return rows


def _row(file: str, damage: str, counts: Counter[str], slowest: float) -> dict[str, Any]:
    outcomes = {kind: counts[kind] for kind in ORDER}
    return {"file": file, "damage": damage, "of": counts.total(), **outcomes, "slowest s": slowest}


def _bars(rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    bars = []
    for file in dict.fromkeys(row["file"] for row in rows if row["file"] in DAMAGES):
        mine = [row for row in rows if row["file"] == file]
        total = sum(row["of"] for row in mine)
        for kind in BAD:
            bars.append(Bar.at_most(f"{file}, {total} damages: {kind}", sum(row[kind] for row in mine), 0))
        if file == "results.csv":
            bars.append(Bar.at_least(f"{file}: same", sum(row["same"] for row in mine), total))
    executed = [row for row in rows if row["file"] not in DAMAGES]
    bars.append(Bar.at_most("code of a run executed by readers", sum(row["silent wrong"] for row in executed), 0))
    return bars


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    report = Report(ABOUT)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        finished = finished_run(folder / "finished").path
        for seed in options.seeds:
            for file in DAMAGES:
                report.rows += file_rows(finished, folder, file, EACH_QUICK if options.quick else EACH, seed)
        report.rows += [_executed_row(found) for found in hostile_rows(finished, folder)]
    report.bars = _bars(report.rows)
    return report


def _executed_row(found: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the same form: code that was executed counts as wrong."""
    kind = "silent wrong" if found["executed"] else "refused" if found["refused"] else "same"
    return _row("code in the run", found["reader"], Counter({kind: 1}), 0.0)


if __name__ == "__main__":
    main("fuzzing", ABOUT, measure)
