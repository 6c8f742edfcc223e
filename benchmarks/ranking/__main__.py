"""Kendall's tau and the gap of inherited against stand-alone errors, with and without each part of the training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.ranking.alone import Alone, errors_alone
from benchmarks.ranking.candidates import choose
from benchmarks.ranking.figures import Errors, agreement
from benchmarks.ranking.variants import VARIANTS, trained
from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import Candidate
from mtnas.errors import DataError
from mtnas.progress import progress
from mtnas.runs import Run
from mtnas.searching import SearchSettings, search
from mtnas.space.data import Data
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings

ABOUT = (
    "Inherited: validation errors with the weights of the supernetwork, trained and searched with the settings of the"
    " space file. Alone: the same candidates trained from scratch on the same samples with several seeds, for a mean of"
    " few ranks candidates no better than the supernetwork does; all epochs, no epoch chosen. Candidates: corners,"
    " members of the first fronts of the search, and uniform draws spread over params; all are reported. tau: Kendall's"
    " tau-b of inherited against the mean of the seeds alone; ceiling: tau between the seeds alone; gap: inherited less"
    " alone, in points of mean error. One thread. Finished trainings are kept in --work-dir and read again."
)


@dataclass(frozen=True)
class Case:
    """A space and how much to do on it."""

    name: str
    space: SearchSpace
    data: Data
    training: TrainingSettings
    searching: SearchSettings
    alone: Alone
    tau: float
    gap: float
    front: int = 8
    interior: int = 12
    alone_seeds: int = 12

    @classmethod
    def of(cls, name: str, data_dir: Path | None, alone_epochs: int, tau: float, gap: float) -> Case:
        """Of a space file that is shipped, with its settings, on one thread; networks alone learn as it does."""
        file = load_space_file(Path(__file__).parents[2] / "search_spaces" / f"{name}.py")
        training = replace(file.setting("training", TrainingSettings()), threads=1, device="cpu")
        searching = replace(file.setting("searching", SearchSettings()), threads=1)
        alone = Alone(alone_epochs, training.learning_rate, training.weight_decay)
        return cls(name, file.space, file.data(data_dir), training, searching, alone, tau, gap)


def rows_of(case: Case, options: Options, folder: Path) -> list[dict[str, Any]]:
    """One row for every variant and seed of the supernetwork."""
    first = Run(folder / f"as-shipped-{options.seeds[0]}", options.seeds[0])
    supernet = trained(VARIANTS[0], case.space, case.data, first, case.training, show_progress=True)
    results = search(case.space, case.data, first, case.searching, supernet=supernet)
    candidates = choose(results, case.front, case.interior)
    alone = _alone(case, candidates, folder / "alone", case.alone_seeds)
    rows = []
    for seed in options.seeds:
        made: dict[str, SuperNetwork] = {}
        for variant in VARIANTS[: 2 if options.quick else None]:
            name = variant.like or variant.name
            if name not in made:
                run = Run(folder / f"{name.replace(' ', '-')}-{seed}", seed)
                made[name] = trained(variant, case.space, case.data, run, case.training, show_progress=True)
            judge = variant.judge(made[name], case.data)
            figures = agreement([judge(candidate) for candidate in candidates], alone)
            tasks = {key: value for key, value in figures.items() if key.startswith("tau ")}
            rows.append(
                {
                    "data": case.name,
                    "supernetwork": variant.name,
                    "seed": seed,
                    "candidates": len(candidates),
                    "seeds alone": case.alone_seeds,
                    "tau": figures["tau"],
                    "ceiling": figures["ceiling"],
                    "gap": figures["gap"],
                    "tau of tasks": " ".join(f"{value:.2f}" for value in tasks.values()),
                }
            )
    return rows


def _alone(case: Case, candidates: list[Candidate], folder: Path, seeds: int) -> list[list[Errors]]:
    """Stand-alone errors by seed and candidate."""
    errors: list[list[Errors]] = []
    with progress(f"alone on {case.name}", seeds * len(candidates), 0, show=True) as advance:
        for seed in range(seeds):
            errors.append([])
            for candidate in candidates:
                found = errors_alone(case.space, case.data, candidate, seed, case.alone, folder)
                errors[-1].append(found)
                advance(candidate.id)
    return errors


def _cases(options: Options) -> tuple[list[Case], str]:
    cases = [Case.of("digits", None, 30, 0.8, 1.0)]
    if options.quick:
        return [_small(cases[0])], "\n--quick: digits, few epochs and candidates, two ways; its figures mean nothing"
    try:
        many = Case.of("multifashion", options.data_dir, 8, 0.8, 1.5)
        cases.append(replace(many, front=6, interior=10, alone_seeds=3))
    except DataError as error:
        return cases, f"\nMultiFashion left out: {error}"
    return cases, ""


def _small(case: Case) -> Case:
    """A version that ends within a minute."""
    training, searching = replace(case.training, epochs=4), replace(case.searching, evaluations=12)
    alone = replace(case.alone, epochs=1)
    less = replace(case, training=training, searching=searching, alone=alone, tau=-1.0, gap=100.0)
    return replace(less, front=2, interior=2, alone_seeds=1)


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    cases, note = _cases(options)
    report.about += note
    for case in cases:
        for line in rows_of(case, options, options.work_dir / "ranking" / case.name):
            report.rows.append(line)
            if line["supernetwork"] == VARIANTS[0].name:
                name = f"{case.name}, seed {line['seed']}"
                report.bars.append(Bar.at_least(f"{name}: tau of mean error", line["tau"], case.tau))
                report.bars.append(Bar.at_most(f"{name}: gap in points", line["gap"], case.gap))
    return report


if __name__ == "__main__":
    main("ranking", ABOUT, measure)
