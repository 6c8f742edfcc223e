"""Candidates exported and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtnas.architecture import SIZE
from mtnas.cli.output import volume
from mtnas.cli.steps.precision import bits_of_all
from mtnas.errors import RunError
from mtnas.latency import LATENCY
from mtnas.progress import progress

if TYPE_CHECKING:
    from mtnas.architecture import Candidate
    from mtnas.cli.steps.work import Work
    from mtnas.exporting import Bundle
    from mtnas.refining.rows import RefinedRow
    from mtnas.results import Results, Row
    from mtnas.runs import Run
    from mtnas.searching import ForeseenLatency
    from mtnas.space.shapes import Input
    from mtnas.supernet import BranchedNetwork
    from mtnas.targets import Latency, Target


def export_step(
    work: Work,
    results: Results,
    row: Row,
    out: Path,
    *,
    int8: bool,
    weight_bits: int | None,
    weights: str | None,
    latency: bool,
) -> Bundle:
    """Write a candidate as ONNX, with refined weights if there are any and nothing else is asked for."""
    from mtnas.evaluation import extract
    from mtnas.exporting import Origin, export, load_network
    from mtnas.quantizing import everywhere
    from mtnas.targets import OnnxRuntime
    from mtnas.training import load_supernetwork

    bits = bits_of_all(int8, weight_bits, OnnxRuntime())
    refined = _refined(work.run, row.candidate, weights)
    example, _ = work.data.example()
    if refined is None:
        supernet = load_supernetwork(work.file.space, work.data, work.run, "cpu")
        network = extract(supernet, row.candidate.architecture, work.data)
        origin = Origin("inherited from the supernetwork", work.run.seed)
    else:
        network, _ = load_network(work.run.path / "refined" / refined.key, work.file.space, example)
        tested_in_integers = bool(refined.candidate.policy.nodes)
        origin = Origin(refined.how, work.run.seed, test_errors=refined.test, tested_in_integers=tested_in_integers)
    candidate = row.candidate if bits is None else everywhere(network, example, bits)
    origin = replace(origin, costs=_costs(row, candidate, network, example))
    targets = [OnnxRuntime()] if latency else []
    return export(out, network, candidate, work.file.space, work.data, results, origin, targets=targets)


def _costs(row: Row, candidate: Candidate, network: BranchedNetwork, example: Input) -> dict[str, float]:
    """The row's costs, those of its bits only where the candidate has the same: its size is counted anew."""
    from mtnas.quantizing import network_bytes, wire

    if candidate == row.candidate:
        return dict(row.costs)
    costs = {name: value for name, value in row.costs.items() if name != LATENCY}
    if SIZE in costs:
        costs[SIZE] = network_bytes(network, candidate.policy, wire(network, example)) / 1024
    return costs


def measure_step(
    work: Work, rows: Sequence[Row], target: Target, *, int8: bool, weight_bits: int | None, rounds: int
) -> list[tuple[Row, Candidate, Latency]]:
    """Measure rows as they are, and with ``int8`` all in integers too; each latency is kept in the run at once."""
    from mtnas.evaluation import latencies, reference_ms
    from mtnas.quantizing import everywhere
    from mtnas.runs.latencies import keep_latencies, read_reference
    from mtnas.supernet import SuperNetwork
    from mtnas.targets import MeasureSettings

    bits = bits_of_all(int8, weight_bits, target)
    example, _ = work.data.example()
    supernet = SuperNetwork(work.file.space, example)
    asked = []
    for row in rows:
        asked.append((row, row.candidate))
        if bits is not None:
            whole = everywhere(supernet.extract(row.candidate.architecture), example, bits)
            if whole != row.candidate:
                asked.append((row, whole))
    every = list(dict.fromkeys(candidate for _, candidate in asked))
    found, where, settings = {}, target.describe(), MeasureSettings(rounds=rounds)
    with work.run.hold(), progress("latencies", len(every), show=not volume.quiet) as advance:
        anchor = read_reference(work.run, where) or reference_ms(target, settings)
        for candidate, latency in latencies(supernet, every, target, example, settings, anchor=anchor):
            found[candidate] = latency
            keep_latencies(work.run, where, anchor, {candidate: latency})
            advance(str(latency))
    return [(row, candidate, found[candidate]) for row, candidate in asked]


def foresee_step(work: Work, target: Target, probes: int, rounds: int | None) -> ForeseenLatency:
    """Latencies of all rows on a target, from networks that are measured there; by default as a search measures."""
    from mtnas.searching import foresee_latency
    from mtnas.targets import MeasureSettings

    settings, shown = None if rounds is None else MeasureSettings(rounds=rounds), not volume.quiet
    return foresee_latency(work.file.space, work.data, work.run, target, probes, settings, show_progress=shown)


def _refined(run: Run, candidate: Candidate, weights: str | None) -> RefinedRow | None:
    """The refined row to take, None for inherited weights."""
    from mtnas.errors import unknown_name
    from mtnas.refining import read_refined
    from mtnas.results import mean_error

    kinds = ("inherited", "fine-tuned", "from-scratch")
    if weights is not None and weights not in kinds:
        raise RunError(unknown_name("kind of weights", weights, kinds))
    rows = [row for row in read_refined(run).rows if row.candidate == candidate]
    if weights is not None:
        rows = [row for row in rows if row.key.endswith(weights)]
        if not rows and weights != "inherited":
            raise RunError(f"candidate {candidate.id} has no {weights} weights; run mtnas refine first")
    return min(rows, key=lambda row: mean_error(row.valid), default=None)
