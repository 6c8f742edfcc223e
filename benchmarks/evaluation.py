"""How fast a search judges its candidates: shared prefixes and known paths against extracting and evaluating each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest import mock

import torch

from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import EXACT_COSTS, Architecture, TaskPath
from mtnas.errors import DataError
from mtnas.evaluation import InheritedErrors, recalibrate, task_errors
from mtnas.runs import Run
from mtnas.searching import NSGA2, SearchSettings, search
from mtnas.seeds import derive_seed
from mtnas.space.block import Block
from mtnas.space.data import Data
from mtnas.space.datasets import digit_overlays
from mtnas.space.file import load_space_file
from mtnas.space.operators import conv
from mtnas.space.search_space import SearchSpace
from mtnas.space.task_types import classification
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings, train

ABOUT = (
    "Candidates: those of a search by NSGA-II over mean error, params and MACs, in its order, all distinct; the time "
    "is that of judging alone. Baseline: extract the network, recalibrate it on the same samples, evaluate it on the "
    "same samples, held in memory likewise; done for the first candidates and every k-th later one, right after it was "
    "judged, and scaled to all. 'by counting': MACs of all nodes over those of distinct prefixes, about the most that "
    "reuse can give. One thread; unit: seconds. The supernetwork is trained for a few epochs only, so that errors "
    "guide the search. "
    "digits and multifashion have 4 to 5 options a block, so that most candidates bring new paths; 'trees only' has "
    "one option a block and 6 tasks."
)


@dataclass(frozen=True)
class Case:
    """A space, its data, and how long to train and search.

    Attributes:
        counts: candidates after which to compare.
        first: candidates that the baseline judges one by one; later on, every ``every``-th.
    """

    name: str
    space: SearchSpace
    data: Data
    training: TrainingSettings
    counts: tuple[int, ...]
    first: int
    every: int


@dataclass(frozen=True)
class _Judged:
    """A candidate with its seconds in the search; where it was judged by itself, too, those and how errors differ."""

    architecture: Architecture
    seconds: float
    alone: float | None
    difference: float


@contextmanager
def noted_times(case: Case, alone: Callable[[Architecture], dict[str, float]]) -> Iterator[list[_Judged]]:
    """Every candidate that is judged within; some are judged by themselves right after, as machines are restless."""
    noted: list[_Judged] = []
    judge = InheritedErrors.__call__

    def timed(self: InheritedErrors, architecture: Architecture) -> dict[str, float]:
        errors, seconds = _timed(lambda: judge(self, architecture))
        number, took, difference = len(noted) + 1, None, 0.0
        if number <= case.first or number % case.every == 0:
            again, took = _timed(lambda: alone(architecture))
            difference = max(abs(errors[name] - again[name]) for name in errors)
        noted.append(_Judged(architecture, seconds, took, difference))
        return errors

    with mock.patch.object(InheritedErrors, "__call__", timed):
        yield noted


def _timed(work: Callable[[], dict[str, float]]) -> tuple[dict[str, float], float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _nsga2(root: int) -> Callable[[int], NSGA2]:
    """NSGA-II with a population of 50, seeded anew for every proposal."""
    return lambda number: NSGA2(population_size=50, seed=derive_seed(root, "search", number))


class _Work:
    """MACs of the nodes of candidates: of each on its own, and with every prefix once."""

    def __init__(self, supernet: SuperNetwork) -> None:
        self._space, self._costs = supernet.space.architectures, supernet.found.costs
        self._seen: set[TaskPath] = set()
        self.all = self.distinct = 0.0

    def add(self, architecture: Architecture) -> None:
        paths = [architecture.path(task) for task in range(len(self._space.tasks))]
        for prefix in {path[:length] for path in paths for length in range(1, len(path) + 1)}:
            macs = self._macs(prefix)
            self.all += macs
            self.distinct += macs if prefix not in self._seen else 0.0
            self._seen.add(prefix)

    def _macs(self, prefix: TaskPath) -> float:
        """MACs of the last node of a prefix."""
        block, option = len(prefix) - 1, prefix[-1][1]
        entering = self._costs.shapes_along(self._space, [name for _, name in prefix])[-2]
        number = self._space.blocks[block].options.index(option)
        return self._costs.options[block][entering][number][EXACT_COSTS.index("macs")]


def compare(case: Case, seed: int) -> list[dict[str, Any]]:
    """Seconds for the first ``counts`` candidates, and the baseline's."""
    settings = SearchSettings(evaluations=max(case.counts), objectives=("error/mean", "params", "macs"), threads=1)
    # In memory for both: reading the samples anew for every network took a quarter of judging it.
    calibration, batches = list(case.data.calibration_batches()), list(case.data.valid_batches())
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), seed)
        supernet = train(case.space, case.data, run, case.training)

        def alone(architecture: Architecture) -> dict[str, float]:
            network = supernet.extract(architecture)
            recalibrate(network, calibration)
            return task_errors(network, case.space.tasks, batches)

        with noted_times(case, alone) as noted:
            search(case.space, case.data, run, settings, sampler=_nsga2(seed), supernet=supernet)
    rows = []
    work = _Work(supernet)
    for number, judged in enumerate(noted, 1):
        work.add(judged.architecture)
        if number in case.counts:
            ours = sum(one.seconds for one in noted[:number])
            begun = [one.alone for one in noted[: case.first] if one.alone is not None]
            later = [one.alone for one in noted[case.first : number] if one.alone is not None]
            scaled = sum(begun) + (fmean(later) * (number - len(begun)) if later else 0.0)
            rows.append(
                {
                    "data": case.name,
                    "seed": seed,
                    "candidates": number,
                    "seconds": ours,
                    "one by one": scaled,
                    "ratio": scaled / ours,
                    "by counting": work.all / work.distinct,
                    "per minute": 60 * number / ours,
                    "largest difference": max(one.difference for one in noted[:number]),
                }
            )
    return rows


def trees_only() -> tuple[SearchSpace, Data]:
    """One operator a block and six tasks: only branching is searched, 44,590 trees."""
    labels = {
        f"{side}_{name}": (lambda left, right, side=side, of=of: of(left if side == "left" else right))
        for side in ("left", "right")
        for name, of in {
            "digit": lambda digit: digit,
            "even": lambda digit: (digit % 2 == 0).long(),
            "high": lambda digit: (digit > 4).long(),
        }.items()
    }
    tasks = [classification(name, 10 if name.endswith("digit") else 2) for name in labels]
    widths, strides = (8, 12, 12, 16), (2, 1, 1, 2)
    blocks = [
        Block(f"block{i}", {"conv3": conv(w, 3, s)}) for i, (w, s) in enumerate(zip(widths, strides, strict=True))
    ]
    return SearchSpace(tasks, blocks), Data(*digit_overlays(labels, train=4000, valid=1000, test=1000))


def _cases(options: Options) -> tuple[list[Case], str]:
    counts, first, every, epochs = ((10, 20), 5, 5, 1) if options.quick else ((40, 200, 1000), 40, 20, 5)
    plain = TrainingSettings(epochs=epochs, learning_rate=1e-2, threads=1, device="cpu")
    cases = [Case("trees only", *trees_only(), plain, counts, first, every)]
    note = ""
    for name in ("digits", "multifashion"):
        file = load_space_file(Path(__file__).parent.parent / "search_spaces" / f"{name}.py")
        training = replace(file.setting("training", plain), epochs=epochs, threads=1, device="cpu")
        try:
            if options.quick and name == "multifashion":
                raise DataError("--quick leaves it out")
            cases.append(Case(name, file.space, file.data(options.data_dir), training, counts, first, every))
        except DataError as error:
            note = f"\nMultiFashion left out: {error}"
    return cases, note


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    cases, note = _cases(options)
    report.about += note
    for case in cases:
        for seed in options.seeds:
            report.rows += compare(case, seed)
    aims = {40: 3.0, 200: 10.0, 1000: 50.0}
    for row in report.rows:
        name = f"{row['data']}, seed {row['seed']}, {row['candidates']} candidates"
        if row["candidates"] in aims:
            report.bars.append(Bar.at_least(f"{name}: times faster", row["ratio"], aims[row["candidates"]]))
        report.bars.append(Bar.at_most(f"{name}: largest difference of an error", row["largest difference"], 0.0))
    return report


if __name__ == "__main__":
    main("evaluation", ABOUT, measure)
