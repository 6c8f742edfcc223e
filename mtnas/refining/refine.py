"""Train chosen candidates on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mtnas.architecture import Candidate
from mtnas.errors import ArchitectureError
from mtnas.evaluation import extract
from mtnas.refining.fresh import fresh_network
from mtnas.refining.job import Job
from mtnas.refining.rows import RefinedRow, RefinedRows, read_refined
from mtnas.refining.settings import RefineSettings
from mtnas.runs import Run
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import BranchedNetwork, SuperNetwork
from mtnas.training import cpu_threads, load_supernetwork, resolve_device


def refine(
    space: SearchSpace,
    data: Data,
    run: Run,
    candidates: Sequence[Candidate],
    settings: RefineSettings | None = None,
    *,
    show_progress: bool = True,
) -> RefinedRows:
    """Train candidates on their own, stopping early on the validation split; then measure the test error, once.

    Hard sharing and single-task networks are candidates like all others. A candidate that is finished is not trained
    again; one that was interrupted goes on after its last epoch. Inherited rows stay as they are.

    Args:
        space: the run's search space.
        data: its train, valid and test splits are used.
        run: with a finished training.
        candidates: what to train.
        settings: None: `RefineSettings()`.
        show_progress: False: nothing is printed.

    Returns:
        All refined rows of the run, also those of earlier calls.

    Raises:
        ArchitectureError: before training, if a candidate has a quantization policy.
    """
    for candidate in candidates:
        if candidate.policy.nodes:
            raise ArchitectureError(
                f"candidate {candidate.id} has a quantization policy, but float networks are refined; refine"
                " Candidate(candidate.architecture)"
            )
    settings = settings or RefineSettings()
    device = resolve_device(settings.device)
    with run.hold(), cpu_threads(settings.threads):
        supernet = load_supernetwork(space, data, run, settings.device)
        for candidate in candidates:
            job = _Job(space, data, run, supernet, candidate, settings, device)
            if not job.finished():
                job.work(f"{job.how} {candidate.id}", show_progress=show_progress)
        rows = read_refined(run)
        run.write_text("refined.csv", rows.to_frame().to_csv(index=False))
    return rows


class _Job(Job):
    """Training of one candidate, from inherited weights or from new ones."""

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        run: Run,
        supernet: SuperNetwork,
        candidate: Candidate,
        settings: RefineSettings,
        device: torch.device,
    ) -> None:
        self.space, self.supernet, self.candidate = space, supernet, candidate
        self.how = "from scratch" if settings.from_scratch else "fine-tuned"
        super().__init__(
            space.tasks,
            data,
            settings,
            seed=derive_seed(run.seed, "refine", candidate.id, self.how),
            folder=run.path / "refined" / RefinedRow(candidate, self.how, {}, {}, 0).key,
            device=device,
        )

    def _network(self) -> BranchedNetwork:
        if not self.settings.from_scratch:
            return extract(self.supernet, self.candidate, self.data)
        x = self.data.example()[0]
        return fresh_network(self.space, self.candidate.architecture, x, self.seed).to(self.device)

    def _about(self) -> dict[str, Any]:
        return {"candidate": self.candidate.to_json(), "id": self.candidate.id, "how": self.how}

    @property
    def _sentence(self) -> str:
        return f"candidate {self.candidate.id} was {self.how}"
