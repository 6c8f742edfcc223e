"""A batch of candidates whose measurement promises the most hypervolume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from mtnas.predicting.genetics import Floats


class Improvement:
    """Expected gain of hypervolume, by random scalarisations and worlds.

    With directions v on the positive unit sphere, the hypervolume that points y dominate below a reference r is, up to
    a constant, the mean over v of ``max over y of min over i of ((r_i - y_i) / v_i)^d`` (arXiv 2006.04655, lemma 5). A
    world is one draw of all candidates' costs from the predictors; in each, what has been picked counts as measured
    with its value in that world, so that a batch spreads by itself.

    Args:
        reference: (objectives,).
        measured: costs of measured rows within all constraints, (n, objectives).
        count: number of directions.
        rng: draws them.
        lookahead: candidates whose gain is worked out anew together while picking.
    """

    def __init__(
        self, reference: Floats, measured: Floats, count: int, rng: np.random.Generator, lookahead: int = 12
    ) -> None:
        self.lookahead = lookahead
        self.reference = reference
        size = len(reference)
        uniform = qmc.Sobol(size, rng=rng).random(count)
        directions = np.abs(ndtri(np.clip(uniform, 1e-6, 1 - 1e-6)))
        self.inverse = (1 / (directions / np.linalg.norm(directions, axis=1, keepdims=True))).astype(np.float32)
        reached = self.reach(measured[None], np.ones((1, len(measured)), dtype=bool))
        self.best = reached[0].max(0) if len(measured) else np.zeros(count, dtype=np.float32)

    def reach(self, costs: Floats, allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
        """How far candidates come along every direction, (worlds, n, directions); nowhere where they are not allowed.

        Args:
            costs: (worlds, n, objectives).
            allowed: (worlds, n).
        """
        room = np.maximum(self.reference - costs, 0).astype(np.float32)
        volumes = np.empty((*costs.shape[:2], len(self.inverse)), dtype=np.float32)
        reach, other = np.empty((2, *volumes.shape[1:]), dtype=np.float32)
        for volume, of_world in zip(volumes, room, strict=True):  # one world at a time stays in a processor's cache
            np.multiply(of_world[:, 0, None], self.inverse[:, 0], out=reach)
            for objective in range(1, costs.shape[-1]):
                np.multiply(of_world[:, objective, None], self.inverse[:, objective], out=other)
                np.minimum(reach, other, out=reach)
            power = reach
            for _ in range(costs.shape[-1] - 1):
                power = np.multiply(power, reach, out=volume)
            if power is reach:
                volume[:] = reach
        if not allowed.all():
            volumes *= allowed[..., None]
        return volumes

    def pick(self, worlds: Floats, allowed: NDArray[np.bool_], count: int, pending: int = 0) -> list[int]:
        """Candidates in the order of their picking.

        Args:
            worlds: costs of the candidates in every world, (worlds, n, objectives).
            allowed: whether a candidate meets all constraints in a world, (worlds, n).
            count: how many to pick.
            pending: the first candidates that are being measured already: they count, but are not picked.
        """
        reach = self.reach(worlds, allowed)
        best = np.broadcast_to(self.best, (len(worlds), len(self.best))).copy()
        if pending:
            best = np.maximum(best, reach[:, :pending].max(1))
        picked: list[int] = []
        free = np.ones(worlds.shape[1], dtype=bool)
        free[:pending] = False
        # Where nothing promises a gain any more, the likeliest to be allowed comes first.
        tiebreak = 1e-12 * allowed.mean(0)
        score = np.where(free, self.gains(reach, best) + tiebreak, -1.0)
        for _ in range(min(count, int(free.sum()))):
            # A gain only ever shrinks as others are picked (lazy greedy, Minoux 1978): one that stays first is right.
            stale = free.copy()
            while stale[chosen := int(score.argmax())]:
                order = np.argsort(np.where(stale, -score, np.inf), kind="stable")
                again = order[: min(self.lookahead, int(stale.sum()))]
                score[again] = self.gains(reach[:, again], best) + tiebreak[again]
                stale[again] = False
            picked.append(chosen)
            free[chosen], score[chosen] = False, -1.0
            best = np.maximum(best, reach[:, chosen])
        return picked

    @staticmethod
    def gains(reach: NDArray[np.float32], best: NDArray[np.float32]) -> Floats:
        """Mean gain over worlds and directions: (worlds, n, directions) and (worlds, directions) -> (n,)."""
        gains = reach - best[:, None]
        np.maximum(gains, 0, out=gains)
        # The sum over directions as a product, which takes half of the time.
        sums = gains.reshape(-1, gains.shape[2]) @ np.ones(gains.shape[2], dtype=np.float32)
        means: Floats = sums.reshape(gains.shape[:2]).mean(0).astype(np.float64) / gains.shape[2]
        return means
