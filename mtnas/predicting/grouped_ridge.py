"""Bayesian linear regression in which columns of one kind have a prior of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from mtnas.predicting.genetics import Floats
from mtnas.predicting.model import Fitted, Model
from mtnas.predicting.quality import HeldOut
from mtnas.predicting.spread import evenly_spread

Ints = NDArray[np.int64]

_LEAST_NOISE = 1e-6
"""Variance, as a share of that of the costs: below it matrices are not solved well."""


class GroupedRidge(Model):
    """A cost that adds up, whose parts of one kind are alike in size: how large each kind is, the rows tell.

    Slopes are normal around zero with a variance for each group of columns. The variances, and that of the noise, are
    those of the largest evidence, by MacKay's and Tipping's steps (Neural Computation 4, 1992; JMLR 1, 2001), there
    for single columns. A kind that says little is thereby told from one that says much, so that there may be many more
    columns than rows. Costs err by about the same percentage everywhere, so that rows weigh by 1 / y^2; where one is
    zero or below, percentages mean nothing, and all weigh alike.

    Parts may add up to a bit more or less than their sum: what is out of the cache waits, what is shared is paid for
    once. A cost is therefore a power of a line, the one of largest evidence (Box and Cox, JRSS B 26, 1964); where there
    is a zero or below, it is the line itself.

    Args:
        iterations: of the steps.
        rows: most rows that the variances are settled on; of more, some are taken, evenly spread.
        noise: share that costs are off by, as far as is known without rows.
        noise_rows: so many rows that counts for. With none, fewer rows than columns may seem to be without noise.
        powers: of the line, to choose from.
        power_spread: standard deviation of the logarithm of the power, as far as is known without rows. Few rows
            do not tell.
    """

    name = "ridge by kinds"

    def __init__(
        self,
        iterations: int = 60,
        rows: int = 400,
        noise: float = 0.015,
        noise_rows: float = 10.0,
        powers: Sequence[float] = (0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3),
        power_spread: float = 0.1,
    ) -> None:
        self.iterations, self.rows, self.noise, self.noise_rows = iterations, rows, noise, noise_rows
        self.powers, self.power_spread = tuple(powers), power_spread

    def tuned(self, X: Floats, y: Floats, groups: Ints) -> Callable[[Floats, Floats], FittedRidge]:
        """The groups are those of columns of one kind, (features,)."""
        some = evenly_spread(len(y), self.rows)
        rows, power = _Weighed(X[some], y[some]), 1.0
        variances, noise = _settled(rows, groups, self)
        if np.min(y[some]) > 0:
            power = _best_power(X[some], y[some], variances[groups], noise, self)
        if power != 1:
            rows = _Weighed(X[some], _raised(y[some], 1 / power))
            variances, noise = _settled(rows, groups, self)

        def fit(X: Floats, y: Floats) -> FittedRidge:
            own = power if np.min(y) > 0 else 1.0
            later = _Weighed(X, _raised(y, 1 / own))  # in units of its own
            times = rows.scale / later.scale
            noise_of = noise * (times * later.unit / rows.unit) ** 2
            return FittedRidge(later, variances[groups] * times**2, noise_of, own)

        return fit


class _Weighed:
    """Rows about their mean and in units of their spread, each weighed so that all err alike."""

    def __init__(self, X: Floats, y: Floats) -> None:
        self.relative = bool(np.min(y) > 0)
        self.weights = np.mean(y) / y if self.relative else np.ones(len(y))
        share = self.weights**2 / np.sum(self.weights**2)
        self.leverages = share  # of the mean
        self.x_mean, self.y_mean = share @ X, float(share @ y)
        off = (y - self.y_mean) * self.weights
        self.scale = float(off.std()) or 1.0
        self.X: Floats = (X - self.x_mean) * self.weights[:, None]
        self.y: Floats = off / self.scale
        self.measured, self.level = y, float(np.mean(y))
        self.unit = self.level if self.relative else 1.0  # of what a cost is off by


def _raised(values: Floats, power: float) -> Floats:
    """A power that goes on below zero as it does above, so that larger values stay larger."""
    found: Floats = np.sign(values) * np.abs(values) ** power
    return found


def _best_power(X: Floats, y: Floats, variances: Floats, noise: float, model: GroupedRidge) -> float:
    """The power of largest evidence; the variances, in units of the spread, are those of the line itself for all."""

    def evidence(power: float) -> float:
        rows = _Weighed(X, _raised(y, 1 / power))
        kernel = (rows.X * variances) @ rows.X.T
        kernel[np.diag_indices_from(kernel)] += noise
        factor = cho_factor(kernel, lower=True)
        fit = float(rows.y @ cho_solve(factor, rows.y)) / 2 + float(np.log(np.diag(factor[0])).sum())
        # Weighed rows are in units of y by d(y^(1/p)) / dy times their weights; y itself is the same for all powers.
        units = len(y) * np.log(rows.level / rows.scale / power)
        return float(units - fit - (np.log(power) / model.power_spread) ** 2 / 2)

    return max(model.powers, key=evidence)


def _settled(rows: _Weighed, groups: Ints, model: GroupedRidge) -> tuple[Floats, float]:
    """Variances of the slopes, by group, and of the noise."""
    count = int(groups.max(initial=-1)) + 1
    sizes = np.bincount(groups, minlength=count)
    variances, expected = np.ones(count), max((model.noise * abs(rows.level) / rows.scale) ** 2, _LEAST_NOISE)
    noise = expected
    for _ in range(model.iterations):
        slopes, spread = _slopes(rows, variances[groups], noise)
        squares = np.bincount(groups, slopes**2 + spread, minlength=count)
        known = float(np.sum(1 - spread / variances[groups]))  # number of slopes that the rows determine
        # A faint gamma prior keeps groups of a few columns from running off to zero or infinity.
        variances = np.maximum((squares + 1e-3) / (sizes + 2e-3), 1e-9)
        left = rows.y - rows.X @ slopes
        seen, counts = float(left @ left), max(len(left) - 1 - known, 0.0)
        noise = max((seen + model.noise_rows * expected) / (counts + model.noise_rows), _LEAST_NOISE)
    return variances, noise


def _slopes(rows: _Weighed, variances: Floats, noise: float) -> tuple[Floats, Floats]:
    """Means and variances of the slopes, (features,) each; of rows and columns, the fewer are solved for."""
    X, y = rows.X, rows.y
    if X.shape[1] <= X.shape[0]:
        covariance = _covariance(rows, variances, noise)
        return covariance @ (X.T @ y) / noise, covariance.diagonal()
    scaled, solved = _by_rows(rows, variances, noise)
    spread = variances - np.einsum("nf,nf->f", scaled, solved)
    return solved.T @ y, np.maximum(spread, 0)


def _by_rows(rows: _Weighed, variances: Floats, noise: float) -> tuple[Floats, Floats]:
    """Columns times their variances, and the same divided by the covariance of the rows, (rows, features) each."""
    scaled = rows.X * variances
    kernel = scaled @ rows.X.T
    kernel[np.diag_indices_from(kernel)] += noise
    return scaled, cho_solve(cho_factor(kernel, lower=True), scaled)


def _covariance(rows: _Weighed, variances: Floats, noise: float) -> Floats:
    """Of the slopes, (features, features)."""
    X = rows.X
    if X.shape[1] <= X.shape[0]:
        return np.asarray(np.linalg.inv(X.T @ X / noise + np.diag(1 / variances)), dtype=np.float64)
    scaled, solved = _by_rows(rows, variances, noise)
    found: Floats = np.diag(variances) - scaled.T @ solved
    return found


class FittedRidge(Fitted):
    """Slopes of rows, with variances of the slopes, (features,), and of the noise, in units of the rows.

    Args:
        power: of the line that gives costs.
    """

    def __init__(self, rows: _Weighed, variances: Floats, noise: float, power: float = 1.0) -> None:
        self.rows, self.variances, self.noise, self.power = rows, variances, noise, power
        self.slopes, _ = _slopes(rows, variances, noise)

    @cached_property
    def covariance(self) -> Floats:
        """Of the slopes, (features, features)."""
        return _covariance(self.rows, self.variances, self.noise)

    def mean(self, X: Floats) -> Floats:
        return _raised(self._line(X), self.power)

    def _line(self, X: Floats) -> Floats:
        found: Floats = self.rows.y_mean + self.rows.scale * ((X - self.rows.x_mean) @ self.slopes)
        return found

    def level(self, X: Floats, least: float = 1e-3) -> Floats:
        """By what noise and errors grow with costs, (n,): the lines as shares of the mean cost, or ones.

        Args:
            least: of these shares.
        """
        if not self.rows.relative:
            return np.ones(len(X))
        return np.asarray(np.maximum(self._line(X) / self.rows.level, least))

    def samples(self, X: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Lines drawn from the posterior, in pairs that lie opposite each other about the mean."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        draws = rng.standard_normal((-(-count // 2), len(values))) @ root.T
        draws = np.concatenate([draws, -draws])[:count]
        return _raised(self._line(X) + self.rows.scale * (draws @ (X - self.rows.x_mean).T), self.power)

    def interval(self, X: Floats, width: float) -> tuple[Floats, Floats]:
        mean, off = self._line(X), X - self.rows.x_mean
        of_line = np.maximum(np.einsum("nf,nf->n", off @ self.covariance, off), 0)
        spread = width * self.rows.scale * np.sqrt(of_line + self.noise * self.level(X) ** 2)
        return _raised(mean - spread, self.power), _raised(mean + spread, self.power)

    def held_out(self) -> HeldOut:
        """By the leverages of the rows, without a fit for each (Allen's PRESS, 1974)."""
        rows = self.rows
        own = rows.leverages + np.einsum("nf,nf->n", rows.X @ self.covariance, rows.X) / self.noise
        left = 1 - np.minimum(own, 1 - 1e-9)
        off = (rows.y - rows.X @ self.slopes) / left * rows.scale / rows.weights
        spread = np.sqrt(self.noise / left) * rows.scale / rows.weights
        mean = rows.measured - off
        found, low, high = (_raised(line, self.power) for line in (mean, mean - spread, mean + spread))
        return found, low, high
