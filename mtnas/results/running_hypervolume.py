"""The hypervolume of a growing set of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtnas.results.front import exclusive_volume


class RunningHypervolume:
    """What `hypervolume` gives of the points so far, without looking at all of them again for each new one.

    Where that is an estimate, this is another one of the same volume, which never falls.

    A point that is dominated, or outside the box, costs one comparison with the front. Any other adds the volume of
    its own box less what the front already covers of that, which a few points decide (While et al. 2012,
    doi:10.1109/TEVC.2010.2077298, "exclusive hypervolume").

    Args:
        reference: (objectives,), above zero.
    """

    def __init__(self, reference: NDArray[np.float64]) -> None:
        self.reference = reference
        self.value = 0.0
        self._added = 0
        self._front: NDArray[np.float64] = np.empty((0, len(reference)))  # (front members, objectives), scaled

    def add(self, point: NDArray[np.float64]) -> float:
        """Take in one more point, (objectives,), and return the hypervolume of all."""
        scaled = point / self.reference
        if (scaled < 1).all() and not (self._front <= scaled).all(1).any():
            self.value += exclusive_volume(scaled, self._front, self._added)
            self._added += 1
            self._front = np.vstack([self._front[~(scaled <= self._front).all(1)], scaled])
        return self.value


def hypervolume_curve(
    points: NDArray[np.float64], feasible: NDArray[np.bool_], reference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Hypervolume after each row, (rows,); rows over a budget add nothing.

    Args:
        points: (rows, objectives).
        feasible: (rows,).
        reference: (objectives,), above zero.
    """
    running = RunningHypervolume(reference)
    return np.array([running.add(point) if met else running.value for point, met in zip(points, feasible, strict=True)])
