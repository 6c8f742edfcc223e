"""Commands that look at runs. They run no code of a space and measure nothing, but for `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtnas.cli import options
from mtnas.cli.output import print_json, remark_written, volume, working
from mtnas.cli.panel import DATA, Panel
from mtnas.cli.searching import found_json, print_found
from mtnas.errors import RunError

panel = Panel("Look")


@panel.command("mtnas runs experiments/")
def runs(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where to look for run directories.")] = Path(
        "runs"
    ),
    as_json: options.JsonOption = False,
) -> None:
    """List the runs below a directory: how far each is, and the best that it found. Runs no code of a space."""
    from mtnas.cli import tables
    from mtnas.runs.listing import list_runs

    found = list_runs(directory)
    if as_json:
        print_json(tables.runs_json(directory, found))
    else:
        tables.print_runs(directory, found)


@panel.command("mtnas show runs/digits --candidate 76c7706d9b --dot tree.dot")
def show(
    run: options.RunArgument,
    rows: options.RowsOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write all measured rows: a new .csv or .parquet.")
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option(
            "--candidate", "-c", help="Print this one instead, node by node: its id or its first digits, or #number."
        ),
    ] = None,
    dot: Annotated[
        Path | None, typer.Option("--dot", metavar="FILE", help="Write the candidate's tree for Graphviz: a new .dot.")
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Print a run's front, corner networks and figures of its predictors; or one candidate. Runs no code of the space.

    Parquet needs mtnas\\[parquet].
    """
    from mtnas.cli import steps, tables
    from mtnas.runs import read_results

    if dot is not None and candidate is None:
        raise RunError(f"--dot {dot} is for the tree of one candidate; name it: --candidate ID")
    handle = steps.existing_run(run)
    results = read_results(handle)
    row = None if candidate is None else results.find(candidate)
    written = steps.show_files_step(results, row, out, dot)
    if row is not None and as_json:
        print_json(tables.candidate_json(results, row))
    elif row is not None:
        tables.print_candidate(results, row)
    elif as_json:
        print_json(found_json(handle, results, rows))
    else:
        print_found(handle, results, rows)
    remark_written(written, as_json)


@panel.command("mtnas pick runs/digits --weight left_digit=3 --budget params=5k")
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
    as_json: options.JsonOption = False,
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
        print_json(tables.picked_json(row, weights))
    else:
        tables.print_picked(row, weights)


@panel.command("mtnas diff runs/digits 76c7706d9b 8fb0456f38")
def diff(
    run: options.RunArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="Id of a candidate or its first digits, or #number.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same of another one.")],
    as_json: options.JsonOption = False,
) -> None:
    """Print how two candidates differ: who shares what, operators, bits and costs. Runs no code of the space."""
    from mtnas.cli import steps, tables
    from mtnas.results.difference import difference
    from mtnas.runs import read_results

    results = read_results(steps.existing_run(run))
    found = difference(results.space, results.find(a), results.find(b))
    if as_json:
        print_json(tables.difference_json(found))
    else:
        tables.print_difference(found)


@panel.command("mtnas trees runs/digits --share 0.4 --share 0.6")
def trees(
    run: options.RunArgument,
    share: Annotated[
        list[float] | None,
        typer.Option(
            "--share", min=0, max=1, help="Budget: 0 is hard sharing's params, 1 the fully split tree's. Repeatable."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Trees to print for each budget.")] = 3,
    as_json: options.JsonOption = False,
) -> None:
    """Say which tasks get along, which trees that speaks for within budgets, and how sure it is."""
    from mtnas.cli import steps, tables
    from mtnas.training import load_branching

    handle = steps.existing_run(run)
    branching = load_branching(handle)
    if branching is None:
        raise RunError(
            f"the training of {run} has not told which tasks get along: it was too short for that, had parting=0, or no"
            " block to part at"
        )
    advice = steps.advice_step(handle, branching, share or branching.shares, count)
    if as_json:
        print_json(tables.branching_json(branching.affinities, handle.architectures()[0], advice))
        return
    tables.print_affinities(branching.affinities)
    for of, one in zip(share or branching.shares, advice, strict=True):
        tables.print_advice(of, one)


@panel.command("mtnas plot runs/digits runs/other --out fronts.pdf")
def plot(
    run: options.RunArgument,
    others: Annotated[
        list[Path] | None, typer.Argument(metavar="OTHER", help="More runs: their fronts in one picture, into --out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="With several runs: .png, .pdf or .svg to write. With one: folder to write into, in place of the run.",
        ),
    ] = None,
    dpi: Annotated[
        int | None, typer.Option("--dpi", min=20, max=600, help="Dots per inch of the pictures. Default: 100.")
    ] = None,
) -> None:
    """Draw front.png, trees.png and, after a search with predictors, predictors.png; or the fronts of several runs.

    Runs no code of the space.
    """
    from mtnas.cli import steps
    from mtnas.runs import read_results

    if others:
        remark_written([steps.fronts_step([run, *others], out, dpi or steps.DPI)])
        return
    handle = steps.existing_run(run)
    remark_written(steps.plot_step(handle, read_results(handle), dpi or steps.DPI, out))


@panel.command("mtnas verify runs/digits --rows 20", DATA)
def verify(
    run: options.RunArgument,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Rows to measure again, spread evenly. Default: all.")
    ] = None,
    tolerance: Annotated[float, typer.Option("--tolerance", min=0, help="Difference that counts as none.")] = 1e-9,
    space: options.SpaceOption = None,
    data_dir: options.DataDirOption = None,
    device: options.DeviceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Measure rows again, and say whether their errors and exact costs are what the run has. Exit status 1 if not."""
    from mtnas.cli import steps, tables
    from mtnas.cli.choosing import spread
    from mtnas.runs import read_results
    from mtnas.searching import SearchSettings
    from mtnas.searching import verify as verify_rows

    with working(as_json):
        results = read_results(steps.existing_run(run))
        work = steps.Work.existing(run, space, data_dir)
        settings = work.file.setting("searching", SearchSettings())
        found = verify_rows(
            work.file.space,
            work.data,
            work.run,
            results.rows if rows is None else spread(results.rows, rows),
            threads=settings.threads,
            device=device or settings.device,
            show_progress=not volume.quiet,
        )
    told = tables.verified_json(found, tolerance)
    if as_json:
        print_json(told)
    else:
        tables.print_verified(told)
    if told["different"]:
        raise typer.Exit(1)
