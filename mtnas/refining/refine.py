"""Train chosen candidates on their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mtnas.architecture import Candidate
from mtnas.errors import TrainingError
from mtnas.pools import Halving, Pool, RayPool
from mtnas.quantizing import check_bits
from mtnas.refining.learning_rate import with_learning_rate
from mtnas.refining.rows import RefinedRows, read_refined
from mtnas.refining.settings import RefineSettings
from mtnas.refining.several import train_several
from mtnas.refining.trainings import Trainings
from mtnas.runs import Run
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.training import cpu_threads, load_supernetwork


def refine(
    space: SearchSpace,
    data: Data,
    run: Run,
    candidates: Iterable[Candidate],
    settings: RefineSettings | None = None,
    *,
    pool: Pool | None = None,
    halving: Halving | None = None,
    show_progress: bool = True,
) -> RefinedRows:
    """Train candidates on their own, stopping early on the validation split; then measure the test error, once.

    Hard sharing and single-task networks are candidates like all others. A candidate that is finished is not trained
    again; one that was interrupted goes on after its last epoch. Inherited rows stay as they are.

    A candidate with a quantization policy is first trained in float, as the candidate without it, then with the
    roundings of the policy in every pass. The errors of its row are those of the integer file.

    With a pool, several candidates are trained at once, each by a worker; on a Ray cluster as trials of Ray Tune.
    Every epoch is kept in the run, so that a training whose worker or node is lost goes on elsewhere.

    Args:
        space: the run's search space.
        data: its train, valid and test splits are used.
        run: with a finished training.
        candidates: what to train.
        settings: None: `RefineSettings()`. Workers in other processes take one CPU thread each for ``threads=0``.
        pool: who trains; None: this process, one candidate after the other.
        halving: ends trainings that are behind others, for `RayPool` only. They have no row; a later call without
            ``halving`` takes them to their end.
        show_progress: False: nothing is printed.

    Returns:
        All refined rows of the run, also those of earlier calls.

    Raises:
        QuantizationError: before training, for bits that integers do not have.
        RunError: before training, if the row of a candidate is damaged, or was made with other settings.
        TrainingError: for a ``halving`` that cannot be; at the end, if trainings failed in workers: others are kept.
    """
    candidates = _candidates(candidates)
    for candidate in candidates:
        for node, bits in candidate.policy.entries:
            for of, number in zip(("weight", "activation"), bits, strict=True):
                check_bits(number, f"the {of} of node {node} of candidate {candidate.id}")
    settings = with_learning_rate(settings or RefineSettings(), run)
    if halving is not None:
        _check_halving(halving, space, pool)
    with run.hold(), cpu_threads(settings.threads):
        supernet = load_supernetwork(space, data, run, settings.device)
        told = None if halving is None else halving.to_json()
        trainings, folder = Trainings(space, data, supernet, candidates, settings, run.seed, told), run.path / "refined"
        if pool is None:
            jobs = [job for name in trainings.names for job in trainings.jobs(name, folder)]
            for job in [job for job in jobs if not job.finished()]:
                job.work(f"{job.how} {job.candidate.id}", show_progress=show_progress)
        else:
            train_several(trainings, folder, settings.epochs, pool, halving, show_progress=show_progress)
        rows = read_refined(run)
        run.write_text("refined.csv", rows.to_frame().to_csv(index=False))
    return rows


def _check_halving(halving: Halving, space: SearchSpace, pool: Pool | None) -> None:
    if not isinstance(pool, RayPool):
        raise TrainingError(
            "halving ends trainings that are behind others, which Ray Tune does; pass pool=RayPool(...) with it"
            " (--ray-address local)"
        )
    costs = ["error/mean", *(f"error/{task.name}" for task in space.tasks)]
    if halving.cost not in costs:
        raise TrainingError(f"halving needs a cost that changes while networks train, of {costs}, not '{halving.cost}'")


def _candidates(given: Iterable[Any]) -> tuple[Candidate, ...]:
    """Candidates that are given in any form, also one after the other; TrainingError for what is none, such as rows."""
    if not isinstance(given, Iterable):
        raise TrainingError(f"candidates must be several, such as [row.candidate], but are one {type(given).__name__}")
    found = tuple(given)
    for one in found:
        if not isinstance(one, Candidate):
            raise TrainingError(
                f"candidates must be mtnas.Candidate, such as row.candidate of a row, but one is a {type(one).__name__}"
            )
    return found
