"""What a candidate and plain networks of its size reached, trained alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mtnas.architecture import Candidate
from mtnas.json_values import finite, whole
from mtnas.results import mean_error


@dataclass(frozen=True)
class ComparedNetwork:
    """One network of a comparison.

    Attributes:
        name: in tables.
        candidate: tree and options, as the run's space names them.
        factor: by which all widths of the run's space are multiplied.
        params: exact number at these widths.
        macs: exact number at these widths, per sample (1 MAC = 1).
    """

    name: str
    candidate: Candidate
    factor: float
    params: int
    macs: int

    def to_json(self) -> dict[str, Any]:
        """All but the name."""
        costs = {"params": self.params, "macs": self.macs}
        return {"candidate": self.candidate.to_json(), "factor": self.factor, **costs}

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> ComparedNetwork:
        """Inverse of `to_json`; KeyError, TypeError or ValueError if the value is not that of a network."""
        candidate = Candidate.from_json(value["candidate"])
        return cls(name, candidate, float(finite(value["factor"])), whole(value["params"]), whole(value["macs"]))


@dataclass(frozen=True)
class ComparedRun:
    """One finished training.

    Attributes:
        network: name of the network.
        seed: number of the training, from 0; equal numbers see the samples in the same order.
        valid: errors by task on the validation split, at the epoch that was kept.
        test: errors by task on the test split, measured once; empty without a test split.
        epoch: number of the epoch that was kept, from 1; 0: the weights as they were at the start.
    """

    network: str
    seed: int
    valid: Mapping[str, float]
    test: Mapping[str, float]
    epoch: int


@dataclass(frozen=True)
class Comparison:
    """A candidate beside plain networks of its size.

    Attributes:
        candidate: that is compared.
        tasks: their names.
        networks: the candidate's own first.
        runs: all finished trainings, in the order of the networks and their seeds.
        single: name of the single-task networks, to which `delta_m` is relative.
    """

    candidate: Candidate
    tasks: tuple[str, ...]
    networks: tuple[ComparedNetwork, ...]
    runs: tuple[ComparedRun, ...]
    single: str

    def errors(self, network: str, split: str, task: str) -> list[float]:
        """One error of each of a network's trainings, by seed.

        Args:
            split: ``valid`` or ``test``; without test data the list is empty.
            task: name of a task, or ``mean`` for the plain mean over the tasks.
        """
        found = [run.test if split == "test" else run.valid for run in self.runs if run.network == network]
        return [mean_error(errors) if task == "mean" else errors[task] for errors in found if errors]

    def delta_m(self, network: str) -> float:
        """Mean relative gain in test error over the single-task networks of equal size.

            Delta_m = 1/T sum_t (E_t,single - E_t) / E_t,single

        (arXiv 1904.08918, for errors; above zero is better), with E the means over the trainings. NaN without a test
        split, or where a single-task network has an error of zero.
        """
        gains = []
        for task in self.tasks:
            ours, theirs = (_mean(self.errors(name, "test", task)) for name in (network, self.single))
            gains.append((theirs - ours) / theirs if theirs else math.nan)
        return math.fsum(gains) / len(gains)

    def to_frame(self) -> pd.DataFrame:
        """One line per network: name, id, tree, factor, costs, number of trainings, errors with their sd, Delta_m.

        Standard deviations are those of a sample (n - 1), NaN for a single training.
        """
        lines = []
        for network in self.networks:
            line: dict[str, Any] = {
                "network": network.name,
                "id": network.candidate.id,
                "tree": str(network.candidate.architecture.tree),
                "factor": network.factor,
                "params": network.params,
                "macs": network.macs,
                "runs": len(self.errors(network.name, "valid", "mean")),
            }
            for split in ("valid", "test"):
                for task in (*self.tasks, "mean"):
                    errors = self.errors(network.name, split, task)
                    line[f"{split}/{task}"] = _mean(errors)
                    line[f"{split}/{task}/sd"] = statistics.stdev(errors) if len(errors) > 1 else math.nan
            lines.append({**line, "delta_m": self.delta_m(network.name)})
        return pd.DataFrame(lines)


def _mean(errors: Sequence[float]) -> float:
    return math.fsum(errors) / len(errors) if errors else math.nan
