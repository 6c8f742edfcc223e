"""Commands that open a run in a browser, or write what a browser opens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mtnas.cli import options
from mtnas.cli.output import remark, remark_written
from mtnas.cli.panel import Panel
from mtnas.errors import RunError

panel = Panel("Look")


@panel.command("mtnas report runs/digits --out digits.html")
def report(
    run: options.RunArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write. Default: report.html in the run.")
    ] = None,
) -> None:
    """Write a run as one page to work with, which opens without a network. Runs no code of the space."""
    from mtnas.cli import steps
    from mtnas.reporting import write_report

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise RunError(f"a report is an HTML page, but --out names {out}; let it end in .html")
    if out is not None:
        steps.new_file(out)
    remark_written([write_report(steps.existing_run(run), out)])


@panel.command("mtnas mlflow runs/digits --experiment digits")
def mlflow(
    run: options.RunArgument,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="Server or database of MLflow. Default: mlflow.db in the current directory; nothing is sent.",
        ),
    ] = None,
    experiment: Annotated[str, typer.Option("--experiment", metavar="NAME", help="Experiment of MLflow.")] = "mtnas",
) -> None:
    r"""Log a run's settings, curves and pictures to MLflow; again, it updates what is there. Needs mtnas\[mlflow]."""
    from mtnas.cli import steps
    from mtnas.tracking import LOCAL, log_to_mlflow, shown_uri

    found = log_to_mlflow(steps.existing_run(run), tracking_uri, experiment)
    uri = shown_uri(LOCAL if tracking_uri is None else tracking_uri)
    remark(f"logged as MLflow run {found} of experiment {experiment} at {uri}")
    if uri.startswith("sqlite:"):
        remark(f"look at it with: mlflow ui --backend-store-uri {uri}  (of the whole mlflow package)")


@panel.command("mtnas dashboard runs/digits --port 8080")
def dashboard(
    run: options.RunArgument,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen at.")] = 8080,
) -> None:
    """Start optuna-dashboard on a run's study, also while it is searched. Ctrl-C ends it."""
    from mtnas.cli import steps
    from mtnas.runs import read_results
    from mtnas.searching.study import storage_of

    handle = steps.existing_run(run)
    read_results(handle)  # says what is wrong with a run before a server is started
    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        raise RunError("the dashboard needs optuna-dashboard; pip install 'mtnas[dashboard]'") from error
    remark(f"optuna-dashboard listens at http://{host}:{port}; Ctrl-C ends it")
    try:
        _until_interrupted(partial(run_server, storage_of(handle), host=host, port=port))
    except OSError as error:
        raise RunError(
            f"nothing can listen at {host}:{port} ({error}); choose another with --host and --port"
        ) from error


def _until_interrupted(serve: Callable[[], None]) -> None:
    """Serve in a thread: the server takes an interrupt that comes while it answers for a failure of that answer."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            serve()
        except BaseException as error:  # a port that is taken, for example, to be raised where it is seen
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.5)
    if failures:
        raise failures[0]
