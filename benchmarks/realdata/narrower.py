"""Hard sharing at other widths, trained as all others are."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.realdata.case import Case
from benchmarks.realdata.outcome import Trained
from mtnas.architecture import Candidate
from mtnas.json_values import read_json
from mtnas.refining import RefineSettings
from mtnas.refining.fresh import fresh_network
from mtnas.refining.job import ROW, Job
from mtnas.refining.learning_rate import with_learning_rate
from mtnas.refining.widening import Widths
from mtnas.runs import Run
from mtnas.seeds import derive_seed
from mtnas.space.data import Data
from mtnas.supernet import BranchedNetwork


def at_narrower(case: Case, run: Run, hard: Candidate) -> tuple[Trained, ...]:
    """Hard sharing at each of the case's narrower widths; what is finished is read again."""
    widths = Widths(case.widened, case.data.example()[0], case.data.batch_size)
    settings, found = with_learning_rate(case.alone, run), []
    for factor in case.narrower:
        job = _WidthJob(widths, hard, factor, case.data, settings, run)
        if not job.finished():
            job.work(job.title, show_progress=True)
        row, costs = read_json(job.folder / ROW), widths.costs(factor, hard.architecture)
        tree = str(hard.architecture.tree)
        found.append(Trained(job.title, tree, costs["params"], costs["macs"], row["valid"], row["test"]))
    return tuple(found)


class _WidthJob(Job):
    """One training of it, in a folder of the run."""

    def __init__(
        self, widths: Widths, candidate: Candidate, factor: float, data: Data, settings: RefineSettings, run: Run
    ) -> None:
        self.widths, self.candidate, self.factor = widths, candidate, factor
        self.title = f"hard sharing, width x {factor:g}"
        super().__init__(
            widths.at(factor)[0].tasks,
            data,
            settings,
            seed=derive_seed(run.seed, "compare", 0),  # the order of samples that the member's comparison has
            folder=run.path / "narrower" / f"{factor:g}",
            device=torch.device("cpu"),
        )

    def _network(self) -> BranchedNetwork:
        space, placed = self.widths.place(self.factor, self.candidate.architecture)
        return fresh_network(space, placed, self.widths.x, self.seed)

    def _about(self) -> dict[str, Any]:
        placed = self.widths.place(self.factor, self.candidate.architecture)[1]
        return {"candidate": Candidate(placed).to_json(), "factor": self.factor}

    @property
    def _sentence(self) -> str:
        return f"{self.title} was trained"
