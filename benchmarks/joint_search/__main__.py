"""Hypervolume, and the fastest and smallest networks at no loss, of joint and of separate searches."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

from benchmarks.joint_search.arms import ARMS, BUDGETED, JOINT, Measured, Setting, front_of
from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import Candidate, notation
from mtnas.errors import DataError
from mtnas.evaluation import reference_ms
from mtnas.results import hypervolume
from mtnas.runs import Run
from mtnas.space.data import Data
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.targets import MeasureSettings, OnnxRuntime
from mtnas.training import TrainingSettings, train

ABOUT = (
    "Objectives: mean error (validation samples, inherited weights; under a policy as the integer file computes"
    " it), latency_ms (onnxruntime, one thread, one sample, CPU time) and size_kib (weights). Arms, each with the"
    " same number of evaluations on the same trained supernetwork: architecture and bits together; the same with the"
    " largest float network's error as a budget; architectures in float; the same for two thirds of the evaluations,"
    " then members of its front with all nodes in int8, or in W4A8 (packed weights of 4 bits); policies"
    " of the largest network (a network for each task, largest operators). Spaces are the shipped ones with their"
    " channels multiplied, for integers gain nothing on a handful of channels. At the end the fronts of all arms are"
    " measured again, interleaved; figures are of these latencies. hypervolume: share of the box up to the largest"
    " float network's latency and size and an error of three times its own. x faster, x smaller: than the largest"
    " network's all-int8 file, the best of the front whose mean error is no higher than the largest network's in"
    " float, or in int8."
)


@dataclass(frozen=True)
class Case:
    """A space and how much to do on it."""

    name: str
    space: SearchSpace
    data: Data
    training: TrainingSettings
    evaluations: int

    @classmethod
    def of(cls, name: str, factor: float, data_dir: Path | None, evaluations: int) -> Case:
        file = load_space_file(Path(__file__).parents[2] / "search_spaces" / f"{name}.py")
        training = replace(file.setting("training", TrainingSettings()), threads=1, device="cpu")
        space = file.widening()(factor)
        return cls(f"{name} x{factor:g}", space, file.data(data_dir), training, evaluations)


def compare(case: Case, seed: int, folder: Path, quick: bool) -> list[dict[str, Any]]:
    """One row for every arm."""
    run = Run(folder / "supernet", seed)
    supernet = train(case.space, case.data, run, case.training)
    target, confirming = OnnxRuntime(), MeasureSettings(rounds=4 if quick else 30)
    measuring = MeasureSettings(rounds=4 if quick else 12)
    setting = Setting(
        case.space,
        case.data,
        supernet,
        run,
        target,
        reference_ms(target, confirming),
        case.evaluations,
        folder,
        measuring,
    )
    rows = {name: arm(setting) for name, arm in ARMS.items()}
    measure = setting.meter()
    base_float, base_int8 = measure(Candidate(setting.largest())), measure(setting.all_int8(setting.largest()))
    fronts = {name: front_of(found) for name, found in rows.items()}
    every = list(dict.fromkeys(row.candidate for front in fronts.values() for row in front))
    every += [base.candidate for base in (base_float, base_int8) if base.candidate not in every]
    again = setting.latency(every, confirming)
    confirmed = {
        name: front_of([_with_latency(row, again[row.candidate]) for row in front]) for name, front in fronts.items()
    }
    base_float, base_int8 = (_with_latency(base, again[base.candidate]) for base in (base_float, base_int8))
    reference = np.array([3 * base_float.costs[0], base_float.costs[1], base_float.costs[2]])
    found = []
    for name, front in confirmed.items():
        line = {
            "data": case.name,
            "arm": name,
            "seed": seed,
            "evaluations": len(rows[name]),
            "hypervolume": hypervolume(np.array([row.costs for row in front]), reference),
        }
        for of, limit in (("float", base_float.costs[0]), ("int8", base_int8.costs[0])):
            good = [row for row in front if row.costs[0] <= limit]
            line[f"x faster, {of}"] = base_int8.costs[1] / min((r.costs[1] for r in good), default=float("inf"))
            line[f"x smaller, {of}"] = base_int8.costs[2] / min((r.costs[2] for r in good), default=float("inf"))
        line["largest, float"] = _text(base_float)
        line["largest, int8"] = _text(base_int8)
        found.append(line)
    return found


def _with_latency(row: Measured, ms: float) -> Measured:
    return Measured(row.candidate, (row.costs[0], ms, row.costs[2]))


def _text(base: Measured) -> str:
    error, ms, kib = base.costs
    return f"{100 * error:.2f} %, {ms:.3f} ms, {kib:.0f} KiB"


FIGURES = ("hypervolume", "x faster, float", "x smaller, float", "x faster, int8", "x smaller, int8")


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for every data set and arm, mean and standard deviation over the seeds."""
    found = []
    for data, arm in dict.fromkeys((row["data"], row["arm"]) for row in rows):
        mine = [row for row in rows if (row["data"], row["arm"]) == (data, arm)]
        line = {"data": data, "arm": arm, "seed": f"{len(mine)} seeds", "evaluations": mine[0]["evaluations"]}
        for name in FIGURES:
            values = [row[name] for row in mine]
            line[name] = f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
        found.append(line)
    return found


def _cases(options: Options) -> tuple[list[Case], str]:
    if options.quick:
        small = Case.of("digits", 2, None, 10)
        return [replace(small, training=replace(small.training, epochs=2))], "\n--quick: its figures mean nothing"
    cases = [Case.of("digits", 4, None, 150)]
    try:
        cases.append(Case.of("multifashion", 2, options.data_dir, 150))
    except DataError as error:
        return cases, f"\nMultiFashion left out: {error}"
    return cases, ""


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(f"{ABOUT} Integers: {notation(OnnxRuntime().integers)}, which run fastest here.")
    cases, note = _cases(options)
    report.about += note
    for case in cases:
        rows = []
        for seed in options.seeds[:1] if options.quick else options.seeds:
            folder = options.work_dir / "joint_search" / case.name.replace(" ", "-") / str(seed)
            rows += compare(case, seed, folder, options.quick)
            gc.collect()
        report.rows += rows + (means(rows) if len(options.seeds) > 1 and not options.quick else [])
        joint = [row for row in rows if row["arm"] == JOINT]
        for arm in ARMS:
            if arm not in (JOINT, BUDGETED):
                least = min(
                    one["hypervolume"] - other["hypervolume"]
                    for one, other in zip(joint, [row for row in rows if row["arm"] == arm], strict=True)
                )
                name = f"{case.name}: least lead of joint in hypervolume over {arm}"
                report.bars.append(Bar.at_least(name, least, 0.0))
        for arm in (JOINT, BUDGETED):
            mine = [row for row in rows if row["arm"] == arm]
            for what, bar in (("x faster, float", 4.8), ("x smaller, float", 3.4)):
                name = f"{case.name}, {arm}: mean {what.replace(', float', '')} than the largest in int8, at no loss"
                report.bars.append(Bar.at_least(name, fmean(row[what] for row in mine), bar))
    return report


if __name__ == "__main__":
    main("joint_search", ABOUT, measure, seeds=range(3))
