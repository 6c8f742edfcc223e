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
from mtnas.architecture import INT8, Candidate, QuantizationPolicy
from mtnas.latency import LATENCY
from mtnas.predicting import PlanSettings
from mtnas.predicting.predictors import most_foresighted
from mtnas.progress import progress
from mtnas.searching import Parameters
from mtnas.searching.tree_genes import TreeGenes
from mtnas.targets import MeasureSettings, OnnxRuntime

Floats = NDArray[np.float64]

OURS = "ours: nodes, MACs, conversions"

RIDGE = RidgeCV(alphas=np.logspace(-4, 3, 15))


def rows_of(space: Measurable, seed: int, learn: int, unseen: int, settings: MeasureSettings) -> list[dict[str, Any]]:
    """One row for every way to foresee, and one for measuring again."""
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
    rows = [_row(space, seed, "measured again", 0, repeated, times[learn:])]
    for count in sorted({learn // 2, learn}):
        for name, foreseen in _ways(space, drawn, times[:count], learn, seed):
            rows.append(_row(space, seed, name, count, foreseen, times[learn:]))
    few = drawn[learn : learn + unseen // 4]
    deltas = _sum_of_deltas(space, few, target, anchor, settings)
    rows.append(_row(space, seed, "the float network and one-node deltas", 0, deltas, times[learn : learn + len(few)]))
    return rows


def _ways(
    space: Measurable, drawn: list[Candidate], times: Floats, learn: int, seed: int
) -> Iterator[tuple[str, Floats]]:
    """Ways to foresee the candidates from ``learn`` on, from the times of the first ones."""
    parameters = Parameters(space.costs.space.product)
    genes = TreeGenes(
        space.costs.space.product,
        space.costs.table,
        [*parameters.distributions],
        [LATENCY],
        {},
        parts=space.costs.space.parts,
        ends=space.costs.ends,
    )
    rows = np.array([_genes(parameters, space, candidate) for candidate in drawn])
    count = len(times)
    work, groups = genes.features(rows, genes.view(LATENCY)), genes.groups(genes.view(LATENCY))
    (model,) = genes.models(genes.view(LATENCY))
    yield OURS, model.tuned(work[:count], times, groups)(work[:count], times).mean(work[learn:])
    yield "the same, ridge alone", RIDGE.fit(work[:count], times).predict(work[learn:])
    whole, groups = genes.features(rows, 0), genes.groups(0)
    chosen = most_foresighted(PlanSettings().models, whole[:count], times, groups)
    fitted = chosen.tuned(whole[:count], times, groups)(whole[:count], times)
    yield "features that errors are predicted by", fitted.mean(whole[learn:])
    counts = np.concatenate(list(_counts(space, drawn)), axis=1)
    yield "additive table: nodes by operator and bits", RIDGE.fit(counts[:count], times).predict(counts[learn:])


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
            alone = [Candidate(architecture, QuantizationPolicy.of({node: INT8})) for node in nodes]
            base, *changed = space.measured([Candidate(architecture), *alone], target, anchor, settings)
            found.append(base + sum(one - base for one in changed))
            advance(f"{found[-1]:.3f} ms")
    return np.array(found)


def _row(space: Measurable, seed: int, how: str, count: int, foreseen: Floats, times: Floats) -> dict[str, Any]:
    return {
        "space": space.name,
        "seed": seed,
        "what": how,
        "measured": count,
        "unseen": len(times),
        "off by, %": 100 * float(np.mean(np.abs(foreseen - times) / times)),
        "tau": float(kendalltau(foreseen, times).statistic),
        "note": "",
    }
