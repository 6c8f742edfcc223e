"""What a study has measured, as arrays that grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mtnas.predicting import Genetics, Rows
from mtnas.predicting.genetics import Floats, Genes, fingerprints
from mtnas.searching.predictor_sampler.axis import Axis


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
        self._read: set[int] = set()
        self._measured: list[tuple[int, Genes, list[float], dict[str, float]]] = []
        self._closed: list[tuple[int, Genes]] = []
        self._failed: Counter[bytes] = Counter()
        self._failed_genes: dict[bytes, Genes] = {}

    def read(self, study: Study, trials: Sequence[FrozenTrial]) -> None:
        """Take in trials that have ended since the last call."""
        signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
        fresh = False
        for trial in trials:
            if trial.number in self._read or not trial.state.is_finished():
                continue
            self._read.add(trial.number)
            genes = self.genes_of(trial.params)
            if genes is None:
                continue
            if trial.state == TrialState.FAIL:
                self._failed[genes.tobytes()] += 1
                self._failed_genes[genes.tobytes()] = genes
                continue
            self._closed.append((trial.number, genes))
            fresh = True
            values = trial.values if trial.state == TrialState.COMPLETE else None
            if values is not None and np.isfinite(values).all():
                costs = [sign * value for sign, value in zip(signs, values, strict=True)]
                self._measured.append((trial.number, genes, costs, dict(trial.constraints)))
        if fresh:
            self._closed.sort(key=lambda entry: entry[0])
            self._measured.sort(key=lambda entry: entry[0])

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

    @property
    def measured(self) -> int:
        return len(self._measured)

    def closed_at(self, measured: int) -> int:
        """Number of closed trials when so many were measured."""
        last = self._measured[measured - 1][0]
        return sum(number <= last for number, _ in self._closed)

    def all_genes(self) -> list[Genes]:
        """Of all trials that were measured or rejected."""
        return [genes for _, genes in self._closed]

    def rows(self, closed: int) -> Rows:
        """Measured rows among the first ``closed`` trials that were measured or rejected, in their order."""
        last = self._closed[closed - 1][0] if closed else -1
        taken = [entry for entry in self._measured if entry[0] <= last]
        genes = self.stack([genes for _, genes, _, _ in taken])
        costs = np.array([costs for _, _, costs, _ in taken], dtype=np.float64)
        names = sorted({name for _, _, _, constraints in taken for name in constraints})
        constraints = {name: np.array([found.get(name, 0.0) for _, _, _, found in taken]) for name in names}
        return Rows(genes, costs, constraints)

    def known(self) -> NDArray[np.uint64]:
        """Fingerprints of what is not proposed again.

        What failed once may have been killed with its process, and is tried again; what failed twice is not.
        """
        genes = [genes for _, genes in self._closed]
        genes += [self._failed_genes[key] for key, times in self._failed.items() if times > 1]
        return self.prints(genes)

    def prints(self, genes: Sequence[Genes]) -> NDArray[np.uint64]:
        """Fingerprints of what genes mean."""
        return fingerprints(self.genetics.identity(self.stack(genes)))

    def stack(self, genes: Sequence[Genes]) -> Genes:
        """(n, genes), also of none."""
        return np.array(genes, dtype=np.int64).reshape(len(genes), len(self.axes))

    def nearest_distance(self, drawn: Genes, others: Sequence[Genes]) -> Floats:
        """Squared distance of every genome to the nearest of others, (n,); infinite without others."""
        view = self.genetics.view(0)
        if not others:
            return np.full(len(drawn), np.inf)
        one = self.genetics.features(drawn, view)
        other = self.genetics.features(self.stack(others), view)
        squares: Floats = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
        nearest: Floats = squares.min(1)
        return nearest
