"""Search: what is measured of a trained supernetwork, from the first candidate to the confirmed front."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from mtnas.architecture import Candidate
from mtnas.errors import RunError
from mtnas.pools import InProcess, Make, Pool, Workers
from mtnas.progress import progress
from mtnas.results import Results, Row, corners
from mtnas.runs import Run, read_results, read_rows
from mtnas.runs.searched import Searched, read_searched
from mtnas.searching.checks import check_sampler, default_objectives, searched_space, target_of
from mtnas.searching.failures import remark
from mtnas.searching.latency import SearchLatency, ask_workers
from mtnas.searching.loop import Loop, SamplerOf
from mtnas.searching.settings import SearchSettings
from mtnas.searching.stopping import Watch
from mtnas.searching.study import RunStudy, check_storage
from mtnas.searching.warm_start import EarlierRows
from mtnas.searching.workers import ERRORS, LATENCY_MS, MakeBench, MakeErrors
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.supernet import SuperNetwork
from mtnas.training import cpu_threads, load_branching, load_supernetwork


def search(
    space: SearchSpace,
    data: Data,
    run: Run,
    settings: SearchSettings | None = None,
    *,
    sampler: BaseSampler | SamplerOf | None = None,
    supernet: SuperNetwork | None = None,
    warm_start: Results | None = None,
    pool: Pool | None = None,
    storage: str | None = None,
    show_progress: bool = True,
) -> Results:
    """Measure candidates of a trained supernetwork until the asked number is reached, or go on where it stopped.

    A rule in `SearchSettings.stop_when` may end it earlier, or that no candidate is left; then the reason is printed.

    The corner networks (hard sharing and single-task, in float) are measured first, whatever the budgets, as baselines.
    Where latency is a cost, the front is measured again at the end, all members interleaved, until every member of it
    has been.

    Args:
        space: the search space that the run was trained on.
        data: its validation split judges candidates.
        run: with a finished training.
        settings: None: `SearchSettings()`.
        sampler: any Optuna sampler for several objectives, or a function that makes one for a proposal by its number.
            The latter serves samplers with a generator of their own, such as NSGA-II: with a seed derived from the
            number, a resumed search proposes what an uninterrupted one would have. None: `PredictorSampler`.
        supernet: the trained supernetwork, if it is at hand; None: it is loaded from the run.
        warm_start: results of another run on the same space or one that shares members with it. Its best candidates
            are measured first, and its rows advise the predictors; they are copied into this run, which keeps them
            when it is gone on with.
        pool: where candidates are measured, such as ``mtnas.Processes(4)``; None: in this process. This process alone
            asks, tells and writes to the run, in any case.
        storage: address of a relational database to keep the study in instead of the run's own SQLite file, such as
            ``postgresql://user@host/studies``; where Optuna's dashboard may look at it meanwhile. None: where the run
            has it. The run keeps the address without a password, which the environment variable MTNAS_STORAGE may have.
        show_progress: False: nothing is printed.

    Raises:
        SearchError: before anything is measured, for an unknown cost, budgets that nothing can meet, or a warm start
            from rows that are not in this space; later, if too many candidates in a row cannot be measured.
        PoolError: if workers cannot be started, or are lost for good.
        RunError: if the run belongs to another space, data, objectives or reference point, or is not trained.
    """
    check_sampler(sampler)
    settings = settings or SearchSettings()
    tasks = space.architectures.tasks
    objectives = tuple(settings.objectives) or default_objectives(tasks, settings)
    with run.hold(), cpu_threads(settings.threads):
        supernet = supernet or load_supernetwork(space, data, run, settings.device)
        settings = _going_on(run, settings, read_searched(run, space.architectures))
        example, _ = data.example()
        joint = searched_space(settings, space, supernet.found, example)
        target = target_of(settings, tasks)
        check_storage(run, storage)
        pool = pool or InProcess()
        bench = None if target is None else MakeBench(supernet, target, example)
        with _quiet_optuna(), ExitStack() as stack:

            def begun() -> Workers:
                """Workers, until the end of the search."""
                return stack.enter_context(
                    pool.open(_roles(space, read_rows(run), settings, supernet, data, bench, pool))
                )

            # What measures elsewhere tells where that is, and confirms there, too.
            there = begun() if bench is not None and pool.elsewhere else None
            latency = None
            if bench is not None:
                latency = SearchLatency(run, bench() if there is None else ask_workers(there), settings)
            earlier = EarlierRows.of(run, joint, (*objectives, *settings.budgets), warm_start)
            _bind(run, claim_of(settings, objectives, latency))
            study = RunStudy.open(run, objectives, settings.budgets, storage)
            baselines = [Candidate(one) for one in corners(space.architectures, supernet.found.costs).values()]
            branching = load_branching(run) if settings.affinities else None
            loop = Loop(space, run, settings, joint, study, earlier, baselines, latency, branching)
            _measure(loop, (lambda: there) if there is not None else begun, sampler, show_progress)
            results = read_results(run)
            if latency is not None:
                results = latency.confirm(lambda: read_results(run), show_progress=show_progress)
        run.write_text("results.csv", results.to_frame().to_csv(index=False))
    return results


def _measure(
    loop: Loop, begun: Callable[[], Workers], sampler: BaseSampler | SamplerOf | None, show_progress: bool
) -> None:
    """Have candidates measured until there are as many as asked for, or a rule ends it."""
    settings = loop.settings
    watch = Watch(settings.stop_when, loop.study.objectives, settings.budgets)
    if len(loop.rows) >= settings.evaluations or watch.ends(loop.rows, loop.reference):
        if show_progress:
            watch.tell(len(loop.rows))
        return
    workers = begun()
    if loop.latency is not None:
        loop.latency.settle()
    watch.start()
    with progress("search", settings.evaluations, len(loop.rows), show=show_progress) as advance:

        def asked(number: int) -> BaseSampler:
            return sampler(number) if callable(sampler) else sampler or loop.predicting(workers.slots)

        def begin() -> None:
            """As many as workers have room for and are wanted."""
            while (
                not ended
                and loop.flying < workers.slots
                and len(loop.rows) + loop.flying < settings.evaluations
                and loop.begin(workers, asked)
            ):
                pass

        def figures() -> dict[str, float]:
            hypervolume = watch.hypervolume(loop.rows, loop.reference)[-1]
            known = {} if math.isnan(hypervolume) else {"hypervolume": hypervolume}
            return {**known, **loop.best_errors()}

        ended = False
        begin()
        while loop.flying:
            for finished in workers.wait():
                if loop.take(finished):
                    advance(loop.text(), figures)
                    ended = ended or watch.ends(loop.rows, loop.reference)
                begin()  # now: with many results at once, workers would wait for the last to be taken in
    if not ended and len(loop.rows) < settings.evaluations:
        watch.reason = f"no other candidate is left{' within the budgets' if settings.budgets else ''}"
    if show_progress:
        watch.tell(len(loop.rows))
        if told := remark(loop.study.failures()):
            print(told, file=sys.stderr, flush=True)


def _roles(
    space: SearchSpace,
    rows: Sequence[Row],
    settings: SearchSettings,
    supernet: SuperNetwork,
    data: Data,
    bench: MakeBench | None,
    pool: Pool,
) -> dict[str, Make]:
    """What the workers do, by role.

    Args:
        rows: that are measured.
    """
    tasks = space.architectures.tasks
    known = [(row.candidate, {task: row.costs[f"error/{task}"] for task in tasks}) for row in rows]
    errors = MakeErrors(
        supernet,
        data,
        known,
        cache_mib=settings.cache_mib,
        sharers=pool.size,
        threads=settings.threads,
        device=settings.device,
    )
    return {ERRORS: errors} if bench is None else {ERRORS: errors, LATENCY_MS: bench}


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _going_on(run: Run, settings: SearchSettings, begun: Searched | None) -> SearchSettings:
    """The settings with the same precisions in the order in which the search was begun: genes number them so.

    Raises:
        RunError: for another reference point than the run's, which is settled once.
    """
    if begun is None:
        return settings
    for name, value in settings.reference.items() if begun.reference else ():
        known = begun.reference.get(name, "(absent)")
        if known != value:
            raise RunError(
                f"the run {run.path} has reference.{name} = {known}, which stays, but now it is {value}; leave it out,"
                " or search in a fork of the run (mtnas fork), which keeps what is trained"
            )
    same = set(begun.precisions) == set(settings.precisions)
    return replace(settings, precisions=begun.precisions) if same else settings


def _bind(run: Run, claim: Mapping[str, Any]) -> None:
    """Bind the run to a search. As long as no row is kept, it is bound to none: one may have been refused later on."""
    bound = "study" in run.manifest.read()
    (run.manifest.claim if bound else run.manifest.write)("search", claim)


def claim_of(settings: SearchSettings, objectives: Sequence[str], latency: SearchLatency | None) -> dict[str, Any]:
    """What makes a search another one: rows of the two could not stand in one table."""
    claim: dict[str, Any] = {"objectives": list(objectives)}
    if settings.searches_bits:
        claim["precisions"] = [list(bits) for bits in settings.precisions]
    if latency is not None:
        claim["target"] = latency.where
    return claim
