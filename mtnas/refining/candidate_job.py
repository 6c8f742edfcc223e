"""Training of one candidate of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mtnas.architecture import Candidate
from mtnas.evaluation import extract
from mtnas.refining.fresh import fresh_network
from mtnas.refining.job import Job
from mtnas.refining.rows import RefinedRow
from mtnas.refining.settings import RefineSettings
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import BranchedNetwork, SuperNetwork


class CandidateJob(Job):
    """Training of one candidate in float, from inherited weights or from new ones.

    Args:
        space: of the candidate.
        data: its train, valid and test splits are used.
        folder: where all refined candidates are, each in a folder of its own.
        seed: of the run.
        supernet: gives inherited weights.
        candidate: what to train.
        settings: how.
        device: to train on.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        folder: Path,
        seed: int,
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
            seed=derive_seed(seed, "refine", candidate.id, self.how),
            folder=folder / RefinedRow(candidate, self.how, {}, {}, 0).key,
            device=device,
        )

    def folder_of(self, candidate: Candidate) -> Path:
        """Where a candidate that is trained like this one is kept."""
        return self.folder.parent / RefinedRow(candidate, self.how, {}, {}, 0).key

    def _network(self) -> BranchedNetwork:
        if not self.settings.from_scratch:
            return extract(self.supernet, self.candidate.architecture, self.data)
        x = self.data.example()[0]
        return fresh_network(self.space, self.candidate.architecture, x, self.seed).to(self.device)

    def _about(self) -> dict[str, Any]:
        return {"candidate": self.candidate.to_json(), "id": self.candidate.id, "how": self.how}

    @property
    def _sentence(self) -> str:
        return f"candidate {self.candidate.id} was {self.how}"
