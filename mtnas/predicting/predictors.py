"""Predictors of all costs of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from mtnas.predicting.genetics import Exact, Floats, Genes, Genetics
from mtnas.predicting.model import Fitted, Model, most_likely
from mtnas.predicting.quality import Quality, log_density, quality
from mtnas.predicting.rows import Rows
from mtnas.predicting.spread import evenly_spread

Cost = int | str
"""An objective by its number, or a constraint by its name."""

Fit = Callable[[Floats, Floats], Fitted]


@dataclass(frozen=True)
class Chosen:
    """A model that was chosen and settled for one cost.

    Attributes:
        name: of the model.
        fit: fits it on rows.
        validated: its quality on few rows by a cross-validation that settles it anew in every fold; None if there were
            so many rows that what is settled has hardly seen a single one.
    """

    name: str
    fit: Fit
    validated: Quality | None


@dataclass(frozen=True)
class Tuned:
    """What is settled seldom: the model of every predicted cost."""

    models: Mapping[Cost, Chosen]

    @classmethod
    def on(
        cls,
        rows: Rows,
        genetics: Genetics,
        models: Sequence[Model],
        compare: tuple[int, int] = (30, 100),
        few: int = 45,
        folds: int = 3,
    ) -> Tuned:
        """Choose the model of every cost, and settle what is slow to settle.

        Args:
            compare: with fewer rows than the first number, the first model is taken; models are compared on no more
                rows than the second.
            few: with no more rows than this, the quality of the chosen one comes from a cross-validation of ``folds``.
        """
        exact = genetics.exact(rows.genes[:1])
        wanted: dict[Cost, Floats] = {
            number: rows.costs[:, number] for number in range(rows.costs.shape[1]) if number not in exact.objectives
        }
        wanted.update({name: values for name, values in rows.constraints.items() if name not in exact.constraints})
        found = {}
        for cost, values in wanted.items():
            view = genetics.view(cost)
            X, groups = genetics.features(rows.genes, view), genetics.groups(view)
            keep = evenly_spread(len(X), compare[1])
            rivals = tuple(genetics.models(view)) or tuple(models)
            model = rivals[0]
            if (len(rivals) > 1 or model.variants) and len(X) >= compare[0]:
                model = most_foresighted(rivals, X[keep], values[keep], groups)
            validated = None
            if folds <= len(X) <= few:
                validated = quality(model.name, model.cross_validated(X, values, groups, folds), values)
            found[cost] = Chosen(model.name, model.tuned(X, values, groups), validated)
        return cls(found)


def most_foresighted(
    models: Sequence[Model], X: Floats, values: Floats, groups: NDArray[np.int64], learn: float = 0.6
) -> Model:
    """The model to which the later rows are the least surprising when it knows the first ``learn`` of them only.

    Rows that a model was settled on cannot compare it with others, even if they are held out one at a time: the more a
    model can adapt itself, the better it looks. The best one's variants come second, so that not all have to be fitted.
    """
    cut = max(2, round(learn * len(X)))

    def foresight(model: Model) -> float:
        fitted = model.tuned(X[:cut], values[:cut], groups)(X[:cut], values[:cut])
        return log_density((fitted.mean(X[cut:]), *fitted.interval(X[cut:], 1.0)), values[cut:])

    scores = [foresight(model) for model in models]
    best = int(np.argmax(scores))
    rivals = (models[best], *models[best].variants)
    return rivals[int(np.argmax([scores[best], *map(foresight, rivals[1:])]))]


class Predictors:
    """Of all costs: exact ones are computed, those whose predictor can be trusted predicted, others left open.

    Args:
        rows: measured ones.
        genetics: what the genes mean.
        tuned: settled models.
        least_tau: a predictor whose Kendall's tau on held-out rows is shown to be less is not trusted.
        errors: standard errors that show it.
        most_rows: a predictor is fitted on.
    """

    def __init__(
        self, rows: Rows, genetics: Genetics, tuned: Tuned, least_tau: float, errors: float, most_rows: int
    ) -> None:
        self.genetics = genetics
        self.objectives = rows.costs.shape[1]
        self.constraints = tuple(rows.constraints)
        used = rows.take(rows.thinned(most_rows))
        self.fitted: dict[Cost, Fitted] = {}
        self.quality: dict[Cost, Quality] = {}
        self.trusted: dict[Cost, bool] = {}
        self._seen: dict[Cost, Floats] = {}
        for cost, chosen in tuned.models.items():
            values = used.costs[:, cost] if isinstance(cost, int) else used.constraints[cost]
            self.fitted[cost] = chosen.fit(genetics.features(used.genes, genetics.view(cost)), values)
            own = chosen.validated or quality(chosen.name, self.fitted[cost].held_out(), values)
            self.quality[cost] = own
            self.trusted[cost] = not own.is_below(least_tau, errors)
            self._seen[cost] = values
        self._margin = {name: _margin(self.fitted[name]) for name in rows.constraints if name in self.fitted}
        self._scale = {name: float(values.std()) or 1.0 for name, values in rows.constraints.items()}
        self._sharing: dict[int, list[Cost]] = {}
        for cost in self.fitted:
            if self.trusted[cost]:
                self._sharing.setdefault(genetics.view(cost), []).append(cost)

    @property
    def useful(self) -> bool:
        """Whether the objectives that have to be predicted are so well enough to guide a search, or at least one."""
        predicted = [cost for cost in self.fitted if isinstance(cost, int)]
        return not predicted or any(self.trusted[cost] for cost in predicted)

    def likely(self, genes: Genes) -> tuple[Floats, Floats]:
        """Most likely objectives (n, objectives), and by how much constraints are broken (n,).

        A predicted constraint counts as broken only where it is so by more than half a standard deviation of held-out
        rows, so that candidates at its border are not lost.
        """
        exact = self.genetics.exact(genes)
        means: dict[Cost, Floats] = {}
        for view, sharing in self._sharing.items():
            found = most_likely([self.fitted[cost] for cost in sharing], self.genetics.features(genes, view))
            means.update(zip(sharing, found, strict=True))
        costs = np.empty((len(genes), self.objectives))
        for number in range(self.objectives):
            costs[:, number] = self._objective(number, exact, means)
        violation = np.zeros(len(genes))
        for name in self.constraints:
            if name in exact.constraints:
                broken = exact.constraints[name]
            elif self.trusted[name]:
                broken = means[name] - self._margin[name]
            else:
                continue
            violation += np.maximum(broken, 0) / self._scale[name]
        return costs, violation

    def worlds(self, genes: Genes, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Possible costs (count, n, objectives) and values of constraints (count, n, constraints)."""
        exact, views = self.genetics.exact(genes), self._views(genes)
        costs = np.empty((count, len(genes), self.objectives))
        for number in range(self.objectives):
            costs[..., number] = self._draws(number, exact.objectives.get(number), views, count, rng)
        values = np.empty((count, len(genes), len(self.constraints)))
        for column, name in enumerate(self.constraints):
            values[..., column] = self._draws(name, exact.constraints.get(name), views, count, rng)
        return costs, values

    def quantiles(self, genes: Genes, deviations: Floats) -> tuple[Floats, Floats]:
        """Costs (worlds, n, objectives) and values of constraints (worlds, n, constraints) at quantiles.

        Args:
            deviations: standard deviations from what is most likely, by world, for every objective and then every
                constraint, (worlds, objectives + constraints).
        """
        exact, views = self.genetics.exact(genes), self._views(genes)
        costs = np.empty((len(deviations), len(genes), self.objectives))
        for number in range(self.objectives):
            costs[..., number] = self._quantiles(number, exact.objectives.get(number), views, deviations[:, number])
        values = np.empty((len(deviations), len(genes), len(self.constraints)))
        for column, name in enumerate(self.constraints):
            off = deviations[:, self.objectives + column]
            values[..., column] = self._quantiles(name, exact.constraints.get(name), views, off)
        return costs, values

    def hopeful(self, genes: Genes, deviations: float) -> tuple[Floats, Floats]:
        """What `likely` gives if all is better than that by so many standard deviations."""
        costs, values = self.quantiles(genes, np.full((1, self.objectives + len(self.constraints)), -deviations))
        scale = np.array([self._scale[name] for name in self.constraints])
        return costs[0], (np.maximum(values[0], 0) / scale).sum(-1)

    def _views(self, genes: Genes) -> dict[int, Floats]:
        return {view: self.genetics.features(genes, view) for view in {self.genetics.view(c) for c in self.fitted}}

    def _objective(self, number: int, exact: Exact, means: Mapping[Cost, Floats]) -> Floats | float:
        if number in exact.objectives:
            return exact.objectives[number]
        if self.trusted[number]:
            return means[number]
        return float(np.median(self._seen[number]))

    def _draws(
        self, cost: Cost, exact: Floats | None, views: Mapping[int, Floats], count: int, rng: np.random.Generator
    ) -> Floats:
        if exact is not None:
            return np.broadcast_to(exact, (count, len(exact)))
        X = views[self.genetics.view(cost)]
        if self.trusted[cost]:
            return self.fitted[cost].samples(X, count, rng)
        return rng.choice(self._seen[cost], size=(count, len(X)))

    def _quantiles(self, cost: Cost, exact: Floats | None, views: Mapping[int, Floats], deviations: Floats) -> Floats:
        """(worlds, n)"""
        if exact is not None:
            return np.broadcast_to(exact, (len(deviations), len(exact)))
        if self.trusted[cost]:
            return self.fitted[cost].quantiles(views[self.genetics.view(cost)], deviations)
        alike: Floats = np.quantile(self._seen[cost], norm.cdf(deviations))[:, None]
        return alike


def _margin(fitted: Fitted) -> float:
    """Half of what a held-out row's cost is typically off downwards."""
    mean, low, _ = fitted.held_out()
    return 0.5 * float(np.median(mean - low))
