"""Commands that train a supernetwork and search it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtnas.cli import options
from mtnas.cli.output import print_json, remark, remark_written, volume, working
from mtnas.cli.panel import DATA, Panel

if TYPE_CHECKING:
    from mtnas.results import Results
    from mtnas.runs import Run

panel = Panel("Train and search")


@panel.command("mtnas run search_spaces/digits.py --run runs/digits -b params=11k", DATA)
def run(
    space: options.SpaceArgument,
    run: options.RunOption,
    data_dir: options.DataDirOption = None,
    seed: options.SeedOption = None,
    epochs: options.EpochsOption = None,
    evaluations: options.EvaluationsOption = None,
    budget: options.BudgetOption = None,
    objective: options.ObjectiveOption = None,
    int8: options.Int8Option = None,
    weight_bits: options.SearchedWeightBitsOption = None,
    time_limit: options.TimeLimitOption = None,
    plateau: options.PlateauOption = None,
    thorough: options.ThoroughOption = None,
    workers: options.WorkersOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
    latency_resource: options.ResourceOption = None,
    timeout: options.TimeoutOption = None,
    storage: options.StorageOption = None,
    rows: options.RowsOption = None,
    device: options.DeviceOption = None,
    tensorboard: options.TensorBoardOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Train, search, print the front and draw it. The same command goes on where it stopped."""
    from mtnas.cli import steps, tables
    from mtnas.reporting import write_report
    from mtnas.searching import check_files, check_storage, searched_space
    from mtnas.searching import search as search_candidates
    from mtnas.space.check import check
    from mtnas.training import load_branching
    from mtnas.training import train as train_supernetwork

    with working(as_json):
        work = steps.Work.new(run, space, data_dir, seed)
        training = work.training(epochs, device, tensorboard=tensorboard)
        searching = work.searching(
            evaluations,
            budget,
            objective,
            device,
            keep=False,
            time_limit=time_limit,
            plateau=plateau,
            int8=int8,
            weight_bits=weight_bits,
            thorough=thorough,
        )
        example, _ = work.data.example()
        found = check(work.file.space, work.data)
        searched_space(searching, work.file.space, found, example)
        if not work.run.checkpoint.exists():
            check_files(searching, work.file.space, found, example)
        pool = steps.pool(workers, ray_address, worker_cpus, worker_gpus, latency_resource, timeout)
        check_storage(work.run, storage)
        with work.run.hold():
            work.remark_before(training, work.claim(training), as_json)
            supernet = train_supernetwork(
                work.file.space, work.data, work.run, training, show_progress=not volume.quiet
            )
            with work.asking(searching):
                results = search_candidates(
                    work.file.space,
                    work.data,
                    work.run,
                    searching,
                    supernet=supernet,
                    pool=pool,
                    storage=storage,
                    show_progress=not volume.quiet,
                )
            work.note_command()
            paths = [*steps.plot_step(work.run, results, steps.DPI), write_report(work.run)]
        branching = load_branching(work.run)
        advice = None if branching is None else steps.advice_step(work.run, branching, branching.shares, 1)
    if as_json:
        told = None
        if branching is not None and advice is not None:
            told = tables.branching_json(branching.affinities, results.space, advice)
        print_json({**found_json(work.run, results, rows), "branching": told})
    else:
        print_found(work.run, results, rows)
        if branching is not None and advice is not None:
            tables.print_branching(branching.shares, advice)
    remark_written([work.run.results, *paths], as_json)


@panel.command("mtnas train search_spaces/digits.py --run runs/digits --epochs 20", DATA)
def train(
    space: options.SpaceArgument,
    run: options.RunOption,
    data_dir: options.DataDirOption = None,
    seed: options.SeedOption = None,
    epochs: options.EpochsOption = None,
    device: options.DeviceOption = None,
    tensorboard: options.TensorBoardOption = False,
    workers: options.PartsOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
) -> None:
    """Train the supernetwork of a space file into a run directory, or go on with it."""
    from mtnas.cli import steps
    from mtnas.training import train as train_supernetwork

    work = steps.Work.new(run, space, data_dir, seed)
    training = work.training(epochs, device, tensorboard=tensorboard)
    work.check_files()
    with work.run.hold():
        work.remark_before(training, work.claim(training))
        pool = steps.pool(workers, ray_address, worker_cpus, worker_gpus)
        train_supernetwork(work.file.space, work.data, work.run, training, pool=pool, show_progress=not volume.quiet)
        work.note_command()
    remark(f"trained; go on with: mtnas search {run}")


@panel.command("mtnas search runs/digits -n 200 -b params=8k", DATA)
def search(
    run: options.RunArgument,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    evaluations: options.EvaluationsOption = None,
    budget: options.BudgetOption = None,
    objective: options.ObjectiveOption = None,
    int8: options.Int8Option = None,
    weight_bits: options.SearchedWeightBitsOption = None,
    time_limit: options.TimeLimitOption = None,
    plateau: options.PlateauOption = None,
    thorough: options.ThoroughOption = None,
    warm_start: options.WarmStartOption = None,
    workers: options.WorkersOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
    latency_resource: options.ResourceOption = None,
    timeout: options.TimeoutOption = None,
    storage: options.StorageOption = None,
    rows: options.RowsOption = None,
    device: options.DeviceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Measure candidates of a trained run, or go on; what is not given stays as the run has it."""
    from mtnas.cli import steps
    from mtnas.runs import read_results
    from mtnas.searching import search as search_candidates

    with working(as_json):
        earlier = None if warm_start is None else read_results(steps.existing_run(warm_start))
        work = steps.Work.existing(run, space, data_dir)
        settings = work.searching(
            evaluations,
            budget,
            objective,
            device,
            keep=True,
            time_limit=time_limit,
            plateau=plateau,
            int8=int8,
            weight_bits=weight_bits,
            thorough=thorough,
        )
        pool = steps.pool(workers, ray_address, worker_cpus, worker_gpus, latency_resource, timeout)
        with work.run.hold(), work.asking(settings):
            results = search_candidates(
                work.file.space,
                work.data,
                work.run,
                settings,
                warm_start=earlier,
                pool=pool,
                storage=storage,
                show_progress=not volume.quiet,
            )
            work.note_command()
    if as_json:
        print_json(found_json(work.run, results, rows))
    else:
        print_found(work.run, results, rows)
    remark_written([work.run.results], as_json)


@panel.command("mtnas fork runs/digits runs/digits-int8")
def fork(
    run: options.RunArgument,
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Directory of the new run.")],
) -> None:
    """Begin another run with the same trained supernetwork: for other objectives, precisions or targets."""
    from mtnas.cli import steps
    from mtnas.runs import fork_run

    fork_run(steps.existing_run(run), new)
    remark(f"forked; go on with: mtnas search {new}")


def found_json(run: Run, results: Results, rows: int | None) -> dict[str, Any]:
    """What a search found, and what its predictors were worth."""
    from mtnas.cli import tables
    from mtnas.runs import read_predictors

    return {**tables.results_json(results, rows), "predictors": tables.predictors_json(read_predictors(run))}


def print_found(run: Run, results: Results, rows: int | None) -> None:
    """The same as tables."""
    from mtnas.cli import tables
    from mtnas.runs import read_predictors

    tables.print_results(results, 15 if rows is None else rows)
    tables.print_predictors(read_predictors(run))
