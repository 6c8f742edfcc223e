"""Train chosen candidates on their own."""

from __future__ import annotations

from collections.abc import Sequence

from mtnas.architecture import Candidate
from mtnas.quantizing import check_bits
from mtnas.refining.candidate_job import CandidateJob
from mtnas.refining.quantized_job import QuantizedJob
from mtnas.refining.rows import RefinedRows, read_refined
from mtnas.refining.settings import RefineSettings
from mtnas.runs import Run
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
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

    A candidate with a quantization policy is first trained in float, as the candidate without it, then with the
    roundings of the policy in every pass. The errors of its row are those of the integer file.

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
        QuantizationError: before training, for bits that integers do not have.
    """
    for candidate in candidates:
        for node, bits in candidate.policy.entries:
            for of, number in zip(("weight", "activation"), bits, strict=True):
                check_bits(number, f"the {of} of node {node} of candidate {candidate.id}")
    settings = settings or RefineSettings()
    device = resolve_device(settings.device)
    with run.hold(), cpu_threads(settings.threads):
        supernet = load_supernetwork(space, data, run, settings.device)
        for candidate in candidates:
            in_float = Candidate(candidate.architecture)
            jobs: list[CandidateJob] = [CandidateJob(space, data, run, supernet, in_float, settings, device)]
            if candidate.policy.nodes:
                jobs.append(QuantizedJob(space, data, run, supernet, candidate, settings, device))
            for job in jobs:
                if not job.finished():
                    job.work(f"{job.how} {job.candidate.id}", show_progress=show_progress)
        rows = read_refined(run)
        run.write_text("refined.csv", rows.to_frame().to_csv(index=False))
    return rows
