"""Networks that are measured for their latency alone, chosen to tell the most about that of all others."""

from __future__ import annotations

import random
from collections.abc import Container, Mapping, Sequence

import numpy as np

from mtnas.architecture import Candidate
from mtnas.latency import LATENCY
from mtnas.predicting import GroupedRidge, Quality
from mtnas.predicting.design import most_telling
from mtnas.predicting.genetics import Floats
from mtnas.predicting.quality import quality
from mtnas.quantizing import JointCosts
from mtnas.searching.parameters import Parameters
from mtnas.searching.tree_genes import WORK_MODEL, TreeGenes


class Probes:
    """Chooses which networks of a space to measure so that the latency of all others is foreseen best.

    The first ones lie far from each other. From their latencies follows which kinds of nodes differ how much, and so
    which networks leave the least doubt about all others; that is seen anew after every few more.

    Args:
        joint: the space of candidates, with its exact costs and its structure.
        seed: of the draws.
        wanted: candidates whose latency is to be foreseen; none: any of the space.
        pool: so many networks are drawn to choose from, evenly over trees; those wanted may be chosen, too.
        first: so many lie far from each other.
    """

    def __init__(
        self, joint: JointCosts, seed: int, wanted: Sequence[Candidate] = (), *, pool: int = 1000, first: int = 20
    ) -> None:
        self.joint, self.first = joint, first
        self.parameters = Parameters(joint.space.product)
        self.names = [name for name, kind in self.parameters.distributions.items() if not kind.single()]
        self.genes = genes_of(joint, self.names)
        self.view = self.genes.view(LATENCY)
        rng = random.Random(seed)
        drawn = (joint.space.split(joint.space.product.draw(rng)) for _ in range(pool))
        self.candidates = list(dict.fromkeys([*wanted, *drawn]))
        self.features = self._features(self.candidates)
        self._wanted = self._features(wanted) if wanted else self.features

    def next(
        self, measured: Mapping[Candidate, float], count: int, without: Container[Candidate] = ()
    ) -> list[Candidate]:
        """Networks to measure now: ``count``, or fewer if no more are left.

        Args:
            measured: milliseconds of those that were measured before.
            without: others that are not to be measured.
        """
        new = [n for n, one in enumerate(self.candidates) if one not in measured and one not in without]
        known = self._features([*measured])
        if len(measured) < self.first:
            chosen = _far_apart(self.features[new], known, min(count, self.first - len(measured)))
        else:
            times = np.array([*measured.values()])
            fitted = GroupedRidge().tuned(known, times, self.genes.groups(self.view))(known, times)
            chosen = most_telling(fitted, self.features[new], self._wanted, count)
        return [self.candidates[new[place]] for place in chosen]

    def foreseen(self, measured: Mapping[Candidate, float], candidates: Sequence[Candidate]) -> tuple[Floats, Quality]:
        """Milliseconds of candidates and the ends of their 90 % intervals, (n, 3), and how good that is.

        Args:
            measured: milliseconds of those that were measured.
        """
        groups, times = self.genes.groups(self.view), np.array([*measured.values()])
        known, wanted = self._features([*measured]), self._features(candidates)
        fitted = WORK_MODEL.tuned(known, times, groups)(known, times)
        figures = quality(WORK_MODEL.name, fitted.held_out(), times)
        return np.stack([fitted.mean(wanted), *fitted.interval(wanted, figures.width)], axis=1), figures

    def _features(self, candidates: Sequence[Candidate]) -> Floats:
        members = [self.joint.space.join(candidate) for candidate in candidates]
        return self.genes.features(self.parameters.genes(self.names, members), self.view)


def genes_of(joint: JointCosts, names: Sequence[str]) -> TreeGenes:
    """The genes of a space as predictors of latency see them."""
    return TreeGenes(
        joint.space.product,
        joint.table,
        names,
        [LATENCY],
        {},
        parts=joint.space.parts,
        structure=joint.structure,
    )


def _far_apart(pool: Floats, there: Floats, count: int) -> list[int]:
    """Numbers of rows of the pool that are far from those that are there and from each other, at most ``count``."""
    nearest = np.full(len(pool), np.inf)
    for row in there:
        nearest = np.minimum(nearest, ((pool - row) ** 2).sum(1))
    found: list[int] = []
    for _ in range(min(count, len(pool))):
        found.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, ((pool - pool[found[-1]]) ** 2).sum(1))
        nearest[found[-1]] = -1.0
    return found
