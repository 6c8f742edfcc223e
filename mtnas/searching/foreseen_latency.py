"""Latencies of all rows of a run on a target, foreseen from few that are measured there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from mtnas.architecture import FLOAT, Candidate, notation
from mtnas.errors import MtnasError, RunError, SearchError, brief
from mtnas.latency import LATENCY
from mtnas.limits import check_number
from mtnas.predicting import Quality
from mtnas.progress import progress
from mtnas.quantizing import JointCosts
from mtnas.results import MEAN_ERROR, Results, Row
from mtnas.runs import Run, read_results
from mtnas.runs.latencies import PROBES, keep_latencies, read_latencies, told
from mtnas.searching.checks import searched_space
from mtnas.searching.latency import SearchLatency
from mtnas.searching.probes import Probes
from mtnas.searching.settings import SearchSettings
from mtnas.searching.workers import MakeBench
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input
from mtnas.supernet import SuperNetwork
from mtnas.targets import MeasureSettings, Target

FORESEEN = "foreseen.csv"
"""What was foreseen, by target and row."""


@dataclass(frozen=True)
class ForeseenRow:
    """A row's latency as it is foreseen: most likely ``ms``, and the ends of its 90 % interval."""

    row: Row
    ms: float
    low: float
    high: float


@dataclass(frozen=True)
class ForeseenLatency:
    """Latencies of all rows of a run on a target: foreseen ones, also of rows that were measured there.

    Attributes:
        target: where, in the target's own words.
        quality: of the predictor, on networks that were measured but held out.
        rows: in the order of the run.
    """

    target: dict[str, Any]
    quality: Quality
    rows: tuple[ForeseenRow, ...]

    def front(self) -> tuple[ForeseenRow, ...]:
        """Rows than which no other has both a lower mean error and a lower latency, fastest first."""
        found: list[ForeseenRow] = []
        for one in sorted(self.rows, key=lambda one: (one.ms, one.row.costs[MEAN_ERROR])):
            if not found or one.row.costs[MEAN_ERROR] < found[-1].row.costs[MEAN_ERROR]:
                found.append(one)
        return tuple(found)

    def to_frame(self) -> pd.DataFrame:
        """One line for every row."""
        return pd.DataFrame(
            {
                "target": told(self.target),
                "hardware": _hardware(self.target),
                "number": one.row.number,
                "id": one.row.id,
                MEAN_ERROR: one.row.costs[MEAN_ERROR],
                f"foreseen {LATENCY}": one.ms,
                "low": one.low,
                "high": one.high,
            }
            for one in self.rows
        )

    def to_json(self) -> dict[str, Any]:
        front = {one.row.number for one in self.front()}
        return {
            "target": self.target,
            "quality": asdict(self.quality),
            "rows": [
                {
                    "number": one.row.number,
                    "id": one.row.id,
                    MEAN_ERROR: one.row.costs[MEAN_ERROR],
                    "ms": one.ms,
                    "low": one.low,
                    "high": one.high,
                    "front": one.row.number in front,
                }
                for one in self.rows
            ],
        }


def foresee_latency(
    space: SearchSpace,
    data: Data,
    run: Run,
    target: Target,
    probes: int = 100,
    settings: MeasureSettings | None = None,
    *,
    first: int = 20,
    step: int = 10,
    most_failures: int = 5,
    show_progress: bool = True,
) -> ForeseenLatency:
    """Measure some networks of a run's space on a target, and foresee the latency of all its rows from them.

    Networks are chosen that tell the most about all others, see `Probes`. What was measured is kept in the run: the
    same call goes on where it was interrupted, and one for more adds to it. Weights make no difference.

    Args:
        space: of the run.
        data: gives an example of the inputs.
        run: that was searched.
        target: where to measure.
        probes: networks to be measured in all.
        settings: of the measuring; None: as a search measures.
        first: so many are far from each other, see `Probes`; the others tell the most.
        step: of these, networks that are chosen at a time.
        most_failures: networks that may fail to be measured before it ends with the reason.

    Raises:
        RunError: if the run was not searched, or has no rows.
        SearchError: for a number that is too small, bits that the target does not run, or too many failures.
    """
    results = read_results(run)
    if not results.rows:
        raise RunError(f"the run {run.path} has no measured rows yet; search first")
    check_number(SearchError, "first", first, at_least=2, whole=True)
    check_number(SearchError, "probes", probes, at_least=first, whole=True)
    for name, value in (("step", step), ("most_failures", most_failures)):
        check_number(SearchError, name, value, at_least=1, whole=True)
    probing = _Probing(space, data, run, target, results, settings or MeasureSettings(rounds=12), first)
    with run.hold():
        known = probing.known()
        failed: list[str] = []
        without: set[Candidate] = set()
        with progress("latency probes", probes, min(len(known), probes), show=show_progress) as advance:
            while due := probing.probes.next(known, min(step, probes - len(known)), without):
                for candidate in due:
                    try:
                        known[candidate], text = probing.measure(candidate)
                    except MtnasError as error:
                        without.add(candidate)
                        failed.append(f"candidate {candidate.id}: {error}")
                        if len(failed) >= most_failures:
                            raise SearchError(
                                f"{len(failed)} networks could not be measured (most_failures); the last one was"
                                f" {failed[-1]}"
                            ) from error
                        continue
                    advance(text)
        found, figures = probing.probes.foreseen(known, [row.candidate for row in results.rows])
        rows = tuple(ForeseenRow(row, *map(float, one)) for row, one in zip(results.rows, found, strict=True))
        foreseen = ForeseenLatency(dict(probing.where), figures, rows)
        _keep(run, foreseen)
    return foreseen


def _keep(run: Run, foreseen: ForeseenLatency) -> None:
    """Write it beside what was foreseen on other targets."""
    path, frame = run.path / FORESEEN, foreseen.to_frame()
    if path.exists():
        try:
            before = pd.read_csv(path)
            same = before["target"] == told(foreseen.target)
            if "hardware" in before:
                same &= before["hardware"].fillna("").isin(["", _hardware(foreseen.target)])
            before = before[~same]
        except (ValueError, KeyError, OSError) as error:
            raise RunError(f"{path} is damaged ({brief(error)}); delete it and foresee again") from error
        frame = pd.concat([before, frame]) if len(before) else frame
    run.write_text(FORESEEN, frame.to_csv(index=False))


def _hardware(target: Mapping[str, Any]) -> str:
    return str(target.get("hardware", ""))


class _Probing:
    """What is measured of a run's space on a target."""

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        run: Run,
        target: Target,
        results: Results,
        settings: MeasureSettings,
        first: int,
    ) -> None:
        self.run, self.settings = run, settings
        example, _ = data.example()
        supernet = SuperNetwork(space, example)
        self.joint = _costs(space, supernet, example, results, target)
        wanted = [self.joint.space.canonical(row.candidate) for row in results.rows]
        self.probes = Probes(self.joint, derive_seed(run.seed, "latency probes"), wanted, first=first)
        # The reference is measured once for all later calls.
        searching = SearchSettings(confirming=replace(settings, rounds=max(30, settings.rounds)))
        self.latency = SearchLatency(run, MakeBench(supernet, target, example)(), searching)
        self.where = self.latency.where

    def known(self) -> dict[Candidate, float]:
        """Milliseconds of the networks of this space that were measured on this target before."""
        return {
            one.candidate: one.latency.ms
            for one in read_latencies(self.run, PROBES)
            if dict(one.target) == self.where
            and all(bits in self.joint.space.precisions for _, bits in one.candidate.policy.entries)
        }

    def measure(self, candidate: Candidate) -> tuple[float, str]:
        """Milliseconds, and what to tell of them."""
        ((_, latency),) = self.latency.measured([candidate], self.settings)
        keep_latencies(self.run, self.where, self.latency.settle(), {candidate: latency}, PROBES)
        return latency.ms, str(latency)


def _costs(space: SearchSpace, supernet: SuperNetwork, example: Input, results: Results, target: Target) -> JointCosts:
    """The space of candidates with all bits that rows have, which the target must run."""
    bits = dict.fromkeys(bits for row in results.rows for _, bits in row.candidate.policy.entries)
    bits.pop(FLOAT, None)
    if refused := [one for one in bits if not target.can_run(one)]:
        texts = ", ".join(map(notation, refused))
        raise SearchError(f"rows of the run have nodes in {texts}, which target {target.name} does not run")
    settings = SearchSettings(objectives=(LATENCY,), precisions=(FLOAT, *bits), target=target)
    return searched_space(settings, space, supernet.found, example)
