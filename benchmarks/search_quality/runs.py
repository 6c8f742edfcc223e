"""Finished searches in files, so that a comparison can be interrupted and resumed."""

from __future__ import annotations

import json
import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.search_quality.optuna_rivals import OURS, THOROUGH
from benchmarks.search_quality.problem import Outcome
from benchmarks.search_quality.problems import problem_named
from benchmarks.search_quality.rivals import RIVALS
from mtnas.atomic import write_text
from mtnas.progress import progress


@dataclass(frozen=True)
class Job:
    """A search to be run, told by names so that it can be handed to another process."""

    problem: str
    rival: str
    seed: int
    evaluations: int
    data_dir: Path | None
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / _slug(self.problem) / f"{_slug(self.rival)}-{self.seed}.json"

    def asked(self) -> dict[str, Any]:
        """What a kept run must have been asked to count as this one."""
        return {
            "problem": self.problem,
            "fingerprint": problem_named(self.problem, self.data_dir).fingerprint,
            "rival": self.rival,
            "version": RIVALS[self.rival].version,
            "seed": self.seed,
            "evaluations": self.evaluations,
        }


@dataclass(frozen=True)
class Finished:
    """A search that was run: its outcomes, and the CPU seconds it took, evaluations (under a millisecond) included."""

    job: Job
    outcomes: tuple[Outcome, ...]
    seconds: float


def run_all(jobs: Sequence[Job], workers: int, again: bool) -> list[Finished]:
    """All jobs, those that are kept read from their files.

    Args:
        workers: processes to spread over.
        again: run ours even where it is kept.
    """
    due = [job for job in jobs if (again and job.rival in (OURS, THOROUGH)) or read(job) is None]
    with progress("searches", len(jobs), len(jobs) - len(due)) as advance:
        for job in _in_processes(due, workers) if workers > 1 else map(run, due):
            advance(f"{job.problem}, {job.rival}, seed {job.seed}")
    found = [read(job) for job in jobs]
    return [finished for finished in found if finished is not None]


def run(job: Job) -> Job:
    """Search with one thread, and keep the outcomes."""
    import torch

    problem = problem_named(job.problem, job.data_dir)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    start = time.process_time()
    with threadpool_limits(1):
        outcomes = RIVALS[job.rival].search(problem, job.evaluations, job.seed)
    seconds = time.process_time() - start
    torch.set_num_threads(threads)
    value = {
        "asked": job.asked(),
        "module": _module_of_ours() if job.rival in (OURS, THOROUGH) else None,
        "seconds": seconds,
        "genes": [outcome.genes for outcome in outcomes],
        "costs": [outcome.costs for outcome in outcomes],
        "constraints": [outcome.constraints for outcome in outcomes],
    }
    write_text(job.path, json.dumps(value))
    return job


def read(job: Job) -> Finished | None:
    """The kept run; None if there is none, or it was asked something else."""
    if not job.path.exists():
        return None
    value = json.loads(job.path.read_text(encoding="utf-8"))
    if value["asked"] != job.asked():
        return None
    rows = zip(value["genes"], value["costs"], value["constraints"], strict=True)
    return Finished(job, tuple(Outcome(*map(tuple, row)) for row in rows), value["seconds"])


def _in_processes(jobs: Sequence[Job], workers: int) -> Iterator[Job]:
    """Jobs as they finish. The first that fails ends all that have not started."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(run, job) for job in jobs]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _module_of_ours() -> str:
    from mtnas import PredictorSampler

    return str(PredictorSampler.__module__)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
