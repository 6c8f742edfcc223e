"""What a study has measured, as arrays that grow with it."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mtnas.predicting import Genetics, Rows
from mtnas.predicting.genetics import Floats, Genes, fingerprints
from mtnas.searching.predictor_sampler.axis import Axis


@dataclass(frozen=True)
class _Closed:
    """A trial that was measured, or rejected before that."""

    number: int
    genes: Genes
    mark: int
    costs: tuple[float, ...] | None
    constraints: Mapping[str, float]


class History:
    """Trials of a study over one set of parameters.

    Args:
        distributions: of the parameters, in the order of the genes.
        genetics: what the genes mean.
        levels: values that stand for a parameter without steps.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], genetics: Genetics, levels: int) -> None:
        self.distributions = dict(distributions)
        self.genetics = genetics
        self.axes = {name: Axis.of(distribution, levels) for name, distribution in distributions.items()}
        self.known: set[int] = set()
        """Fingerprints of what is not proposed again.

        What failed once may have been killed with its process, and is tried again; what failed twice is not.
        """
        self._prints: dict[bytes, np.uint64] = {}
        self._closed: list[_Closed] = []
        self._failed: Counter[int] = Counter()
        self._read: set[int] = set()
        self._ended = 0  # all trials before this one have ended and were read

    def read(self, study: Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Take in trials that have ended since the last call; gives those that have not."""
        signs = directions_of(study)
        open_trials = []
        for trial in trials[self._ended :]:
            if not trial.state.is_finished():
                open_trials.append(trial)
            elif trial.number not in self._read:
                self._read.add(trial.number)
                self._take_in(trial, signs)
        self._ended = min((trial.number for trial in open_trials), default=len(trials))
        return open_trials

    def _take_in(self, trial: FrozenTrial, signs: Floats) -> None:
        genes = self.genes_of(trial.params)
        if genes is None:
            return
        mark = int(self.prints([genes])[0])
        if trial.state == TrialState.FAIL:
            self._failed[mark] += 1
            if self._failed[mark] > 1:
                self.known.add(mark)
            return
        self.known.add(mark)
        values = trial.values if trial.state == TrialState.COMPLETE else None
        measured = values is not None and bool(np.isfinite(values).all())
        costs = tuple((signs * np.asarray(values)).tolist()) if measured else None
        insort(
            self._closed,
            _Closed(trial.number, genes, mark, costs, dict(trial.constraints)),
            key=lambda closed: closed.number,
        )

    def genes_of(self, params: Mapping[str, object]) -> Genes | None:
        """Genes of a trial's parameters, (genes,); None if one is missing or is none of the choices."""
        if any(name not in params for name in self.axes):
            return None
        genes = np.array([axis.number(params[name]) for name, axis in self.axes.items()], dtype=np.int64)
        return None if (genes < 0).any() else genes

    def params_of(self, genes: Genes) -> dict[str, object]:
        """Parameters of genes (genes,)."""
        return {name: axis.values[gene] for (name, axis), gene in zip(self.axes.items(), genes.tolist(), strict=True)}

    @property
    def closed(self) -> int:
        """Number of trials that were measured or rejected. Those that failed do not count: see `known`."""
        return len(self._closed)

    def closed_at(self, measured: int) -> int | None:
        """Number of closed trials when so many were measured; None if fewer are."""
        seen = 0
        for place, closed in enumerate(self._closed):
            seen += closed.costs is not None
            if seen == measured:
                return place + 1
        return None

    def marks(self, closed: int) -> set[int]:
        """Fingerprints of the first ``closed`` trials that were measured or rejected."""
        return {entry.mark for entry in self._closed[:closed]}

    def rows(self, closed: int) -> Rows:
        """Measured rows among the first ``closed`` trials that were measured or rejected, in their order."""
        taken = [(entry, entry.costs) for entry in self._closed[:closed] if entry.costs is not None]
        names = sorted({name for entry, _ in taken for name in entry.constraints})
        return Rows(
            self.stack([entry.genes for entry, _ in taken]),
            np.array([costs for _, costs in taken], dtype=np.float64),
            {name: _finite([entry.constraints.get(name, 0.0) for entry, _ in taken]) for name in names},
        )

    def rows_of(self, trials: Sequence[FrozenTrial], signs: Floats) -> Rows:
        """Measured rows of trials that are not of this study; those over other parameters are left out."""
        other = History(self.distributions, self.genetics, 2)
        other.axes = self.axes
        for number, trial in enumerate(trials):
            if trial.state == TrialState.COMPLETE:
                kept = copy(trial)
                kept.number = number
                other._take_in(kept, signs)
        return other.rows(other.closed)

    def prints(self, genes: Sequence[Genes]) -> NDArray[np.uint64]:
        """Fingerprints of what genes mean; those asked for before are kept."""
        keys = [row.tobytes() for row in self.stack(genes)]
        new = {key: one for key, one in zip(keys, genes, strict=True) if key not in self._prints}
        if new:
            found = fingerprints(self.genetics.identity(self.stack([*new.values()])))
            self._prints.update(zip(new, found, strict=True))
        return np.array([self._prints[key] for key in keys], dtype=np.uint64)

    def stack(self, genes: Sequence[Genes]) -> Genes:
        """(n, genes), also of none."""
        return np.array(genes, dtype=np.int64).reshape(len(genes), len(self.axes))

    def farthest(self, drawn: Genes, others: Sequence[Genes]) -> Genes:
        """The one of the drawn genomes (n, genes) that is farthest from all closed trials and ``others``; (genes,)."""
        there = self.stack([*(entry.genes for entry in self._closed), *others])
        if not len(there):
            first: Genes = drawn[0]
            return first
        view = self.genetics.view(0)
        one, other = self.genetics.features(drawn, view), self.genetics.features(there, view)
        squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
        best: Genes = drawn[int(squares.min(1).argmax())]
        return best


def _finite(values: Sequence[float]) -> Floats:
    """Constraints (n,), those that are infinite as far from 0 as the farthest other one: no predictor learns these."""
    found = np.array(values, dtype=np.float64)
    infinite = np.isinf(found)
    farthest = np.abs(found[~infinite]).max(initial=0.0) or 1.0
    found[infinite] = np.sign(found[infinite]) * farthest
    return found


def directions_of(study: Study) -> Floats:
    """1 for every objective to minimise, -1 for every one to maximise."""
    return np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions])
