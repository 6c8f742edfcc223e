"""The searches that are compared, all with the same number of evaluations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from mtnas.architecture import FLOAT, SIZE, W4A8, Architecture, Bits, Candidate, QuantizationPolicy, notation
from mtnas.atomic import write_text
from mtnas.evaluation import CandidateErrors, latencies
from mtnas.latency import LATENCY
from mtnas.progress import progress
from mtnas.quantizing import JointCosts, joint_costs
from mtnas.results import MEAN_ERROR, corners, mean_error, non_dominated
from mtnas.runs import Run, fork_run
from mtnas.searching import PredictorSampler, SearchSettings, search
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.targets import MeasureSettings, OnnxRuntime

OBJECTIVES = (MEAN_ERROR, LATENCY, SIZE)

JOINT, BUDGETED, FLOAT_ALONE = "joint", "joint, error as a budget", "architecture in float"
THEN_INT8, THEN_W4A8 = "architecture, then all int8", "architecture, then all W4A8"
LARGEST = "policy of the largest network"


@dataclass(frozen=True)
class Measured:
    """One evaluated candidate: mean error, milliseconds, KiB."""

    candidate: Candidate
    costs: tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """What all searches of one seed have in common.

    Attributes:
        anchor: what the target's reference takes, in ms.
        reference: point of the hypervolume.
    """

    space: SearchSpace
    data: Data
    supernet: SuperNetwork
    run: Run
    target: OnnxRuntime
    anchor: float
    evaluations: int
    folder: Path
    measuring: MeasureSettings

    @property
    def precisions(self) -> tuple[Bits, ...]:
        """Float, the integers that run fastest here, and those with packed weights of 4 bits."""
        return FLOAT, self.target.integers, W4A8

    @property
    def joint(self) -> JointCosts:
        example, _ = self.data.example()
        return joint_costs(self.space, self.supernet.found, example, self.precisions)

    def all_int8(self, architecture: Architecture) -> Candidate:
        """All nodes in integers."""
        return Candidate.uniform(architecture, self.target.integers)

    def largest(self) -> Architecture:
        """A network for each task, of the largest operators."""
        return corners(self.space.architectures, self.supernet.found.costs)["single-task, largest"]

    def latency(self, candidates: list[Candidate], settings: MeasureSettings) -> dict[Candidate, float]:
        example, _ = self.data.example()
        found = latencies(self.supernet, candidates, self.target, example, settings, anchor=self.anchor)
        return {candidate: latency.ms for candidate, latency in found}

    def meter(self) -> Callable[[Candidate], Measured]:
        """Measures a candidate as a search does."""
        errors, joint = CandidateErrors(self.supernet, self.data), self.joint

        def measured(candidate: Candidate) -> Measured:
            size = joint.table.of(joint.space.product, joint.space.join(candidate))[SIZE]
            ms = self.latency([candidate], self.measuring)[candidate]
            return Measured(candidate, (mean_error(errors(candidate)), ms, size))

        return measured


def of_search(
    setting: Setting, name: str, settings: SearchSettings, budgets: Mapping[str, float] = MappingProxyType({})
) -> list[Measured]:
    """Rows of an mtnas search."""
    path = setting.folder / name.replace(" ", "-").replace(",", "")
    run = Run(path) if path.exists() else fork_run(setting.run, path)
    settings = replace(
        settings, objectives=OBJECTIVES, target=setting.target, measuring=setting.measuring, threads=1, budgets=budgets
    )
    results = search(setting.space, setting.data, run, settings, supernet=setting.supernet)
    rows = results.rows[: settings.evaluations]
    return [Measured(r.candidate, (r.costs[MEAN_ERROR], r.costs[LATENCY], r.costs[SIZE])) for r in rows]


def joint(setting: Setting) -> list[Measured]:
    """Architecture and bits together."""
    return of_search(setting, JOINT, SearchSettings(setting.evaluations, precisions=setting.precisions))


def budgeted(setting: Setting) -> list[Measured]:
    """Architecture and bits together, by one who wants no loss: no error above the largest network's in float."""
    largest = mean_error(CandidateErrors(setting.supernet, setting.data)(Candidate(setting.largest())))
    settings = SearchSettings(setting.evaluations, precisions=setting.precisions)
    return of_search(setting, BUDGETED, settings, {MEAN_ERROR: largest})


def float_alone(setting: Setting) -> list[Measured]:
    """Architectures in float."""
    return of_search(setting, FLOAT_ALONE, SearchSettings(setting.evaluations))


def then_int8(setting: Setting) -> list[Measured]:
    """The same search for about two thirds of the evaluations, then members of its front with all nodes in int8."""
    return _then(setting, THEN_INT8, setting.target.integers)


def then_w4a8(setting: Setting) -> list[Measured]:
    """The same with weights of 4 bits."""
    return _then(setting, THEN_W4A8, W4A8)


def _then(setting: Setting, name: str, bits: Bits) -> list[Measured]:
    rows = float_alone(setting)
    front = sorted(front_of(rows[: 2 * setting.evaluations // 3]), key=lambda row: row.costs)
    count = min(len(front), setting.evaluations // 3)
    spread = [front[round(i * (len(front) - 1) / max(1, count - 1))] for i in range(count)]
    rows, kept = rows[: setting.evaluations - count], _Kept(setting, name)
    with progress(name, count) as advance:
        for row in spread:
            rows.append(kept(Candidate.uniform(row.candidate.architecture, bits)))
            advance("")
    return rows


def of_largest(setting: Setting) -> list[Measured]:
    """Policies of the largest network, by our sampler on its nodes' bits."""
    architecture, joint, kept = setting.largest(), setting.joint, _Kept(setting, LARGEST)
    nodes = [
        (block, group[0])
        for block, group, option in architecture.nodes()
        if joint.space.quantizable[block][joint.space.base.blocks[block].options.index(option)]
    ]
    bits_of = {notation(bits): bits for bits in setting.precisions}
    names: dict[str, BaseDistribution] = {
        f"node {block} {leader}": CategoricalDistribution(list(bits_of)) for block, leader in nodes
    }
    rows: list[Measured] = []
    with _quiet(), progress(LARGEST, setting.evaluations) as advance:
        study = optuna.create_study(
            directions=["minimize"] * 3, sampler=PredictorSampler(seed=derive_seed(setting.run.seed, "policies"))
        )
        for plain in bits_of:
            study.enqueue_trial(dict.fromkeys(names, plain))
        for _ in range(min(setting.evaluations, len(bits_of) ** len(nodes))):
            trial = study.ask(names)
            policy = {node: bits_of[trial.params[name]] for node, name in zip(nodes, names, strict=True)}
            row = kept(Candidate(architecture, QuantizationPolicy.of(policy)))
            study.tell(trial, row.costs)
            rows.append(row)
            advance("")
    return rows


ARMS: dict[str, Callable[[Setting], list[Measured]]] = {
    JOINT: joint,
    BUDGETED: budgeted,
    FLOAT_ALONE: float_alone,
    THEN_INT8: then_int8,
    THEN_W4A8: then_w4a8,
    LARGEST: of_largest,
}


def front_of(rows: list[Measured]) -> list[Measured]:
    """Rows that no other one dominates."""
    import numpy as np

    on_front = non_dominated(np.array([row.costs for row in rows]))
    return [row for row, on_it in zip(rows, on_front, strict=True) if on_it]


class _Kept:
    """Measures candidates, and keeps every finished one in a file."""

    def __init__(self, setting: Setting, name: str) -> None:
        self._path = setting.folder / f"{name.replace(' ', '-').replace(',', '')}.json"
        self._measure = setting.meter()
        known = json.loads(self._path.read_text("utf-8")) if self._path.exists() else []
        self._known = {Candidate.from_json(candidate): tuple(costs) for candidate, costs in known}

    def __call__(self, candidate: Candidate) -> Measured:
        if candidate not in self._known:
            self._known[candidate] = self._measure(candidate).costs
            lines = [[one.to_json(), list(costs)] for one, costs in self._known.items()]
            write_text(self._path, json.dumps(lines))
        error, ms, size = self._known[candidate]
        return Measured(candidate, (error, ms, size))


@contextmanager
def _quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
