"""Efficiency with many workers, time of the driver, and where it saturates."""

from __future__ import annotations

import os
from bisect import bisect
from collections.abc import Sequence
from typing import Any

from benchmarks.report import Bar, Options, Report, main
from benchmarks.scaling import rivals
from benchmarks.scaling.ours import ManySlots, Trained, run_search, trained
from benchmarks.scaling.simulation import efficiency as simulated
from mtnas.pools import Processes, RayPool

ABOUT = (
    "ours: a real search of the digits space (21 genes, 3 objectives, predictors, rows in SQLite) by long-lived Ray"
    " actors or local processes that sleep 0.3 s, or compute for 0.3 s of CPU time, in place of judging. Rivals:"
    " study.optimize in as many processes on one JournalStorage, and Ray Tune with OptunaSearch, both with random"
    " proposals of as many genes (Tune gets at most 45 s). efficiency: evaluations a second times their length over"
    " the workers, once all are up (and after two each, and the first quarter) and before the last one of each. start:"
    " seconds that were lost until then, over what as many take with all workers at work. driver: CPU"
    " milliseconds of the asking process for one evaluation, proposal, predictors and storage included, with work that"
    " takes no time, one candidate in flight or many (then a plan serves many). simulated: discrete events with the"
    " driver's measured time and a message's, for evaluations of 0.3, 3 and 30 s."
)

SECONDS = 0.3


def measure(options: Options) -> Report:
    os.environ["OMP_NUM_THREADS"] = "1"
    report = Report(ABOUT + ("\n--quick: its figures mean little" if options.quick else ""))
    with trained() as of:
        driver = _driver(of, (100, 300) if options.quick else (100, 500, 1000, 2500, 5000))
        report.rows += driver
        counts = (1, 2) if options.quick else (1, 2, 4, 8, 16, 32)
        # Many workers are long in coming up on few processors, and should have something left to do by then.
        each = {workers: 10 if options.quick else 40 if workers <= 8 else 100 for workers in counts}
        for workers in counts:
            found = run_search(of, RayPool(workers=workers), each[workers] * workers, SECONDS)
            report.rows.append(_row("ours, Ray actors", "sleep", workers, found.wall, found.up))
        for workers in () if options.quick else (1, 4, 8):
            found = run_search(of, Processes(workers), each[workers] * workers, SECONDS)
            report.rows.append(_row("ours, processes", "sleep", workers, found.wall, found.up))
        for workers in range(1, (os.cpu_count() or 1) + 1) if not options.quick else ():
            found = run_search(of, RayPool(workers=workers), 40 * workers, SECONDS, busy=True)
            report.rows.append(_row("ours, Ray actors", "computing", workers, found.wall, found.up))
    for workers in counts:
        times, up = rivals.journal(workers, each[workers] * workers, SECONDS)
        report.rows.append(_row("study.optimize, JournalStorage", "sleep", workers, times, up))
    if not options.quick:
        with RayPool(workers=max(counts)).open({"none": _nothing}):
            for workers in (1, 8, 32):
                times = rivals.ray_tune(workers, 40 * workers, SECONDS, 45.0)
                report.rows.append(_row("Ray Tune, OptunaSearch", "sleep", workers, times))
    slowest = max(row["driver, ms"] for row in driver if "64 in flight" in row["how"])
    for seconds in (0.3, 3.0, 30.0):
        for workers in (8, 32, 100, 300, 1000):
            share = simulated(workers, seconds, slowest / 1e3, 1e-3)
            report.rows.append(
                {"how": f"simulated, {seconds:g} s each", "work": "", "workers": workers, "efficiency": share}
            )
    report.bars += _bars(report.rows, driver)
    columns = dict.fromkeys(name for row in report.rows for name in row)
    report.rows = [{name: row.get(name, "") for name in columns} for row in report.rows]
    return report


def _nothing() -> Any:
    return lambda payload: payload


def _row(how: str, work: str, workers: int, times: Sequence[float], up: float = 0.0) -> dict[str, Any]:
    """Efficiency from when all workers are up, or the first quarter of evaluations, to the last one of each worker."""
    first, last = max(2 * workers, len(times) // 4, bisect(times, up)), len(times) - 1 - workers
    if last <= first:  # there was no time for more
        return {"how": how, "work": work, "workers": workers, "efficiency": float("nan")}
    rate = (last - first) / (times[last] - times[first])
    lost = times[first] - times[0] - SECONDS * first / workers
    return {"how": how, "work": work, "workers": workers, "efficiency": rate * SECONDS / workers, "start, s": lost}


def _driver(of: Trained, rows: Sequence[int]) -> list[dict[str, Any]]:
    """CPU time of the driver for one evaluation, up to so many rows, with one and with many in flight."""
    found = []
    for slots in (1, 64):
        times = run_search(of, ManySlots(slots), rows[-1], 0.0).driver
        begin = 20
        for end in rows:
            took = 1e3 * (times[end - 1] - times[begin]) / (end - 1 - begin)
            how = f"driver, {slots} in flight, rows {begin} to {end}"
            found.append({"how": how, "work": "", "workers": "", "driver, ms": took})
            begin = end
    return found


def _bars(rows: Sequence[dict[str, Any]], driver: Sequence[dict[str, Any]]) -> list[Bar]:
    bars = []
    for row in rows:
        if row["how"] == "ours, Ray actors" and row["work"] == "sleep":
            least = 0.95 if row["workers"] <= 8 else 0.9
            bars.append(Bar.at_least(f"{row['workers']} Ray actors, 0.3 s of sleep", row["efficiency"], least))
    for row in driver:
        bars.append(Bar.at_most(f"{row['how']}: ms for an evaluation", row["driver, ms"], 5))
    return bars


if __name__ == "__main__":
    main("scaling", ABOUT, measure)
