"""What the workers of a search do: errors of candidates anywhere, latencies where the target is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mtnas.architecture import Candidate
from mtnas.evaluation import CandidateErrors, latencies, reference_ms
from mtnas.latency import Latency
from mtnas.space.data import Data
from mtnas.space.shapes import Input, to_device
from mtnas.space.threads import cpu_threads
from mtnas.supernet import PortableSupernet, SuperNetwork
from mtnas.targets import MeasureSettings, Target
from mtnas.training import resolve_device

ERRORS, LATENCY_MS = "errors", "latency"
"""Roles of workers."""

Errors = dict[str, float]
"""Errors of a candidate by task."""


class MakeErrors:
    """Makes what judges candidates. Handed to another process, it takes the weights along, as arrays.

    Where these come as memory that several processes share, parameters stay there: judging does not change them.
    Batch-norm statistics are each worker's own.

    Args:
        supernet: trained.
        data: training samples calibrate, the validation samples judge.
        known: errors that were measured before.
        cache_mib: of `CandidateErrors`.
        sharers: workers that judge at the same time, maybe all on one machine.
        threads: CPU threads of a worker in another process; 0: 1.
        device: of a worker in another process, see `resolve_device`.
    """

    def __init__(
        self,
        supernet: SuperNetwork,
        data: Data,
        known: Sequence[tuple[Candidate, Mapping[str, float]]] = (),
        *,
        cache_mib: float | None = None,
        sharers: int = 1,
        threads: int = 0,
        device: str = "auto",
    ) -> None:
        self._supernet = PortableSupernet(supernet)
        self._data, self._known, self._cache_mib, self._sharers = data, known, cache_mib, sharers
        self._threads, self._device = threads, device

    def __call__(self) -> Callable[[Candidate], Errors]:
        threads = (self._threads or 1) if self._supernet.travelled else torch.get_num_threads()
        supernet = self._supernet.get(resolve_device(self._device))
        judge = CandidateErrors(supernet, self._data, cache_mib=self._cache_mib, sharers=self._sharers)
        for candidate, errors in self._known:
            judge.remember(candidate, errors)

        def work(candidate: Candidate) -> Errors:
            with cpu_threads(threads):
                return judge(candidate)

        return work


class Bench:
    """Measures on a target, where the target is.

    Args:
        supernet: gives the networks; their weights make no difference.
        target: where to measure.
        example: a batch of inputs.
    """

    def __init__(self, supernet: SuperNetwork, target: Target, example: Input) -> None:
        self._supernet, self._target, self._example = supernet, target, example

    def where(self) -> dict[str, Any]:
        """The target's description of itself, here."""
        return self._target.describe()

    def reference_ms(self, settings: MeasureSettings) -> float:
        """What the target's reference takes here."""
        return reference_ms(self._target, settings)

    def latencies(
        self, candidates: Sequence[Candidate], settings: MeasureSettings, anchor: float
    ) -> dict[Candidate, Latency]:
        """Latencies, all candidates interleaved.

        Args:
            anchor: what the reference once took here, in ms.
        """
        found = latencies(self._supernet, candidates, self._target, self._example, settings, anchor=anchor)
        return dict(found)


@dataclass(frozen=True)
class Told:
    """What a bench answers, and where it is."""

    where: Mapping[str, Any]
    value: Any


@dataclass(frozen=True)
class AskReference:
    """What the target's reference takes, in ms."""

    settings: MeasureSettings

    def answer(self, bench: Bench) -> float:
        return bench.reference_ms(self.settings)


@dataclass(frozen=True)
class AskPlace:
    """Where the bench is, and nothing else."""

    def answer(self, bench: Bench) -> None:
        return None


@dataclass(frozen=True)
class AskLatencies:
    """Latencies of candidates by candidate, all interleaved."""

    candidates: tuple[Candidate, ...]
    settings: MeasureSettings
    anchor: float

    def answer(self, bench: Bench) -> dict[Candidate, Latency]:
        return bench.latencies(self.candidates, self.settings, self.anchor)


Ask = AskReference | AskPlace | AskLatencies


class MakeBench:
    """Makes what answers questions about latency on a target: `Ask` -> `Told`.

    Args:
        supernet: gives the networks; its weights stay here.
        target: must be able to go where it measures.
        example: a batch of inputs.
    """

    def __init__(self, supernet: SuperNetwork, target: Target, example: Input) -> None:
        self._supernet: SuperNetwork | None = supernet
        self._space, self._found = supernet.space, supernet.found
        self._target = target
        self._example = to_device(example, torch.device("cpu"))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_supernet": None}

    def __call__(self) -> Callable[[Ask], Told]:
        bench = Bench(self._supernet or SuperNetwork(self._space, self._found), self._target, self._example)
        return lambda ask: Told(bench.where(), ask.answer(bench))
