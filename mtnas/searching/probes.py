"""Networks that are measured for their latency alone, chosen to tell the most about that of all others."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mtnas.architecture import Candidate
from mtnas.latency import LATENCY
from mtnas.predicting import GroupedRidge, Quality
from mtnas.predicting.design import most_telling
from mtnas.predicting.genetics import Floats, Genes, fingerprints
from mtnas.predicting.quality import quality
from mtnas.quantizing import JointCosts
from mtnas.searching.parameters import Parameters
from mtnas.searching.tree_genes import WORK_MODEL, TreeGenes
from mtnas.seeds import derive_seed


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
        self,
        joint: JointCosts,
        seed: int,
        wanted: Sequence[Candidate] = (),
        *,
        pool: int = 1000,
        first: int = 20,
        rounds: int = 10,
    ) -> None:
        self.joint, self.seed, self.first, self.rounds = joint, seed, first, rounds
        self.parameters = Parameters(joint.space.product)
        self.names = [name for name, kind in self.parameters.distributions.items() if not kind.single()]
        self.genes = genes_of(joint, self.names)
        self.view = self.genes.view(LATENCY)
        rng = random.Random(seed)
        drawn = (joint.space.split(joint.space.product.draw(rng)) for _ in range(pool))
        self.candidates = list(dict.fromkeys([*wanted, *drawn]))
        self._pool = self._genes(self.candidates)
        self.features = self.genes.features(self._pool, self.view)
        self._wanted = self._features(wanted) if wanted else self.features

    def next(
        self, measured: Mapping[Candidate, float], count: int, without: Collection[Candidate] = ()
    ) -> list[Candidate]:
        """Networks to measure now: ``count``, or fewer if no more are left.

        Args:
            measured: milliseconds of those that were measured before.
            without: others that are not to be measured.
        """
        known = self._features([*measured])
        if len(measured) < self.first:
            new = [n for n, one in enumerate(self.candidates) if one not in measured and one not in without]
            chosen = _far_apart(self.features[new], known, min(count, self.first - len(measured)))
            return [self.candidates[new[place]] for place in chosen]
        times, groups = np.array([*measured.values()]), self.genes.groups(self.view)
        genes = most_telling(
            GroupedRidge().tuned(known, times, groups)(known, times),
            self.genes,
            self.view,
            self._pool,
            self._wanted,
            np.random.default_rng(derive_seed(self.seed, "varied", len(measured))),
            count=count,
            known=fingerprints(self.genes.identity(self._genes([*measured, *without]))),
            rounds=self.rounds,
        )
        return [self._candidate(one) for one in genes]

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
        return self.genes.features(self._genes(candidates), self.view)

    def _genes(self, candidates: Sequence[Candidate]) -> Genes:
        return self.parameters.genes(self.names, [self.joint.space.join(candidate) for candidate in candidates])

    def _candidate(self, genes: Genes) -> Candidate:
        """The candidate of a genome, (genes,)."""
        return self.joint.space.split(self.parameters.architecture(self.names, genes))


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
        idle=joint.idle,
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
