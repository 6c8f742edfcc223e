"""What to measure next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mtnas.predicting.evolution import Visited, distinct, evolve, first_front, survivors
from mtnas.predicting.genetics import Floats, Genes, Genetics, fingerprints, meets_exact_constraints
from mtnas.predicting.improvement import Improvement
from mtnas.predicting.model import Model, ProcessModel
from mtnas.predicting.polish import polished
from mtnas.predicting.predictors import Cost, Predictors, Tuned
from mtnas.predicting.quality import Quality
from mtnas.predicting.rows import Rows


def _process(warped: bool, iterations: int) -> Model:
    """A Gaussian process, with one of few choices that decide about all others as a variant."""
    name = "Gaussian process, warped" if warped else "Gaussian process"
    wide = ProcessModel(warped, iterations=20, spread=2.0, name=f"{name}, wide")
    return ProcessModel(warped, iterations=iterations, name=name, variants=[wide])


def _processes() -> tuple[Model, ...]:
    """First one of costs as they are: how they should be warped, too few rows do not tell."""
    return _process(warped=False, iterations=20), _process(warped=True, iterations=6)


@dataclass(frozen=True)
class PlanSettings:
    """All that can be chosen about how a batch is planned.

    Attributes:
        models: ways to predict a cost; where there are several, the one that foresees later rows best is taken, or the
            best of its `variants`; the first one while rows are too few to compare them.
        least_tau: a predictor is not trusted when its Kendall's tau on held-out rows is below this, even if
            ``tau_errors`` standard errors are granted: ten rows alone say little against it.
        tau_errors: see there.
        explore: share of a batch that goes to the candidates whose costs are least certain.
        evaluations: candidates that the inner search looks at for a batch.
        further: share of these where it goes on from the shortlist of the batch before, in one generation at least.
        anew: batches after which it begins anew all the same; 1: with each. A study that is loaded works out up to so
            many batches again.
        settled: rows from which on it goes on; before, predictors change too much from batch to batch.
        optimism: standard deviations by which costs are taken to be lower in a second inner search, which starts from
            the first: what may be good lies elsewhere than what probably is (a lower confidence bound, arXiv
            0912.3995). 0: there is none; nor is there with ``polish``.
        hopeful: candidates that it looks at.
        hopeful_rows: it is made with so many rows: with fewer, predictors are unsure of all alike; with more, what they
            are unsure of takes long to work out.
        population: of the inner search.
        children: of each of its generations.
        shortlist: candidates of the inner search that the batch is picked from; at least two for each of the batch.
        worlds: draws of their costs.
        directions: of the hypervolume's estimate.
        most_rows: rows that a predictor is fitted on; of more, the best half and an even selection of the others.
        polish: rounds of ``children`` in which the expected gain of hypervolume itself is climbed, for every candidate
            of a batch. None are made by default: they take several times as long as all else, and pay where an
            evaluation takes many seconds.
    """

    models: Sequence[Model] = field(default_factory=_processes)
    least_tau: float = 0.2
    tau_errors: float = 3.0
    explore: float = 0.05
    evaluations: int = 3000
    further: float = 0.5
    anew: int = 4
    settled: int = 50
    optimism: float = 1.0
    hopeful: int = 600
    hopeful_rows: tuple[int, int] = (45, 300)
    population: int = 100
    children: int = 400
    shortlist: int = 100
    worlds: int = 32
    directions: int = 128
    most_rows: int = 600
    polish: int = 0


@dataclass(frozen=True)
class Plan:
    """Candidates to measure, best first, and what they were chosen by.

    Attributes:
        genes: (n, genes).
        quality: of every predictor, by cost.
        trusted: whether it was trusted.
        shortlist: the best that the inner search came by, (n, genes); empty without one.
        note: why the plan was made without predictors; empty if it was not.
    """

    genes: Genes
    quality: dict[Cost, Quality]
    trusted: dict[Cost, bool]
    shortlist: Genes
    note: str = ""


def plan(
    rows: Rows,
    genetics: Genetics,
    tuned: Tuned,
    settings: PlanSettings,
    *,
    known: NDArray[np.uint64],
    pending: Genes,
    count: int,
    seed: int,
    reference: Floats | None = None,
    before: Genes | None = None,
) -> Plan:
    """Plan a batch.

    Args:
        known: fingerprints of what is never proposed: measured, rejected, or being measured.
        pending: what is being measured, (n, genes).
        reference: of the hypervolume; None: 10 % beyond the largest costs within the constraints.
        before: shortlist of the plan before, which the inner search goes on from; empty or None: it begins anew.
    """
    rng = np.random.default_rng(seed)
    predictors = Predictors(rows, genetics, tuned, settings.least_tau, settings.tau_errors, settings.most_rows)
    if not predictors.useful:
        taus = ", ".join(f"{cost}: {figures.tau:.2f}" for cost, figures in predictors.quality.items())
        note = (
            f"no predictor comes near a tau of {settings.least_tau:g} on held-out rows ({taus}); varying the best rows"
        )
        made = _evolved(rows, genetics, known, count, rng)
        return Plan(made, predictors.quality, predictors.trusted, made[:0], note)
    best = survivors(rows.costs, rows.violation, settings.population // 2)
    fresh = genetics.draw(settings.population // 2, rng)
    goes_on = before is not None and len(before) > 0
    start = np.concatenate([rows.genes[best], fresh, fresh[:0] if before is None else before])
    evaluations = settings.evaluations
    if goes_on:  # one generation at least, however few candidates are asked for
        evaluations = max(round(evaluations * settings.further), len(start) + 1)
    search = partial(evolve, genetics, rng=rng, population=settings.population, children=settings.children)
    visited = search(start, predictors.likely, evaluations=evaluations)
    shortlist = visited.genes[_shortlist(visited, known, max(settings.shortlist, 2 * count))]
    likely = shortlist
    fewest, most = settings.hopeful_rows
    if settings.optimism and not settings.polish and fewest <= len(rows) <= most:
        hopeful = search(
            np.concatenate([rows.genes[best], shortlist[: settings.shortlist // 2], fresh]),
            partial(predictors.hopeful, deviations=settings.optimism),
            evaluations=settings.hopeful,
        )
        promising = hopeful.genes[_shortlist(hopeful, known, settings.shortlist)]
        likely, _ = distinct(genetics, np.concatenate([likely[: len(likely) // 2], promising]), known)
    if reference is None:
        reference = _reference(rows, visited)
    gain = _Gain(rows, reference)
    if settings.polish:
        promising = polished(
            genetics,
            predictors,
            gain.improvement(settings.directions, rng),
            (gain.low, gain.scale),
            np.concatenate([likely, genetics.draw(settings.population, rng)]),
            rng,
            known=known,
            count=count,
            rounds=settings.polish,
            children=settings.children,
        )
        likely, _ = distinct(genetics, np.concatenate([promising, likely[: len(likely) // 2]]), known)
    candidates = np.concatenate([pending, likely])
    picked = _pick(gain, predictors, candidates, len(pending), count, settings, rng)
    chosen = candidates[picked]
    if len(chosen) < count:
        prints = np.concatenate([known, fingerprints(genetics.identity(chosen))])
        chosen = np.concatenate([chosen, _evolved(rows, genetics, prints, count - len(chosen), rng)])
    return Plan(chosen, predictors.quality, predictors.trusted, shortlist)


def _reference(rows: Rows, visited: Visited) -> Floats:
    """A tenth beyond the worst costs on the way from one end of the front to the other, measured or predicted.

    Measured rows alone would not do: an end of the front that nothing measured is near would promise no gain.
    """
    front = visited.costs[first_front(visited.costs, visited.violation)]
    met = rows.violation <= 0
    costs = np.concatenate([front, rows.costs[met]])
    low, high = costs.min(0), costs.max(0)
    worst: Floats = high + 0.1 * np.where(high > low, high - low, 1.0)
    return worst


def _shortlist(visited: Visited, known: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Numbers of the best that are not known: the first fronts, the last one of them thinned by crowding."""
    free = np.flatnonzero(~np.isin(visited.prints, known))
    return free[survivors(visited.costs[free], visited.violation[free], count)]


class _Gain:
    """The gain of hypervolume over what is measured, in units of the costs that are of interest.

    Attributes:
        low: cost that counts as zero, (objectives,).
        scale: difference of costs that counts as one, (objectives,).
        reference: of the hypervolume, in units.
        measured: the front of the measured rows, in units, (n, objectives).
    """

    def __init__(self, rows: Rows, reference: Floats) -> None:
        met = rows.violation <= 0
        good = rows.costs[met] if met.any() else rows.costs
        self.low, high = good.min(0), good.max(0)
        self.scale = np.where(high > self.low, high - self.low, 1.0)
        self.reference = (reference - self.low) / self.scale
        self.measured = (rows.costs[met] - self.low) / self.scale
        if len(self.measured):
            self.measured = self.measured[first_front(self.measured, np.zeros(len(self.measured)))]

    def improvement(self, directions: int, rng: np.random.Generator) -> Improvement:
        return Improvement(self.reference, self.measured, directions, rng)


def _pick(
    gain: _Gain,
    predictors: Predictors,
    candidates: Genes,
    pending: int,
    count: int,
    settings: PlanSettings,
    rng: np.random.Generator,
) -> list[int]:
    """Candidates by expected gain of hypervolume, every so often the least certain one instead."""
    costs, values = predictors.worlds(candidates, settings.worlds, rng)
    allowed = np.asarray((values <= 0).all(-1))
    worlds = (costs - gain.low) / gain.scale
    picked = gain.improvement(settings.directions, rng).pick(worlds, allowed, count, pending)
    explored = int(rng.binomial(count, settings.explore))
    if explored and len(candidates) > pending + count:
        unsure = worlds.std(0).sum(-1)
        unsure[:pending] = -1
        unsure[picked] = -1
        least_certain = np.argsort(-unsure, kind="stable")[:explored].tolist()
        picked = [*picked[: count - explored], *least_certain]
    return picked


def _evolved(rows: Rows, genetics: Genetics, known: NDArray[np.uint64], count: int, rng: np.random.Generator) -> Genes:
    """Unknown variations of the best rows; draws where too few are left nearby, and last what breaks a constraint."""
    best = rows.genes[survivors(rows.costs, rows.violation, max(10, len(rows) // 4))]
    found = np.zeros((0, rows.genes.shape[1]), dtype=np.int64)
    spare = found
    for attempt in range(20):
        if len(found) >= count:
            break
        if attempt < 10:
            first, second = best[rng.integers(0, len(best), size=(2, 4 * count))]
            made = genetics.vary(first, second, rng)
        else:
            made = genetics.draw(16 * count, rng)
        fresh, prints = distinct(genetics, made, known)
        known = np.concatenate([known, prints])
        allowed = meets_exact_constraints(genetics, fresh)
        found, spare = np.concatenate([found, fresh[allowed]]), np.concatenate([spare, fresh[~allowed]])
    return np.concatenate([found, spare])[:count]
