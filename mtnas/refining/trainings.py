"""Trainings of chosen candidates, which any process may do."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtnas.architecture import Candidate
from mtnas.atomic import write_bytes
from mtnas.pools import Report, Store
from mtnas.refining.candidate_job import CandidateJob
from mtnas.refining.job import CHECKPOINT, NETWORK, ROW, STOPPED
from mtnas.refining.quantized_job import QuantizedJob
from mtnas.refining.row_files import history_in, score
from mtnas.refining.settings import RefineSettings
from mtnas.runs import load_checkpoint
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import PortableSupernet, SuperNetwork
from mtnas.training import cpu_threads, resolve_device


class Trainings:
    """For every architecture one training: of the network in float, then under each policy that was chosen for it.

    Args:
        space: of the candidates.
        data: its train, valid and test splits are used.
        supernet: trained; its weights travel along.
        candidates: what to train.
        settings: how.
        seed: of the run.
        halving: settings by which trainings are ended early, as JSON: one that was ended by them is not taken up again.
            None: it is.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        supernet: SuperNetwork,
        candidates: Sequence[Candidate],
        settings: RefineSettings,
        seed: int,
        halving: Mapping[str, Any] | None = None,
    ) -> None:
        self._space, self._data, self._settings, self._seed = space, data, settings, seed
        self._supernet, self._halving = PortableSupernet(supernet), halving
        self._policies: dict[str, list[Candidate]] = {}  # by id of the candidate in float
        for candidate in dict.fromkeys(candidates):
            policies = self._policies.setdefault(Candidate(candidate.architecture).id, [])
            if candidate.policy.nodes:
                policies.append(candidate)
        self._floats = {c.id: c for c in (Candidate(candidate.architecture) for candidate in candidates)}

    @property
    def names(self) -> list[str]:
        """Names of the trainings: the ids of the candidates in float."""
        return list(self._floats)

    def jobs(self, name: str, folder: Path) -> list[CandidateJob]:
        """The parts of a training, in order.

        Args:
            name: of the training.
            folder: where refined candidates are.
        """
        supernet, settings = self._supernet.get(resolve_device(self._settings.device)), self._settings
        given = self._space, self._data, folder, self._seed, supernet
        device = resolve_device(settings.device)
        first = CandidateJob(*given, self._floats[name], settings, device)
        return [first, *(QuantizedJob(*given, policy, settings, device) for policy in self._policies[name])]

    def __call__(self, name: str, store: Store, report: Report) -> None:
        """Do a training where this process is."""
        threads = self._settings.threads or (1 if self._supernet.travelled else 0)
        with tempfile.TemporaryDirectory(prefix="mtnas-refine-") as place, cpu_threads(threads):
            in_float, *rounded = self.jobs(name, Path(place))
            if self._do(in_float, store, report):
                for job in rounded:
                    self._do(job, store, lambda epoch, costs: None)

    def _do(self, job: CandidateJob, store: Store, report: Report) -> bool:
        """Do one part, unless it is done; whether it has come to its end."""
        key = job.folder.name
        known = store.load(key, (CHECKPOINT, NETWORK, ROW, STOPPED))
        for name in (CHECKPOINT, NETWORK, ROW):
            if name in known:
                write_bytes(job.folder / name, known[name])

        tasks = [task.name for task in job.tasks]

        def reached(epoch: int, errors: Mapping[str, float]) -> None:
            report(epoch, {"error/mean": score(errors), **{f"error/{task}": e for task, e in errors.items()}})

        if job.finished():
            # Others are measured against it.
            for epoch, errors in enumerate(history_in(json.loads(known[ROW]), tasks), start=1):
                reached(epoch, errors)
            return True
        if self._halving is not None and STOPPED in known and _halving_of(known[STOPPED]) == self._halving:
            for epoch, errors in enumerate(history_in(load_checkpoint(job.folder / CHECKPOINT)[1], tasks), start=1):
                reached(epoch, errors)
            return False
        kept = known.get(CHECKPOINT)

        def saved(epoch: int, errors: Mapping[str, float]) -> None:
            nonlocal kept
            content = (job.folder / CHECKPOINT).read_bytes()
            if content != kept:
                store.save(key, {CHECKPOINT: content})
                kept = content
            reached(epoch, errors)

        job.work("", show_progress=False, reached=saved)
        done: dict[str, bytes | None] = {name: (job.folder / name).read_bytes() for name in (NETWORK, ROW)}
        store.save(key, {**done, CHECKPOINT: None, STOPPED: None})
        return True


def _halving_of(stopped: bytes) -> Any:
    """The settings that ended a training; None if the file does not say so: it is then begun again."""
    try:
        return json.loads(stopped)["halving"]
    except (KeyError, RecursionError, TypeError, ValueError):
        return None
