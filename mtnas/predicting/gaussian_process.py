"""A Gaussian process on choices: main effects plus interactions, with a weight for every choice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack, solve_triangular
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin

from mtnas.predicting.genetics import Floats
from mtnas.predicting.posterior_mean import PosteriorMean, means_at
from mtnas.predicting.spread import evenly_spread


class ChoiceProcess(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process regression on the features of `Genetics` (Rasmussen and Williams 2006, algorithm 2.1).

    With d_g the squared distance of two rows in the columns of choice g, and u_g = w_g / sum w, the kernel is
    ``a * sum_g u_g (1 - d_g) + b * exp(-sum_g w_g d_g)``: an additive part, which needs few rows, and one for
    interactions of any order. Weights, scales and noise are those of the largest posterior density under log-normal
    priors; the prior weights shrink with the number of choices, so that many choices do not make all rows strangers
    (arXiv 2402.02229).

    Args:
        groups: choice of every column, (features,); None: every column is one of its own.
        rows: most rows that weights, scales and noise are fitted on; more are thinned out evenly.
        iterations: of that fit. The priors are good guesses, and a few steps from them predict better than the end.
        spread: standard deviation of the logarithm of a choice's weight in its prior. Large where few choices decide
            about all others, as a switch does; it then takes more iterations to find them.
    """

    def __init__(
        self, groups: NDArray[np.int64] | None = None, rows: int = 200, iterations: int = 6, spread: float = 1.0
    ) -> None:
        self.groups = groups
        self.rows = rows
        self.iterations = iterations
        self.spread = spread

    def fit(self, X: Floats, y: Floats) -> ChoiceProcess:
        """Settle weights, scales and noise, then condition on all rows. X (n, features), y (n,)."""
        return self.settle(X, y).condition(X, y)

    def settle(self, X: Floats, y: Floats) -> ChoiceProcess:
        """Fit weights, scales and noise, on few of the rows if there are many."""
        groups = self._groups(X)
        few, many = (evenly_spread(len(X), rows) for rows in (self.rows // 3, self.rows))
        theta = self._largest_posterior(X[few], y[few], groups, None, self.iterations)
        if len(many) > len(few):
            # Few rows bring the weights near, which is quick; the others then need few steps.
            theta = self._largest_posterior(X[many], y[many], groups, theta, max(1, self.iterations // 2))
        self.theta_ = theta
        return self

    def _largest_posterior(
        self, X: Floats, y: Floats, groups: NDArray[np.int64], start: Floats | None, iterations: int
    ) -> Floats:
        """Logarithms of weights, scales and noise."""
        objective = _NegativeLogPosterior(X, (y - y.mean()) / (float(y.std()) or 1.0), groups, self.spread)
        found = minimize(
            objective,
            objective.prior_mean if start is None else start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": iterations},
        )
        best: Floats = found.x
        return best

    def condition(self, X: Floats, y: Floats) -> ChoiceProcess:
        """Condition on rows with the weights, scales and noise at hand."""
        self.X_, self.y_, self.mean_ = X, y, float(y.mean())
        self.spread_ = float(y.std()) or 1.0
        choices, self.additive_, self.joint_, self.noise_ = _unpack(self.theta_)
        weights = choices[self._groups(X)]
        self.root_ = np.sqrt(weights)
        self.main_ = np.sqrt(weights / choices.sum() * 2)
        kernel = self._kernel(X, X)
        kernel[np.diag_indices_from(kernel)] += self.noise_
        self.factor_ = cho_factor(kernel, lower=True)
        self.alpha_ = cho_solve(self.factor_, (y - self.mean_) / self.spread_)
        slopes = self.additive_ * self.main_ * ((X * self.main_).T @ self.alpha_)
        self.posterior_ = PosteriorMean(X, weights, self.joint_ * self.alpha_, slopes)
        return self

    def predict(self, X: Floats, return_std: bool = False) -> Any:
        """Mean (n,), and with ``return_std`` the standard deviation of a new measurement."""
        mean = self.scaled(means_at(X, [self.posterior_])[0])
        if not return_std:
            return mean
        cross = self._kernel(self.X_, X)  # (rows, n)
        explained = (solve_triangular(self.factor_[0], cross, lower=True, check_finite=False) ** 2).sum(0)
        own = self.additive_ * ((X * self.main_) ** 2).sum(1) + self.joint_
        return mean, self.spread_ * np.sqrt(np.maximum(own - explained, 1e-10) + self.noise_)

    def samples(self, X: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Functions drawn from the posterior at rows X, (count, n).

        They come in pairs that lie opposite each other about the mean, so that few give its mean and spread well
        (antithetic variates, Hammersley and Morton 1956).
        """
        cross = self._kernel(self.X_, X)
        half = solve_triangular(self.factor_[0], cross, lower=True, check_finite=False)
        covariance = self._kernel(X, X) - half.T @ half
        covariance[np.diag_indices_from(covariance)] += 1e-6 * (self.additive_ + self.joint_)
        root = np.linalg.cholesky(covariance)
        draws = rng.standard_normal((-(-count // 2), len(X))) @ root.T
        draws = np.concatenate([draws, -draws])[:count]
        drawn: Floats = self.mean_ + self.spread_ * (cross.T @ self.alpha_ + draws)
        return drawn

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of every row as predicted from all others (ibid., section 5.4.2)."""
        # The diagonal of K^-1 = L^-T L^-1 is that of the squares of L^-1 by column.
        root, _ = lapack.dtrtri(np.tril(self.factor_[0]), lower=1)
        variance = 1 / (root**2).sum(0)
        return self.y_ - self.spread_ * self.alpha_ * variance, self.spread_ * np.sqrt(variance)

    def _groups(self, X: Floats) -> NDArray[np.int64]:
        return np.arange(X.shape[1]) if self.groups is None else np.asarray(self.groups)

    def scaled(self, mean: Floats) -> Floats:
        """What `posterior_` gives, as it is measured."""
        return self.mean_ + self.spread_ * mean

    def _kernel(self, one: Floats, other: Floats) -> Floats:
        kernel: Floats = self.joint_ * np.exp(-_squared_distances(one * self.root_, other * self.root_))
        kernel += self.additive_ * (one * self.main_) @ (other * self.main_).T
        return kernel


class _NegativeLogPosterior:
    """Of the logarithms of (weights of the choices, additive scale, joint scale, noise), with its gradient."""

    def __init__(self, X: Floats, y: Floats, groups: NDArray[np.int64], spread: float) -> None:
        self.X, self.y, self.groups = X, y, groups
        self.choices = int(groups.max()) + 1 if len(groups) else 0
        # Two rows differ in about half of the choices: their distance starts at about one.
        centre = np.log(2.0 / max(1, self.choices))
        self.prior_mean = np.concatenate([np.full(self.choices, centre), np.log([1.0, 0.5, 0.01])])
        self.prior_spread = np.concatenate([np.full(self.choices, spread), [1.5, 1.5, 2.5]])

        # A step that goes too far is told so by the prior. Beyond these the kernel stays as it is: bounds of the
        # optimiser's own would double its overhead, and the few steps from the prior do not come near them.
        self.low = np.concatenate([np.full(self.choices, centre - 6), [-7.0, -7.0, -12.0]])
        self.high = np.concatenate([np.full(self.choices, centre + 5), [5.0, 5.0, 1.0]])

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        held = np.minimum(np.maximum(theta, self.low), self.high)
        choices, additive, joint, noise = _unpack(held)
        weights = choices[self.groups]
        total = choices.sum()
        products = (self.X * weights) @ self.X.T
        norms = products.diagonal()
        near = 2 * products
        near -= norms[:, None]
        near -= norms
        np.exp(np.minimum(near, 0, out=near), out=near)
        kernel = joint * near
        kernel += (additive * 2 / total) * products
        kernel.flat[:: len(kernel) + 1] += noise
        root, failed = lapack.dpotrf(kernel, lower=1, clean=1)
        if failed:
            raise np.linalg.LinAlgError("the kernel matrix is not positive definite")
        lower, _ = lapack.dpotri(root, lower=1)  # with zeros above the diagonal, as the root has
        inverse = lower + lower.T
        inverse.flat[:: len(inverse) + 1] = lower.diagonal()
        alpha = inverse @ self.y
        value = 0.5 * self.y @ alpha + np.log(root.diagonal()).sum()
        # Half of tr((K^-1 - alpha alpha^T) dK), summed with the derivatives of the kernel's parts: by column those of
        # x_i x_j times 2 a / sum w, and of -(x_i - x_j)^2 times b exp(-d).
        outer = 0.5 * (inverse - np.multiply.outer(alpha, alpha))
        of_near = outer * near
        of_near *= joint
        crossed = outer * (2 * additive / total) + 2 * of_near
        by_column = ((crossed @ self.X) * self.X).sum(0) - 2 * (of_near.sum(0) @ self.X**2)
        gradient_choices = np.bincount(self.groups, by_column, minlength=self.choices)
        along_linear = float(np.vdot(outer, products)) * 2 / total * additive
        gradient = np.concatenate(
            [
                gradient_choices * choices - along_linear * choices / total,
                [along_linear, float(of_near.sum()), noise * float(np.trace(outer))],
            ]
        )
        gradient *= held == theta
        off = (theta - self.prior_mean) / self.prior_spread
        return float(value + 0.5 * off @ off), gradient + off / self.prior_spread


def _unpack(theta: Floats) -> tuple[Floats, float, float, float]:
    """Weights of the choices, additive scale, joint scale, noise variance."""
    values = np.exp(theta)
    return values[:-3], float(values[-3]), float(values[-2]), float(values[-1])


def _squared_distances(one: Floats, other: Floats) -> Floats:
    """(n, m)"""
    squares: Floats = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    np.maximum(squares, 0, out=squares)
    return squares
