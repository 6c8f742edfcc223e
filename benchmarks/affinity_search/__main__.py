"""Hypervolume of searches with and without affinities and branch points, on one supernetwork a seed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.stats import ttest_rel

from benchmarks.report import Bar, Options, Report, main
from mtnas.errors import DataError
from mtnas.results import Results
from mtnas.runs import Run, fork_run
from mtnas.searching import SearchSettings, search
from mtnas.space.file import load_space_file
from mtnas.training import TrainingSettings, train

ABOUT = (
    "Hypervolume (share of the box below the reference point) after some evaluations of searches with the settings of"
    " the space files, with and without what the training learned about branching: trees drawn from the branch points,"
    " and the cost of company as a feature of the predictors. Both search the same supernetwork of a seed; the first"
    " two candidates are the corner networks in both. Unit of cost: one evaluation. One thread. Finished trainings are"
    " kept in --work-dir."
)

AT = (50, 100, 200)


def searches(name: str, seed: int, options: Options, at: tuple[int, ...]) -> dict[bool, Results]:
    """Results with affinities and without, of one seed of a shipped space."""
    file = load_space_file(Path(__file__).parents[2] / "search_spaces" / f"{name}.py")
    data = file.data(options.data_dir if name != "digits" else None)
    training = replace(file.setting("training", TrainingSettings()), threads=1, device="cpu")
    searching = replace(file.setting("searching", SearchSettings()), threads=1, evaluations=max(at))
    if options.quick:
        training = replace(training, epochs=4)
    folder = options.work_dir / "affinity_search" / name
    run = Run(folder / str(seed), seed)
    supernet = train(file.space, data, run, training)
    found = {}
    for used in (True, False):
        place = folder / f"{seed}-{'with' if used else 'without'}"
        shutil.rmtree(place, ignore_errors=True)
        settings = replace(searching, affinities=used)
        found[used] = search(file.space, data, fork_run(run, place), settings, supernet=supernet)
    return found


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    at = (12, 20) if options.quick else AT
    seeds = options.seeds[:1] if options.quick else options.seeds
    for name in ("digits",) if options.quick else ("digits", "multifashion"):
        try:
            found = [searches(name, seed, options, at) for seed in seeds]
        except DataError as error:
            report.about += f"\n{name} left out: {error}"
            continue
        for count in at:
            values = {used: [results[used].hypervolume(count) for results in found] for used in (True, False)}
            report.rows.append(_row(name, count, values))
        gain = fmean(a - b for a, b in zip(values[True], values[False], strict=True))
        report.bars.append(Bar.at_least(f"{name}: gain at {at[-1]} evaluations", gain, 0.0))
    return report


def _row(name: str, count: int, values: dict[bool, list[float]]) -> dict[str, Any]:
    many = len(values[True]) > 1
    row: dict[str, Any] = {"data": name, "evaluations": count}
    for used, title in ((True, "with"), (False, "without")):
        row[title] = fmean(values[used])
        row[f"sd {title}"] = stdev(values[used]) if many else float("nan")
    gains = [a - b for a, b in zip(values[True], values[False], strict=True)]
    row["gain"] = fmean(gains)
    row["p"] = float(ttest_rel(values[True], values[False]).pvalue) if many else float("nan")
    row["by seed"] = " ".join(f"{gain:+.4f}" for gain in gains)
    return row


if __name__ == "__main__":
    main("affinity_search", ABOUT, measure, seeds=range(5))
