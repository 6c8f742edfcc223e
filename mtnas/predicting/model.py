"""How one cost is predicted: an interface, and the two ways that come with the package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import KFold

from mtnas.predicting.gaussian_process import ChoiceProcess
from mtnas.predicting.genetics import Floats
from mtnas.predicting.posterior_mean import means_at
from mtnas.predicting.quality import HeldOut
from mtnas.predicting.warp import Warp


class Fitted(ABC):
    """A predictor that has seen its rows."""

    @abstractmethod
    def mean(self, X: Floats) -> Floats:
        """Most likely cost, (n,). Called with many thousands of rows."""

    @abstractmethod
    def samples(self, X: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Costs that are possible, drawn for all rows together, (count, n)."""

    @abstractmethod
    def interval(self, X: Floats, width: float) -> tuple[Floats, Floats]:
        """Lower and upper end of the cost, (n,) each, ``width`` standard deviations to either side."""

    @abstractmethod
    def held_out(self) -> HeldOut:
        """What is predicted for every row without it, with what was settled on all rows."""

    def quantiles(self, X: Floats, deviations: Floats) -> Floats:
        """Costs so many standard deviations from the most likely ones, (deviations, n)."""
        mean, (low, high) = self.mean(X), self.interval(X, 1.0)
        wide = np.maximum(deviations, 0)[:, None] * (high - mean) - np.maximum(-deviations, 0)[:, None] * (mean - low)
        found: Floats = mean + wide
        return found


class Model(ABC):
    """A way to predict a cost, before it has seen rows.

    Attributes:
        variants: ways that differ from this one in something slow to settle. They are compared with it only where it
            has won already.
    """

    name: str
    variants: Sequence[Model] = ()

    @abstractmethod
    def tuned(self, X: Floats, y: Floats, groups: NDArray[np.int64]) -> Callable[[Floats, Floats], Fitted]:
        """Settle what is slow to settle on some rows; gives a function that fits quickly on these and later rows."""

    def quick(self) -> Model:
        """One that is about as good and takes less time to settle, for settling again and again; else this one."""
        return self

    def cross_validated(self, X: Floats, y: Floats, groups: NDArray[np.int64], folds: int) -> HeldOut:
        """What is predicted for every row by models that had no sight of it at all, not even in their settling."""
        model = self.quick()
        found = np.empty((3, len(y)))
        for seen, left_out in KFold(folds, shuffle=True, random_state=0).split(X):
            fitted = model.tuned(X[seen], y[seen], groups)(X[seen], y[seen])
            found[:, left_out] = fitted.mean(X[left_out]), *fitted.interval(X[left_out], 1.0)
        return found[0], found[1], found[2]


class ProcessModel(Model):
    """`ChoiceProcess` on costs as they are, or on warped ones.

    Args:
        warped: whether costs are made to look normal first: errors gain by it, sums of parts lose.
        rows: most rows that its weights are fitted on.
        iterations: of that fit.
        spread: of the prior of its weights, see `ChoiceProcess`.
        name: None: what kind of process it is.
        variants: see `Model`.
    """

    def __init__(
        self,
        warped: bool,
        rows: int = 200,
        iterations: int = 6,
        spread: float = 1.0,
        name: str | None = None,
        variants: Sequence[Model] = (),
    ) -> None:
        self.warped, self.rows, self.iterations, self.spread = warped, rows, iterations, spread
        self.variants = tuple(variants)
        self.name = name or ("Gaussian process, warped" if warped else "Gaussian process")

    def tuned(self, X: Floats, y: Floats, groups: NDArray[np.int64]) -> Callable[[Floats, Floats], Fitted]:
        process, settled = ChoiceProcess(groups, self.rows, self.iterations, self.spread), y
        of_settled = Warp(y, plain=not self.warped)
        theta = process.settle(X, of_settled(y)).theta_

        def fit(X: Floats, y: Floats) -> Fitted:
            same = np.array_equal(y, settled)  # as where models are compared, and just after a settling
            warp, fitted = of_settled if same else Warp(y, plain=not self.warped), ChoiceProcess(groups)
            fitted.theta_ = theta
            return _FittedProcess(fitted.condition(X, warp(y)), warp)

        return fit

    def quick(self) -> Model:
        """Half of the iterations: cross-validated taus on six problems differed by .01 to .02 from those of all."""
        return ProcessModel(self.warped, self.rows, max(1, self.iterations // 2), self.spread, self.name)


class _FittedProcess(Fitted):
    def __init__(self, process: ChoiceProcess, warp: Warp) -> None:
        self.process, self.warp = process, warp

    def mean(self, X: Floats) -> Floats:
        return self.warp.inverse(self.process.predict(X))

    def samples(self, X: Floats, count: int, rng: np.random.Generator) -> Floats:
        return self.warp.inverse(self.process.samples(X, count, rng))

    def interval(self, X: Floats, width: float) -> tuple[Floats, Floats]:
        mean, spread = self.process.predict(X, return_std=True)
        return self.warp.inverse(mean - width * spread), self.warp.inverse(mean + width * spread)

    def quantiles(self, X: Floats, deviations: Floats) -> Floats:
        mean, spread = self.process.predict(X, return_std=True)
        return self.warp.inverse(mean + deviations[:, None] * spread)

    def held_out(self) -> HeldOut:
        mean, spread = self.process.leave_one_out()
        return self.warp.inverse(mean), self.warp.inverse(mean - spread), self.warp.inverse(mean + spread)


def most_likely(fitted: Sequence[Fitted], X: Floats) -> list[Floats]:
    """`Fitted.mean` of several predictors that see the same features; processes share what they can."""
    processes = [one for one in fitted if isinstance(one, _FittedProcess)]
    if len(processes) < 2:
        return [one.mean(X) for one in fitted]
    means = iter(means_at(X, [one.process.posterior_ for one in processes]))
    return [
        one.warp.inverse(one.process.scaled(next(means))) if isinstance(one, _FittedProcess) else one.mean(X)
        for one in fitted
    ]


class RegressorModel(Model):
    """Any regressor in the manner of scikit-learn; its spread is that of cross-validated residuals.

    Args:
        regressor: with ``fit`` and ``predict``; it is cloned.
        folds: of the cross-validation.
    """

    def __init__(self, regressor: Any, folds: int = 5) -> None:
        self.regressor, self.folds = regressor, folds
        self.name = type(regressor).__name__

    def tuned(self, X: Floats, y: Floats, groups: NDArray[np.int64]) -> Callable[[Floats, Floats], Fitted]:
        return lambda X, y: _FittedRegressor(self.regressor, self.folds, X, y)


class _FittedRegressor(Fitted):
    def __init__(self, regressor: Any, folds: int, X: Floats, y: Floats) -> None:
        self.regressor = clone(regressor).fit(X, y)
        self._held_out = np.empty_like(y)
        for seen, left_out in KFold(min(folds, len(y)), shuffle=True, random_state=0).split(X):
            self._held_out[left_out] = clone(regressor).fit(X[seen], y[seen]).predict(X[left_out])
        self._spread = float(np.sqrt(np.mean((self._held_out - y) ** 2))) or 1e-12

    def mean(self, X: Floats) -> Floats:
        return np.asarray(self.regressor.predict(X), dtype=np.float64)

    def samples(self, X: Floats, count: int, rng: np.random.Generator) -> Floats:
        return self.mean(X) + self._spread * rng.standard_normal((count, len(X)))

    def interval(self, X: Floats, width: float) -> tuple[Floats, Floats]:
        mean = self.mean(X)
        return mean - width * self._spread, mean + width * self._spread

    def held_out(self) -> HeldOut:
        return self._held_out, self._held_out - self._spread, self._held_out + self._spread
