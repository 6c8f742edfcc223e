"""Latency as a cost of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mtnas.architecture import Candidate
from mtnas.evaluation import latencies, reference_ms
from mtnas.latency import LATENCY, Latency
from mtnas.progress import progress
from mtnas.results import Results
from mtnas.runs import Run
from mtnas.runs.latencies import keep_latencies, read_latencies, read_reference
from mtnas.searching.settings import SearchSettings
from mtnas.searching.workers import MakeLatency
from mtnas.space.data import Data
from mtnas.supernet import SuperNetwork
from mtnas.targets import MeasureSettings, Target


class SearchLatency:
    """Measures candidates one by one as they are evaluated, and the front again, all members together.

    All times are set against what the target's reference took when the run first measured it, so that they can be
    compared with each other, also between a search and its continuation.

    Args:
        run: keeps that reference, and the latencies that were confirmed.
        supernet: gives the networks; their weights make no difference.
        data: gives an example of the inputs.
        target: where to measure.
        settings: how long and how often.
    """

    def __init__(self, run: Run, supernet: SuperNetwork, data: Data, target: Target, settings: SearchSettings) -> None:
        self.run, self.supernet, self.target, self.settings = run, supernet, target, settings
        self.example, _ = data.example()
        self.where = target.describe()
        known = read_reference(run, self.where)
        self.anchor = reference_ms(target, settings.confirming) if known is None else known
        if known is None:
            keep_latencies(run, self.where, self.anchor, {})

    def maker(self) -> MakeLatency:
        """Makes what measures one candidate at a time, under its policy: the target's audit sees that this runs."""
        return MakeLatency(self.supernet, self.target, self.example, self.settings.measuring, self.anchor)

    def confirm(self, results: Callable[[], Results], *, show_progress: bool) -> Results:
        """Measure all front members again until the front consists of such ones only, and give the results then.

        A candidate that was measured once and came out fast by chance would stay on the front for it.

        Args:
            results: reads the results as the run has them now.
        """
        while True:
            found = results()
            done = {one.candidate for one in read_latencies(self.run) if dict(one.target) == self.where}
            front = sorted(found.front(), key=lambda row: (row.costs[LATENCY], row.number))
            due = [row.candidate for row in front if row.candidate not in done]
            if not due:
                return found
            with progress("confirming latencies", len(due), show=show_progress) as advance:
                for candidate, latency in self._measured(due, self.settings.confirming):
                    keep_latencies(self.run, self.where, self.anchor, {candidate: latency})
                    advance(str(latency))

    def _measured(
        self, candidates: Sequence[Candidate], settings: MeasureSettings
    ) -> Iterator[tuple[Candidate, Latency]]:
        return latencies(self.supernet, candidates, self.target, self.example, settings, anchor=self.anchor)
