"""What the workers of a search do: errors of candidates anywhere, latencies where the target is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from mtnas.architecture import Candidate
from mtnas.evaluation import CandidateErrors, latencies
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


class MakeLatency:
    """Makes what measures latencies on a target.

    Args:
        supernet: gives the networks; their weights make no difference, and stay here.
        target: must be able to go where it measures.
        example: a batch of inputs.
        settings: how long and how often.
        anchor: what the target's reference takes, in ms.
    """

    def __init__(
        self, supernet: SuperNetwork, target: Target, example: Input, settings: MeasureSettings, anchor: float
    ) -> None:
        self._supernet: SuperNetwork | None = supernet
        self._space, self._found = supernet.space, supernet.found
        self._target, self._settings, self._anchor = target, settings, anchor
        self._example = to_device(example, torch.device("cpu"))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_supernet": None}

    def __call__(self) -> Callable[[Candidate], Latency]:
        supernet = self._supernet or SuperNetwork(self._space, self._found)

        def work(candidate: Candidate) -> Latency:
            found = latencies(supernet, [candidate], self._target, self._example, self._settings, anchor=self._anchor)
            return dict(found)[candidate]

        return work
