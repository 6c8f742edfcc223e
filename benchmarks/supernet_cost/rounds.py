"""Kinds of steps timed in turn, a step of the reference between any two."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.supernet_cost.clock import clock
from benchmarks.supernet_cost.encoder import BLOCKS
from benchmarks.supernet_cost.memory import peak_memory
from benchmarks.supernet_cost.node_calls import node_calls
from benchmarks.supernet_cost.steps import Step, Steps


@dataclass(frozen=True)
class Reading:
    """One timed step.

    Attributes:
        ratio: its time in single-task steps.
        runs: how often it ran a block.
    """

    seed: int
    round: int
    ratio: float
    runs: int


@dataclass
class Readings:
    """All about one kind of step at one number of tasks.

    Attributes:
        left_out: why it was not measured; empty: it was.
        memory: peaks over that of hard sharing.
    """

    left_out: str = ""
    times: list[Reading] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def floor(self) -> float:
        """Mean runs of a block, in those of one network."""
        return statistics.fmean(reading.runs for reading in self.times) / BLOCKS


def measure_steps(tasks: int, rounds: int, seeds: Sequence[int]) -> tuple[dict[str, Readings], float]:
    """Readings of all kinds by name, and the most calls of a node, or calls over nodes, of any sampled tree."""
    found: dict[str, Readings] = defaultdict(Readings)
    worst = 0.0
    for seed in seeds:
        steps = Steps(tasks, seed)
        reference, kinds = steps.reference(), steps.kinds()
        for _ in range(5):
            reference.run()  # warm-up
        _measure_memory(kinds, found)
        for number in range(rounds):
            _measure_round(kinds, reference, found, seed, number)
        for _ in range(20):
            architecture = steps.architecture(steps.tree())
            calls = node_calls(steps.supernet, architecture, steps.x)
            worst = max(worst, *calls.values(), calls.total() / architecture.tree.node_count)
    return found, worst


def _measure_memory(kinds: Mapping[str, Step], found: dict[str, Readings]) -> None:
    """One step of each kind, which is a warm-up too."""
    base = 0
    for name, step in kinds.items():
        found[name].left_out = step.left_out
        if not step.left_out:
            sizes = [peak_memory(step.run, step.modules) for _ in range(step.times)]
            base = base or sizes[0]
            found[name].memory += [size / base for size in sizes]


def _measure_round(
    kinds: Mapping[str, Step], reference: Step, found: Mapping[str, Readings], seed: int, number: int
) -> None:
    before, _ = _timed(reference)
    for name, step in kinds.items():
        if step.left_out or number % step.every:
            continue
        for _ in range(step.times):
            seconds, runs = _timed(step)
            after, _ = _timed(reference)
            found[name].times.append(Reading(seed, number, 2 * seconds / (before + after), runs))
            before = after


def _timed(step: Step) -> tuple[float, int]:
    begin = clock()
    runs = step.run()
    return clock() - begin, runs
