"""The run that is damaged."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fuzzing import small_space
from mtnas.latency import Latency
from mtnas.refining import refine
from mtnas.runs import Run
from mtnas.runs.latencies import keep_latencies
from mtnas.searching import search
from mtnas.training import claim_run, train

TARGET = {"runtime": "none", "version": "1", "device": "cpu", "threads": 1, "batch": 1}
"""Of latencies that are made up: what is damaged need not have been measured."""

SPACE = Path(small_space.__file__).resolve()


def finished_run(path: Path) -> Run:
    """A run that was trained, searched, refined, and has latencies."""
    run, data = Run(path), small_space.data(None)
    claim_run(small_space.space, data, run, small_space.training)
    run.keep_space_file(SPACE)
    supernet = train(small_space.space, data, run, small_space.training, show_progress=False)
    results = search(small_space.space, data, run, small_space.searching, supernet=supernet, show_progress=False)
    front = results.front()
    refine(small_space.space, data, run, [front[0].candidate], small_space.refining, show_progress=False)
    found = {row.candidate: Latency(1.0 + row.number, 0.01, 30, "a clock", False) for row in front}
    keep_latencies(run, TARGET, 2.0, found)
    return run
