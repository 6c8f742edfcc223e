"""Latency as a cost of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import SearchError
from mtnas.latency import LATENCY, Latency
from mtnas.pools import Job, Workers
from mtnas.pools.failures import reason
from mtnas.progress import progress
from mtnas.results import Results
from mtnas.runs import Run
from mtnas.runs.latencies import keep_latencies, read_latencies, read_reference, told_whole
from mtnas.searching.settings import SearchSettings
from mtnas.searching.workers import LATENCY_MS, Ask, AskLatencies, AskPlace, AskReference, Told
from mtnas.targets import MeasureSettings


class SearchLatency:
    """Has candidates measured one by one as they are evaluated, and the front again, all members together.

    All of it happens where the target is, which may be another machine than this one. All times are set against what
    the target's reference took there when the run first measured it, so that they can be compared with each other, also
    between a search and its continuation.

    Args:
        run: keeps that reference, and the latencies that were confirmed.
        ask: gets an answer from where the target is.
        settings: how long and how often.
        together: members of the front that are loaded and interleaved at a time.
    """

    def __init__(self, run: Run, ask: Callable[[Ask], Told], settings: SearchSettings, *, together: int = 32) -> None:
        self.run, self.settings, self.together = run, settings, together
        self._ask = ask
        self.where = dict(ask(AskPlace()).where)
        self._anchor: float | None = None

    def settle(self) -> float:
        """What the reference took when the run was first measured there, in ms; it is measured now if it never was."""
        if self._anchor is None:
            self._anchor = read_reference(self.run, self.where)
        if self._anchor is None:
            self._anchor = float(self._answer(AskReference(self.settings.confirming)))
            keep_latencies(self.run, self.where, self._anchor, {})
        return self._anchor

    def question(self, candidate: Candidate) -> AskLatencies:
        """What to ask for a candidate as it is evaluated, under its policy: the target's audit sees that this runs."""
        return AskLatencies((candidate,), self.settings.measuring, self.settle())

    def answer(self, candidate: Candidate, found: Told) -> Latency:
        """The latency of a candidate that was asked for.

        Raises:
            SearchError: if it was measured elsewhere than all others: two places cannot be compared.
        """
        latency: Latency = self._checked(found)[candidate]
        return latency

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
                for candidate, latency in self.measured(due, self.settings.confirming):
                    keep_latencies(self.run, self.where, self.settle(), {candidate: latency})
                    advance(str(latency))

    def measured(
        self, candidates: Sequence[Candidate], settings: MeasureSettings
    ) -> Iterator[tuple[Candidate, Latency]]:
        """Latencies of candidates that are measured together."""
        for begin in range(0, len(candidates), self.together):
            some = tuple(candidates[begin : begin + self.together])
            yield from self._answer(AskLatencies(some, settings, self.settle())).items()

    def _answer(self, question: Ask) -> Any:
        return self._checked(self._ask(question))

    def _checked(self, found: Told) -> Any:
        if dict(found.where) != self.where:
            raise SearchError(
                f"latency was measured on {told_whole(found.where)}, but the search measures on"
                f" {told_whole(self.where)}; let nodes of one kind measure (--latency-resource)"
            )
        return found.value


def ask_workers(workers: Workers) -> Callable[[Ask], Told]:
    """Questions to the worker that measures latency, while no other job is in flight."""

    def ask(question: Ask) -> Told:
        workers.submit(Job(-1, LATENCY_MS, question))
        while not (ended := workers.wait()):
            pass
        if ended[0].failure:
            raise SearchError(f"latency could not be measured: {reason(ended[0].failure)}")
        found: Told = ended[0].value
        return found

    return ask
