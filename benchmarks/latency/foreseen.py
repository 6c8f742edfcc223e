"""Latencies of candidates that were not measured, foreseen from some that were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.linear_model import RidgeCV

from benchmarks.latency.spaces import Measurable
from mtnas.architecture import Candidate, QuantizationPolicy
from mtnas.latency import LATENCY
from mtnas.predicting import PlanSettings
from mtnas.predicting.predictors import most_foresighted
from mtnas.progress import progress
from mtnas.searching import Parameters
from mtnas.searching.probes import Probes, genes_of
from mtnas.seeds import derive_seed
from mtnas.targets import MeasureSettings, OnnxRuntime

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OURS = "ours, networks at random"
PROBED = "ours, networks that tell the most"

RIDGE = RidgeCV(alphas=np.logspace(-4, 3, 15))


def rows_of(
    space: Measurable, seed: int, learn: int, unseen: int, settings: MeasureSettings, splits: int = 16, choices: int = 3
) -> list[dict[str, Any]]:
    """One row for every way to foresee, and one for measuring again.

    Args:
        splits: of the measured candidates into those that are learned from and those that are foreseen, at random; ways
            get the mean of them, for one split says little.
        choices: times that networks are chosen to be learned from, each from other draws; their mean is told, too.
    """
    target = OnnxRuntime(keep=learn + unseen)
    anchor = space.anchor(target)
    drawn = space.draw(learn + unseen, seed)
    with progress(f"latencies, {space.name}", learn + unseen + choices * (learn + unseen)) as advance:

        def measured(candidate: Candidate) -> float:
            (found,) = space.measured([candidate], target, anchor, settings)
            advance(f"{found:.3f} ms")
            return found

        times = np.array([measured(candidate) for candidate in drawn])
        passes, probed = [times[learn:]], []
        for choice in range(choices):
            again, by_count = _probed(space, derive_seed(seed, "probes", choice), learn, drawn[learn:], measured)
            passes.append(again)
            probed.append(by_count)
    off, tau = np.mean([_off(other, one) for one, other in pairwise(passes)], axis=0)
    rows = [_row(space, seed, "measured again", 0, unseen, off, tau, f"mean of {choices} times")]
    for count in probed[0]:
        off, tau = np.mean([by_count[count] for by_count in probed], axis=0)
        rows.append(_row(space, seed, PROBED, count, unseen, off, tau, f"mean of {choices} choices"))
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


def _probed(
    space: Measurable, seed: int, learn: int, unseen: list[Candidate], measured: Callable[[Candidate], float]
) -> tuple[Floats, dict[int, tuple[float, float]]]:
    """Times of the unseen, and how far those are off that are foreseen from networks chosen for it, by their number.

    As `mtnas measure --foresee` chooses them. The unseen are measured in between: a processor is not as fast now
    as it is minutes later.
    """
    probes, known = Probes(space.costs, seed), dict[Candidate, float]()
    times: list[float] = []
    foreseen = {}
    while len(known) < learn:
        for candidate in probes.next(known, min(10, learn - len(known), learn // 2)):
            known[candidate] = measured(candidate)
            due = len(unseen) * len(known) // learn
            times += [measured(one) for one in unseen[len(times) : due]]
        if len(known) in (learn // 2, learn):
            foreseen[len(known)] = probes.foreseen(known, unseen)[0][:, 0]
    return np.array(times), {count: _off(found, np.array(times)) for count, found in foreseen.items()}


class _Ways:
    """Ways to foresee some candidates from the times of others."""

    def __init__(self, space: Measurable, drawn: list[Candidate], times: Floats) -> None:
        parameters = Parameters(space.costs.space.product)
        names = [*parameters.distributions]
        genes = genes_of(space.costs, names)
        rows = parameters.genes(names, [space.member(candidate) for candidate in drawn])
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
