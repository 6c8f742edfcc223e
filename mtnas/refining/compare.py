"""Compare a candidate with plain networks of its size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mtnas.architecture import Architecture, Candidate
from mtnas.errors import ArchitectureError, RunError, SpaceError, TrainingError
from mtnas.limits import check_number
from mtnas.refining.baselines import MEMBER, with_baselines
from mtnas.refining.comparison import ComparedNetwork, Comparison
from mtnas.refining.comparison_files import claim_comparison, compared_folder, network_folder, read_compared
from mtnas.refining.fresh import fresh_network
from mtnas.refining.job import Job
from mtnas.refining.learning_rate import with_learning_rate
from mtnas.refining.settings import RefineSettings
from mtnas.refining.widening import Widened, Widths
from mtnas.runs import Run, write_text
from mtnas.seeds import derive_seed
from mtnas.space.check import check
from mtnas.space.data import Data
from mtnas.supernet import BranchedNetwork
from mtnas.training import cpu_threads, resolve_device


def compare(
    widened: Widened,
    data: Data,
    run: Run,
    candidate: Candidate,
    settings: RefineSettings | None = None,
    seeds: int = 3,
    *,
    tolerance: float = 0.02,
    show_progress: bool = True,
) -> Comparison:
    """Train a candidate and plain networks of equal params from scratch, all alike; measure the test error once each.

    The plain networks are hard sharing and single-task networks, with all widths multiplied by the factor that brings
    their params nearest to the candidate's. Only the run's manifest is read, never the supernetwork's weights. A
    training that is finished is not repeated; one that was interrupted goes on after its last epoch.

    Args:
        widened: makes the run's space with all widths multiplied by a factor; ``widened(1)`` is the space itself.
        data: its train, valid and test splits are used.
        run: of that space and data.
        candidate: of the run's space, without a quantization policy.
        settings: of every training; they always start from scratch. None: `RefineSettings()`.
        seeds: trainings of each network. More than before adds to those that are there.
        tolerance: share of the candidate's params by which a baseline may be larger.
        show_progress: False: nothing is printed.

    Returns:
        All finished trainings of the comparison. They are also in ``compared/<candidate id>/`` of the run, with
        `Comparison.to_frame` as ``compared.csv``, and each network in a folder of its own, which `load_network` reads
        with the space ``widened(factor)``.

    Raises:
        SpaceError: before training, if ``widened`` does not give the run's space, or not the params that are needed.
        RunError: before training, if the data is not the run's, or the comparison was begun with other settings.
    """
    check_number(TrainingError, "seeds", seeds, at_least=1, whole=True)
    check_number(TrainingError, "tolerance", tolerance, at_least=0, at_most=1)
    if candidate.policy.nodes:
        raise ArchitectureError(
            f"candidate {candidate.id} has a quantization policy, but float networks are compared; compare"
            " Candidate(candidate.architecture)"
        )
    settings = with_learning_rate(replace(settings or RefineSettings(), from_scratch=True), run)
    device = resolve_device(settings.device)
    with cpu_threads(settings.threads):
        widths = _widths_of(widened, data, run)
        with run.hold():
            networks, single = _networks(widths, candidate.architecture, tolerance)
            folder = compared_folder(run, candidate)
            claim_comparison(folder, candidate, settings, tolerance, networks, single)
            jobs = [
                _Job(widths, data, run, folder, one, number, settings, device)
                for number in range(seeds)
                for one in networks
            ]
            for place, job in enumerate(jobs, start=1):
                if not job.finished():
                    job.work(f"[{place} of {len(jobs)}] {job.title}", show_progress=show_progress)
            comparison = read_compared(run, candidate)
            write_text(folder / "compared.csv", comparison.to_frame().to_csv(index=False))
    return comparison


class _Job(Job):
    """One training of one network of a comparison."""

    def __init__(
        self,
        widths: Widths,
        data: Data,
        run: Run,
        folder: Path,
        network: ComparedNetwork,
        number: int,
        settings: RefineSettings,
        device: torch.device,
    ) -> None:
        self.widths, self.network, self.number = widths, network, number
        self.title = f"{network.name}, seed {number}"
        super().__init__(
            widths.at(network.factor)[0].tasks,
            data,
            settings,
            # The same for all networks of a number: they see the samples in the same order.
            seed=derive_seed(run.seed, "compare", number),
            folder=network_folder(folder, network, number),
            device=device,
        )

    def _network(self) -> BranchedNetwork:
        space, architecture = self.widths.place(self.network.factor, self.network.candidate.architecture)
        return fresh_network(space, architecture, self.widths.x, self.seed).to(self.device)

    def _about(self) -> dict[str, Any]:
        # By the names of the space that the network is of, so that `load_network` can read it with widened(factor).
        placed = self.widths.place(self.network.factor, self.network.candidate.architecture)[1]
        told = {**self.network.to_json(), "candidate": Candidate(placed).to_json()}
        return {"network": self.network.name, **told, "seed": self.number}

    @property
    def _sentence(self) -> str:
        return f"{self.title} was trained"


def _widths_of(widened: Widened, data: Data, run: Run) -> Widths:
    """The space at any width, once it is seen to be the run's, and the data, too."""
    for name in ("space", "data"):
        run.manifest.section(name)
    widths = Widths(widened, data.example()[0], data.training_batch_size or 2)
    space, found = widths.at(1.0)
    check(space, data)
    try:
        run.manifest.claim("space", space.describe(found))
    except RunError as error:
        raise SpaceError(f"widened(1) must give the run's own space, but {error}") from error
    run.manifest.claim("data", data.fingerprint)
    return widths


def _networks(widths: Widths, member: Architecture, tolerance: float) -> tuple[tuple[ComparedNetwork, ...], str]:
    """The candidate and its baselines at equal params, and the name of the single-task networks among them."""
    space, found = widths.at(1.0)
    space.architectures.check(member)
    params = widths.costs(1.0, member)["params"]
    architectures, single = with_baselines(space.architectures.unlimited(), found.costs, member)
    networks = []
    for name, architecture in architectures.items():
        factor = 1.0 if name == MEMBER else widths.factor_for(name, architecture, params, tolerance=tolerance)
        costs = widths.costs(factor, architecture)
        networks.append(ComparedNetwork(name, Candidate(architecture), factor, costs["params"], costs["macs"]))
    return tuple(networks), single
