"""One training and one search with many tasks, as a user has them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.branching.measures import pair_accuracy
from benchmarks.many_tasks.groups import data_of, grouped_problem, params, space_of
from mtnas.branching import NodeCosts, leading_trees
from mtnas.evaluation import InheritedErrors
from mtnas.runs import Run
from mtnas.searching import SearchSettings, search
from mtnas.supernet import SuperNetwork
from mtnas.training import TrainingSettings
from mtnas.training.phases import Phases
from mtnas.training.supernet_training import claim_run
from mtnas.training.trainer import Trainer, begun


@dataclass(frozen=True)
class Whole:
    """Figures of one number of tasks.

    Attributes:
        training_s: of the whole training.
        learning_s: of affinities and branch points, which the last epoch of parting ends with.
        leading_s: of the leading trees within the true tree's nodes.
        pairs: of pairs of tasks, rightly together or apart at the last block in the first of these.
        search_s: of a candidate of the search, all in all.
        evaluation_s: of that, of a candidate that has no known path.
        params: of the supernetwork, and with a copy for every task.
    """

    training_s: float
    learning_s: float
    leading_s: float
    pairs: float
    search_s: float
    evaluation_s: float
    params: tuple[int, int]


def whole(tasks: int, copies: int, groups: int, place: Path, *, epochs: int, evaluations: int, seed: int = 0) -> Whole:
    """Train, read the leading tree, and search."""
    problem = grouped_problem(seed, tasks, groups)
    space, data, run = space_of(tasks, copies), data_of(problem), Run(place / f"{tasks}", seed)
    settings = TrainingSettings(epochs=epochs, learning_rate=5e-3, parting=0.3, threads=1, device="cpu")
    found = claim_run(space, data, run, settings)
    supernet = begun(SuperNetwork, space, found, seed, settings)
    unlimited = params(supernet)
    trainer = Trainer(supernet, space, data, seed, settings, torch.device("cpu"), run.checkpoint)
    phases, times = Phases.of(settings, space.architectures), []
    for _ in range(epochs):
        start = time.perf_counter()
        trainer.train_epoch()
        times.append(time.perf_counter() - start)
    before = times[phases.shared : phases.parted - 1]
    learning = times[phases.parted - 1] - sum(before) / max(1, len(before))
    assert trainer.branching is not None
    costs = NodeCosts((1.0,) * len(space.blocks))
    start = time.perf_counter()
    ranked = leading_trees(
        space.architectures, trainer.branching.affinities, costs, problem.truth.node_count, seed, count=3
    )
    leading = time.perf_counter() - start
    wanted = SearchSettings(evaluations=evaluations, objectives=("error/mean", "params"), threads=1, device="cpu")
    start = time.perf_counter()
    results = search(space, data, run, wanted, supernet=supernet.eval(), show_progress=False)
    searched = (time.perf_counter() - start) / evaluations
    errors = InheritedErrors(supernet, data)
    start = time.perf_counter()
    errors(results.rows[-1].candidate.architecture)
    evaluated = time.perf_counter() - start
    pairs = pair_accuracy(ranked[0].tree, problem.truth)[-1]
    return Whole(sum(times), learning, leading, pairs, searched, evaluated, (params(supernet), unlimited))
