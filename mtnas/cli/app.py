"""Commands, their options and examples. Starts fast: torch and optuna are imported by the steps only."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mtnas import __version__
from mtnas.cli import options
from mtnas.errors import MtnasError


class _Interruptible(TyperGroup):
    """Says what to do after Ctrl-C, where Typer would only say that it aborted."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted; the same command goes on where it stopped", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=_Interruptible,
    help="Multi-task neural architecture search: train one supernetwork, search branched networks, get a Pareto front.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_DPI = 100
_DATA_HELP = "The data folder is read from MTNAS_DATA when --data-dir is not given."


def _example(command: str, more: str = "") -> str:
    return f"Example:\n\n[bold]{command}[/bold]\n\n{more}"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mtnas {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Multi-task neural architecture search: train one supernetwork, search branched networks, get a Pareto front."""


@app.command(epilog=_example("mtnas run search_spaces/digits.py --run runs/digits -b params=11k", _DATA_HELP))
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
    time_limit: options.TimeLimitOption = None,
    plateau: options.PlateauOption = None,
    workers: options.WorkersOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
    latency_resource: options.ResourceOption = None,
    timeout: options.TimeoutOption = None,
    storage: options.StorageOption = None,
    rows: options.RowsOption = 15,
    device: options.DeviceOption = None,
    tensorboard: options.TensorBoardOption = False,
) -> None:
    """Train, search, print the front and draw it. The same command goes on where it stopped."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_predictors
    from mtnas.searching import check_storage, searched_space
    from mtnas.searching import search as search_candidates
    from mtnas.space.check import check
    from mtnas.training import load_branching
    from mtnas.training import train as train_supernetwork

    work = steps.Work.new(run, space, data_dir, seed)
    training = work.training(epochs, device, tensorboard=tensorboard)
    searching = work.searching(
        evaluations, budget, objective, device, keep=False, time_limit=time_limit, plateau=plateau, int8=int8
    )
    example, _ = work.data.example()
    searched_space(searching, work.file.space, check(work.file.space, work.data), example)
    pool = steps.pool(workers, ray_address, worker_cpus, worker_gpus, latency_resource, timeout)
    check_storage(work.run, storage)
    with work.run.hold():
        work.claim(training)
        supernet = train_supernetwork(work.file.space, work.data, work.run, training)
        results = search_candidates(
            work.file.space, work.data, work.run, searching, supernet=supernet, pool=pool, storage=storage
        )
        paths = steps.plot_step(work.run, results, _DPI)
    tables.print_results(results, rows)
    tables.print_predictors(read_predictors(work.run))
    if branching := load_branching(work.run):
        tables.print_branching(branching.shares, steps.advice_step(work.run, branching, branching.shares, 1))
    _say_written([work.run.results, *paths])


@app.command(epilog=_example("mtnas train search_spaces/digits.py --run runs/digits --epochs 20", _DATA_HELP))
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
    with work.run.hold():
        work.claim(training)
        pool = steps.pool(workers, ray_address, worker_cpus, worker_gpus)
        train_supernetwork(work.file.space, work.data, work.run, training, pool=pool)
    typer.echo(f"trained; go on with: mtnas search {run}")


@app.command(epilog=_example("mtnas search runs/digits -n 200 -b params=8k", _DATA_HELP))
def search(
    run: options.RunArgument,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    evaluations: options.EvaluationsOption = None,
    budget: options.BudgetOption = None,
    objective: options.ObjectiveOption = None,
    int8: options.Int8Option = None,
    time_limit: options.TimeLimitOption = None,
    plateau: options.PlateauOption = None,
    warm_start: options.WarmStartOption = None,
    workers: options.WorkersOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
    latency_resource: options.ResourceOption = None,
    timeout: options.TimeoutOption = None,
    storage: options.StorageOption = None,
    rows: options.RowsOption = 15,
    device: options.DeviceOption = None,
) -> None:
    """Measure candidates of a trained run, or go on; what is not given stays as the run has it."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_predictors, read_results
    from mtnas.searching import search as search_candidates

    earlier = None if warm_start is None else read_results(steps.existing_run(warm_start))
    work = steps.Work.existing(run, space, data_dir)
    settings = work.searching(
        evaluations, budget, objective, device, keep=True, time_limit=time_limit, plateau=plateau, int8=int8
    )
    pool = steps.pool(workers, ray_address, worker_cpus, worker_gpus, latency_resource, timeout)
    results = search_candidates(
        work.file.space, work.data, work.run, settings, warm_start=earlier, pool=pool, storage=storage
    )
    tables.print_results(results, rows)
    tables.print_predictors(read_predictors(work.run))
    _say_written([work.run.results])


@app.command(epilog=_example("mtnas verify runs/digits --rows 20", _DATA_HELP))
def verify(
    run: options.RunArgument,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Rows to measure again, spread evenly. Default: all.")
    ] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", min=0, help="Difference that counts as none.")] = 1e-9,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
) -> None:
    """Measure rows again, and say whether their errors and exact costs are what the run has. Exit status 1 if not."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_results
    from mtnas.searching import verify as verify_rows

    results = read_results(steps.existing_run(run))
    work = steps.Work.existing(run, space, data_dir)
    chosen = results.rows if rows is None else tables.spread(results.rows, rows)
    found = verify_rows(work.file.space, work.data, work.run, chosen, device=device or "auto")
    if not tables.print_verified(found, tolerance):
        raise typer.Exit(1)


@app.command(epilog=_example("mtnas fork runs/digits runs/digits-int8"))
def fork(
    run: options.RunArgument,
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Directory of the new run.")],
) -> None:
    """Begin another run with the same trained supernetwork: for other objectives, precisions or targets."""
    from mtnas.cli import steps
    from mtnas.runs import fork_run

    fork_run(steps.existing_run(run), new)
    typer.echo(f"forked; go on with: mtnas search {new}")


@app.command(epilog=_example("mtnas plot runs/digits"))
def plot(
    run: options.RunArgument,
    dpi: Annotated[int, typer.Option("--dpi", min=20, help="Dots per inch of the pictures.")] = _DPI,
) -> None:
    """Draw front.png, trees.png and, after a search with predictors, predictors.png. Runs no code of the space."""
    from mtnas.cli import steps
    from mtnas.runs import read_results

    handle = steps.existing_run(run)
    _say_written(steps.plot_step(handle, read_results(handle), dpi))


@app.command(epilog=_example("mtnas show runs/digits --rows 30"))
def show(run: options.RunArgument, rows: options.RowsOption = 15) -> None:
    """Print a run's front, corner networks and figures of its predictors. Runs no code of the space."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_predictors, read_results

    handle = steps.existing_run(run)
    tables.print_results(read_results(handle), rows)
    tables.print_predictors(read_predictors(handle))


@app.command(epilog=_example("mtnas pick runs/digits --weight left_digit=3 --budget params=5k"))
def pick(
    run: options.RunArgument,
    weight: options.WeightOption = None,
    budget: options.BudgetOption = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", help="Part of a target's text, e.g. 'threads 1': look among what was measured there only."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print the best measured candidate under a preference over tasks and budgets. Measures nothing, runs no code."""
    from mtnas.cli import steps, tables
    from mtnas.latency import LATENCY
    from mtnas.results import pick as pick_row
    from mtnas.results import task_weights
    from mtnas.runs import read_results
    from mtnas.runs.latencies import read_latencies, with_latencies

    results = read_results(steps.existing_run(run))
    weights = task_weights(results.space.tasks, options.parse_weights(weight or ()))
    budgets = options.parse_budgets(budget or ())
    searched = all(LATENCY in row.costs for row in results.rows)
    if target is not None or (LATENCY in budgets and not searched):
        results = with_latencies(results, read_latencies(steps.existing_run(run)), target or "")
    row = pick_row(results, weights, budgets)
    if as_json:
        typer.echo(tables.picked_json(row, weights))
    else:
        tables.print_picked(row, weights)


@app.command(epilog=_example("mtnas extract runs/digits --candidate 4ecb3c3a47 --out chosen/", _DATA_HELP))
def extract(
    run: options.RunArgument,
    candidate: Annotated[str, typer.Option("--candidate", help="Id of a candidate or its first digits, or #number.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write network.safetensors and network.json to.")],
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
) -> None:
    """Cut one candidate out of the supernetwork, with batch-norm statistics of its own, and save it."""
    from mtnas.cli import steps
    from mtnas.evaluation import extract as cut_out
    from mtnas.exporting import save_network
    from mtnas.runs import read_results
    from mtnas.training import load_supernetwork

    row = read_results(steps.existing_run(run)).find(candidate)
    work = steps.Work.existing(run, space, data_dir)
    names = list(work.file.space.architectures.tasks)
    supernet = load_supernetwork(work.file.space, work.data, work.run, device or "auto")
    network = cut_out(supernet, row.candidate.architecture, work.data)
    save_network(out, network, row.candidate, {"tasks": names, "costs": dict(row.costs)})
    _say_written([out / "network.safetensors", out / "network.json"])


@app.command(epilog=_example("mtnas export runs/digits --candidate 4ecb3c3a47 --out shipped/", _DATA_HELP))
def export(
    run: options.RunArgument,
    candidate: Annotated[str, typer.Option("--candidate", help="Id of a candidate or its first digits, or #number.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for model.onnx, model.json, README.md and tree.png.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Run all nodes of the tree in 8-bit integers, whatever the candidate says.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            metavar="inherited|fine-tuned|from-scratch",
            help="Which weights. Default: refined ones with the lowest mean validation error, else inherited ones.",
        ),
    ] = None,
    latency: Annotated[
        bool, typer.Option(help="Measure its latency here: onnxruntime, one thread, one sample.")
    ] = True,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
) -> None:
    """Write one candidate as an ONNX file that was checked against torch, with a model card. Needs mtnas[onnx]."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_results

    results = read_results(steps.existing_run(run))
    work = steps.Work.existing(run, space, data_dir)
    row = results.find(candidate)
    bundle = steps.export_step(work, results, row, out, int8=int8, weights=weights, latency=latency)
    tables.print_bundle(bundle)


@app.command(epilog=_example("mtnas measure runs/digits --int8", _DATA_HELP))
def measure(
    run: options.RunArgument,
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", "-c", help="Id of a candidate, or #number. Repeatable.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Front members to take, spread over the mean error.")] = 8,
    int8: Annotated[bool, typer.Option("--int8", help="Each of them with all nodes in 8-bit integers, too.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads of the runtime.")] = 1,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Samples that are run at once.")] = 1,
    eager: Annotated[bool, typer.Option("--torch", help="Measure in torch instead; float only.")] = False,
    rounds: Annotated[int, typer.Option("--rounds", min=4, help="How often everything is timed.")] = 30,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
) -> None:
    """Measure the latency of candidates where they would run, interleaved, with the noise of the machine."""
    from mtnas.cli import steps, tables
    from mtnas.runs import read_results
    from mtnas.targets import OnnxRuntime, TorchEager

    results = read_results(steps.existing_run(run))
    rows = [results.find(one) for one in candidate or ()]
    rows = rows or tables.spread(tables.by_mean_error(results.front()), top)
    target = TorchEager(threads=threads, batch=batch) if eager else OnnxRuntime(threads=threads, batch=batch)
    work = steps.Work.existing(run, space, data_dir)
    tables.print_latencies(steps.measure_step(work, rows, target, int8=int8, rounds=rounds), target.describe())
    _say_written([work.run.path / "latencies.json"])


@app.command(epilog=_example("mtnas refine runs/digits --top 2 --from-scratch", _DATA_HELP))
def refine(
    run: options.RunArgument,
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", "-c", help="Id of a candidate, or #number. Repeatable.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Front members to take, spread over the mean error. Default: 3.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(help="Train the largest hard-sharing and single-task networks the same way, to compare with."),
    ] = True,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Start from new weights.")] = False,
    epochs: options.EpochsOption = None,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
    workers: options.TrainersOption = 0,
    ray_address: options.RayOption = None,
    worker_cpus: options.CpusOption = 1.0,
    worker_gpus: options.GpusOption = 0.0,
    halving: options.HalvingOption = None,
) -> None:
    """Train chosen candidates on their own, then measure them once on the test split. Goes on where it stopped."""
    from mtnas.cli import steps, tables
    from mtnas.pools import Halving
    from mtnas.refining import RefineSettings, left_behind
    from mtnas.refining import refine as refine_candidates
    from mtnas.runs import read_results

    results = read_results(steps.existing_run(run))
    chosen = [results.find(text) for text in candidate or ()]
    if top is not None or not chosen:
        chosen += tables.spread(tables.by_mean_error(results.front()), top or 3)
    if baselines:
        corners = results.corner_rows()
        chosen += [corners[name] for name in ("hard sharing, largest", "single-task, largest") if name in corners]
    work = steps.Work.existing(run, space, data_dir)
    settings = replace(work.file.setting("refining", RefineSettings()), from_scratch=from_scratch)
    settings = settings if epochs is None else replace(settings, epochs=epochs)
    settings = settings if device is None else replace(settings, device=device)
    unique = list(dict.fromkeys(row.candidate for row in chosen))
    rows = refine_candidates(
        work.file.space,
        work.data,
        work.run,
        unique,
        settings,
        pool=steps.pool(workers, ray_address, worker_cpus, worker_gpus),
        halving=None if halving is None else Halving(halving),
    )
    tables.print_refined(rows, results)
    if behind := left_behind(work.run):
        typer.echo(f"left behind: {', '.join(behind)}; without --halving the same command takes them to their end")
    _say_written([work.run.path / "refined.csv"])


@app.command(epilog=_example("mtnas trees runs/digits --share 0.4 --share 0.6"))
def trees(
    run: options.RunArgument,
    share: Annotated[
        list[float] | None,
        typer.Option(
            "--share", min=0, max=1, help="Budget: 0 is hard sharing's params, 1 the fully split tree's. Repeatable."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Trees to print for each budget.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Say which tasks get along, which trees that speaks for within budgets, and how sure it is."""
    from mtnas.cli import steps, tables
    from mtnas.errors import RunError
    from mtnas.training import load_branching

    handle = steps.existing_run(run)
    branching = load_branching(handle)
    if branching is None:
        raise RunError(
            f"the training of {run} has not told which tasks get along: it was too short for that, had parting=0, or no"
            " block to part at"
        )
    space, _ = handle.architectures()
    advice = steps.advice_step(handle, branching, share or branching.shares, count)
    if as_json:
        budgets = [one.to_json(space) for one in advice]
        typer.echo(json.dumps({"affinities": branching.affinities.to_json(), "budgets": budgets}, indent=1))
        return
    tables.print_affinities(branching.affinities)
    for of, one in zip(share or branching.shares, advice, strict=True):
        tables.print_advice(of, one)


@app.command(epilog=_example("mtnas compare runs/digits --candidate 4ecb3c3a47 --seeds 3", _DATA_HELP))
def compare(
    run: options.RunArgument,
    candidate: Annotated[
        str, typer.Option("--candidate", "-c", help="Id of a candidate or its first digits, or #number.")
    ],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each network.")] = 3,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, max=1, help="Share of params by which a baseline may be larger.")
    ] = 0.02,
    epochs: options.EpochsOption = None,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
) -> None:
    """Train a candidate and plain networks of equal params from scratch, several times. Goes on where it stopped."""
    from mtnas.cli import steps, tables
    from mtnas.refining import RefineSettings
    from mtnas.refining import compare as compare_with_baselines
    from mtnas.runs import read_results

    row = read_results(steps.existing_run(run)).find(candidate)
    work = steps.Work.existing(run, space, data_dir)
    settings = work.file.setting("refining", RefineSettings())
    settings = settings if epochs is None else replace(settings, epochs=epochs)
    settings = settings if device is None else replace(settings, device=device)
    comparison = compare_with_baselines(
        work.file.widening(), work.data, work.run, row.candidate, settings, seeds, tolerance=tolerance
    )
    tables.print_comparison(comparison)
    _say_written([work.run.path / "compared" / row.id / "compared.csv"])


def _say_written(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(f"wrote {path}")


def main() -> None:
    """Entry point: errors of the user are one sentence on standard error and exit status 1; Ctrl-C is 130."""
    try:
        app()
    except MtnasError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
