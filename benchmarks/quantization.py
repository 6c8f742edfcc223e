"""Errors under a policy: fake quantization in torch against the integer file run by onnxruntime."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.report import Bar, Options, Report, main
from mtnas.architecture import INT8, W4A8, W7A8, Architecture, Bits, Candidate, QuantizationPolicy
from mtnas.errors import DataError
from mtnas.evaluation import extract, task_errors
from mtnas.onnx_graphs import FloatGraph, SessionNetwork, audit, calibrate, convert, open_session, quantize
from mtnas.onnx_graphs import Ranges as FileRanges
from mtnas.progress import progress
from mtnas.quantizing import Ranges, fake_quantized, gather_ranges, settle_weights
from mtnas.results import mean_error
from mtnas.runs import Run
from mtnas.space.data import Batch, Data
from mtnas.space.file import SpaceFile, load_space_file
from mtnas.supernet import BranchedNetwork, SuperNetwork
from mtnas.training import TrainingSettings, train

ABOUT = (
    "Architectures: uniform draws from a trained supernetwork's space, inherited weights, batch-norm statistics of"
    " their own; policies: every node of the tree in integers with the same chance, drawn anew for each policy, one"
    " in four all in integers; all of them with weights of 8 bits, of 7, of 4 settled by samples that train no weights,"
    " and of 4 rounded to the nearest step. Each file was audited: exactly the"
    " policy's operators ran in integers. Errors: mean over the tasks, on the validation samples, in points."
    " difference: absolute, fake less file; tau: Kendall's tau-b of the errors over all policies; tau of changes: of"
    " error less that of the float network, where single samples count. Seconds: of one policy, the float network's"
    " preparation not included. One thread. Supernetworks are those of benchmarks.ranking, trained here if they are"
    " not in --work-dir."
)


@dataclass(frozen=True)
class Case:
    """A space, its data, and how many policies to compare."""

    name: str
    file: SpaceFile
    data: Data
    training: TrainingSettings
    architectures: int
    policies: int


@dataclass(frozen=True)
class Way:
    """Bits of the nodes in integers, and whether weights of few bits are settled."""

    bits: Bits
    settled: bool = True

    @property
    def name(self) -> str:
        return f"{self.bits[0]}" if self.settled else f"{self.bits[0]}, nearest"


WAYS = (Way(INT8), Way(W7A8), Way(W4A8), Way(W4A8, settled=False))


@dataclass(frozen=True)
class Compared:
    """Mean errors of one policy in points, and seconds."""

    way: Way
    floating: float
    fake: float
    file: float
    fake_seconds: float
    file_seconds: float


def compare(case: Case, supernet: SuperNetwork, seed: int) -> Iterator[Compared]:
    """All policies of all architectures."""
    rng = random.Random(seed)
    batches = list(case.data.valid_batches())
    held_out = list(case.data.range_batches())
    for _ in range(case.architectures):
        architecture = case.file.space.architectures.draw(rng)
        network = extract(supernet, architecture, case.data)
        floating = _points(case, network, batches)
        plain = _prepared(network, held_out)
        drawn = list(_policies(architecture, case.policies, rng))
        for way, policy in ((way, _with_bits(one, way.bits)) for way in WAYS for one in drawn):
            start = time.process_time()
            if way.settled and way.bits == W4A8:
                settled = copy.deepcopy(network)
                settle_weights(settled, policy, held_out)
                middle = time.process_time()
                network_of, ranges, graph, file_ranges = _prepared(settled, held_out)
                start += time.process_time() - middle
            else:
                network_of, ranges, graph, file_ranges = plain
            with fake_quantized(network_of, policy, ranges):
                fake = _points(case, network_of, batches)
            middle = time.process_time()
            quantized = quantize(graph, Candidate(architecture, policy), file_ranges)
            audit(graph, quantized)
            file = _points(case, SessionNetwork(graph, open_session(quantized.content)), batches)
            yield Compared(way, floating, fake, file, middle - start, time.process_time() - middle)


def _prepared(
    network: BranchedNetwork, held_out: list[Batch]
) -> tuple[BranchedNetwork, Ranges, FloatGraph, FileRanges]:
    """What all policies of a network have in common."""
    graph = convert(network, held_out[0][0])
    return network, gather_ranges(network, held_out), graph, calibrate(graph, (x for x, _ in held_out))


def _policies(architecture: Architecture, count: int, rng: random.Random) -> Iterator[QuantizationPolicy]:
    nodes = [(block, group[0]) for block, group in architecture.tree.nodes()]
    for number in range(count):
        chosen = nodes if number % 4 == 0 else [node for node in nodes if rng.random() < 0.5] or nodes[:1]
        yield QuantizationPolicy.uniform(chosen, *INT8)


def _with_bits(policy: QuantizationPolicy, bits: Bits) -> QuantizationPolicy:
    return QuantizationPolicy.uniform(policy.nodes, *bits)


def _points(case: Case, network: torch.nn.Module, batches: list[Batch]) -> float:
    return 100 * mean_error(task_errors(network, case.file.space.tasks, batches))


def row_of(case: Case, seed: int, way: Way, found: list[Compared]) -> dict[str, Any]:
    """One row."""
    names = ("floating", "fake", "file", "fake_seconds", "file_seconds")
    columns = {name: np.array([getattr(one, name) for one in found]) for name in names}
    floating, fake, file = columns["floating"], columns["fake"], columns["file"]
    off = np.abs(fake - file)
    return {
        "data": case.name,
        "seed": seed,
        "weight bits": way.name,
        "policies": len(found),
        "difference": float(off.mean()),
        "largest": float(off.max()),
        "tau": float(kendalltau(fake, file).statistic),
        "tau of changes": float(kendalltau(fake - floating, file - floating).statistic),
        "integers less float": float((file - floating).mean()),
        "seconds, fake": float(np.median(columns["fake_seconds"])),
        "seconds, file": float(np.median(columns["file_seconds"])),
    }


def _cases(options: Options) -> tuple[list[Case], str]:
    cases, note = [], ""
    for name in ("digits",) if options.quick else ("digits", "multifashion"):
        file = load_space_file(Path(__file__).parent.parent / "search_spaces" / f"{name}.py")
        training = replace(file.setting("training", TrainingSettings()), threads=1, device="cpu")
        if options.quick:
            training = replace(training, epochs=4)
        try:
            data = file.data(options.data_dir)
        except DataError as error:
            note += f"\n{name} left out: {error}"
            continue
        cases.append(Case(name, file, data, training, *((2, 4) if options.quick else (15, 4))))
    return cases, note + (
        "\n--quick: trained for 4 epochs, 8 policies; its figures mean little" if options.quick else ""
    )


def measure(options: Options) -> Report:
    torch.set_num_threads(1)
    report = Report(ABOUT)
    cases, note = _cases(options)
    report.about += note
    for case in cases:
        for seed in options.seeds:
            run = Run(options.work_dir / "ranking" / case.name / f"as-shipped-{seed}", seed)
            supernet = train(case.file.space, case.data, run, case.training)
            found = []
            with progress(f"policies on {case.name}", case.architectures * case.policies * len(WAYS)) as advance:
                for one in compare(case, supernet, seed):
                    found.append(one)
                    advance(f"fake {one.fake:.2f}, file {one.file:.2f} points")
            for way in WAYS:
                line = row_of(case, seed, way, [one for one in found if one.way == way])
                report.rows.append(line)
                name = f"{case.name}, seed {seed}, weights of {way.name} bits"
                report.bars.append(Bar.at_most(f"{name}: mean absolute difference in points", line["difference"], 0.3))
                report.bars.append(Bar.at_least(f"{name}: tau of fake and file", line["tau"], 0.9))
    return report


if __name__ == "__main__":
    main("quantization", ABOUT, measure)
