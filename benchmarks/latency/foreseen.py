"""Latencies of candidates that were not measured, foreseen from some that were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from scipy.stats import kendalltau
from sklearn.linear_model import RidgeCV

from benchmarks.latency.spaces import Measurable
from mtnas.architecture import Candidate, QuantizationPolicy
from mtnas.latency import LATENCY
from mtnas.predicting import PlanSettings
from mtnas.predicting.predictors import most_foresighted
from mtnas.progress import progress
from mtnas.searching import Parameters
from mtnas.searching.tree_genes import TreeGenes
from mtnas.targets import MeasureSettings, OnnxRuntime

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OURS = "ours: nodes, MACs, conversions"

RIDGE = RidgeCV(alphas=np.logspace(-4, 3, 15))


def rows_of(
    space: Measurable, seed: int, learn: int, unseen: int, settings: MeasureSettings, splits: int = 16
) -> list[dict[str, Any]]:
    """One row for every way to foresee, and one for measuring again.

    Args:
        splits: of the measured candidates into those that are learned from and those that are foreseen, at random; ways
            get the mean of them, for one split says little.
    """
    target = OnnxRuntime(keep=learn + unseen)
    anchor = space.anchor(target)
    drawn = space.draw(learn + unseen, seed)
    first: list[float] = []
    with progress(f"latencies, {space.name}", learn + 2 * unseen) as advance:
        for candidate in drawn:
            first += space.measured([candidate], target, anchor, settings)
            advance(f"{first[-1]:.3f} ms")
        again: list[float] = []
        for candidate in drawn[learn:]:
            again += space.measured([candidate], target, anchor, settings)
            advance(f"{again[-1]:.3f} ms")
    times, repeated = np.array(first), np.array(again)
    rows = [_row(space, seed, "measured again", 0, unseen, *_off(repeated, times[learn:]))]
    ways = _Ways(space, drawn, times)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(times)) for _ in range(splits)]
    for count in sorted({learn // 2, learn}):
        found = [_figures(ways, order[:count], order[learn:]) for order in orders]
        for name in found[0]:
            off, tau = np.mean([figures[name] for figures in found], axis=0)
            rows.append(_row(space, seed, name, count, unseen, off, tau, f"mean of {splits} splits"))
    few = drawn[learn : learn + unseen // 4]
    deltas = _sum_of_deltas(space, few, target, anchor, settings)
    figures = _off(deltas, times[learn : learn + len(few)])
    rows.append(_row(space, seed, "the float network and one-node deltas", 0, len(few), *figures))
    return rows


class _Ways:
    """Ways to foresee some candidates from the times of others."""

    def __init__(self, space: Measurable, drawn: list[Candidate], times: Floats) -> None:
        parameters = Parameters(space.costs.space.product)
        genes = TreeGenes(
            space.costs.space.product,
            space.costs.table,
            [*parameters.distributions],
            [LATENCY],
            {},
            parts=space.costs.space.parts,
            structure=space.costs.structure,
        )
        rows = np.array([_genes(parameters, space, candidate) for candidate in drawn])
        view = genes.view(LATENCY)
        self.times = times
        (self.model,) = genes.models(view)
        self.work, self.of_work = genes.features(rows, view), genes.groups(view)
        self.whole, self.of_whole = genes.features(rows, 0), genes.groups(0)
        self.counts = np.concatenate(list(_counts(space, drawn)), axis=1)

    def __call__(self, seen: Ints, unseen: Ints) -> Iterator[tuple[str, Floats]]:
        """Times of the unseen, by way; (n,) numbers of candidates each."""
        times, work, whole, counts = self.times[seen], self.work, self.whole, self.counts
        yield OURS, self.model.tuned(work[seen], times, self.of_work)(work[seen], times).mean(work[unseen])
        yield "the same, ridge alone", RIDGE.fit(work[seen], times).predict(work[unseen])
        chosen = most_foresighted(PlanSettings().models, whole[seen], times, self.of_whole)
        fitted = chosen.tuned(whole[seen], times, self.of_whole)(whole[seen], times)
        yield "features that errors are predicted by", fitted.mean(whole[unseen])
        yield "additive table: nodes by operator and bits", RIDGE.fit(counts[seen], times).predict(counts[unseen])


def _figures(ways: _Ways, seen: Ints, unseen: Ints) -> dict[str, tuple[float, float]]:
    """`_off` of every way."""
    return {name: _off(foreseen, ways.times[unseen]) for name, foreseen in ways(seen, unseen)}


def _off(foreseen: Floats, times: Floats) -> tuple[float, float]:
    """Mean percentage error and Kendall's tau."""
    return 100 * float(np.mean(np.abs(foreseen - times) / times)), float(kendalltau(foreseen, times).statistic)


def _counts(space: Measurable, drawn: list[Candidate]) -> Iterator[Floats]:
    """How many nodes of every block have each option and bits, (n, options) a block."""
    members = [space.member(candidate) for candidate in drawn]
    for number, block in enumerate(space.costs.space.product.blocks):
        yield np.array([[member.options[number].count(name) for name in block.options] for member in members], float)


def _genes(parameters: Parameters, space: Measurable, candidate: Candidate) -> list[int]:
    values = parameters.encode(space.member(candidate))
    return [
        distribution.choices.index(values[name])
        if isinstance(distribution, CategoricalDistribution)
        else int(values[name])
        for name, distribution in parameters.distributions.items()
    ]


def _sum_of_deltas(
    space: Measurable, candidates: list[Candidate], target: OnnxRuntime, anchor: float, settings: MeasureSettings
) -> Floats:
    """The float network's time and, for every node in integers, what that node alone in integers changes.

    What is usually done with a table of layers; it measures each candidate's own network and nodes, so it costs more
    than measuring the candidate would.
    """
    found = []
    with progress(f"deltas, {space.name}", len(candidates)) as advance:
        for candidate in candidates:
            architecture, nodes = candidate.architecture, candidate.policy.nodes
            alone = [Candidate(architecture, QuantizationPolicy.of({node: target.integers})) for node in nodes]
            base, *changed = space.measured([Candidate(architecture), *alone], target, anchor, settings)
            found.append(base + sum(one - base for one in changed))
            advance(f"{found[-1]:.3f} ms")
    return np.array(found)


def _row(
    space: Measurable, seed: int, how: str, count: int, unseen: int, off: float, tau: float, note: str = ""
) -> dict[str, Any]:
    return {
        "space": space.name,
        "seed": seed,
        "what": how,
        "measured": count,
        "unseen": unseen,
        "off by, %": off,
        "tau": tau,
        "note": note,
    }
