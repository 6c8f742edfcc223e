"""A run of mtnas as a run of MLflow, which is found again and brought up to date."""

from __future__ import annotations

import importlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from mtnas.errors import RunError, brief
from mtnas.runs import Run
from mtnas.tracking.figures import Curve, Figures, figures_of

LOCAL = "sqlite:///mlflow.db"
"""Where it is logged to by default: a file in the current directory, which ``mlflow ui`` opens there by itself."""

KEY = "mtnas.run"
"""Tag that a run of MLflow is found by."""

_LONGEST = 5000
"""Characters of a setting that MLflow keeps."""


def log_to_mlflow(run: Run, tracking_uri: str | None = None, experiment: str = "mtnas") -> str:
    """Log a run's settings, curves and pictures to MLflow. Again, it brings the same MLflow run up to date.

    Nothing is written into the run directory, and nothing is sent anywhere but to ``tracking_uri``.

    Args:
        run: trained, and searched or not.
        tracking_uri: of an MLflow server or database; None: `LOCAL`, whatever the environment says.
        experiment: name of the MLflow experiment; it is made if there is none.

    Returns:
        The id of the MLflow run.

    Raises:
        RunError: if mlflow is not installed, the run is damaged or not trained, or MLflow refuses.
    """
    mlflow = _mlflow()
    figures = figures_of(run)
    uri = _here(LOCAL if tracking_uri is None else tracking_uri)
    with _quietly():
        try:
            client = mlflow.MlflowClient(tracking_uri=uri)
            place = _experiment(client, uri, experiment)
            found, new = _found(client, place, figures)
            _log(client, mlflow.entities, found, figures, new)
            client.set_terminated(found)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise RunError(f"MLflow at {shown_uri(uri)} cannot be logged to: {brief(error)}") from error
    return found


def shown_uri(uri: str) -> str:
    """The address without a password.

    >>> shown_uri("postgresql://me:secret@host/runs")
    'postgresql://...@host/runs'
    """
    return brief(re.sub(r"//[^/]*@", "//...@", uri))


def _here(uri: str) -> str:
    """The address with the whole path of a local database: MLflow keeps what it opened by address for a whole process,
    wherever the current directory has gone since."""
    kind, path = uri[: len("sqlite:///")], uri[len("sqlite:///") :]
    return f"{kind}{Path(path).resolve()}" if kind == "sqlite:///" and path and path[0] not in "/:" else uri


def _mlflow() -> Any:
    # It reports its use over the network unless this is set before its first import.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        return importlib.import_module("mlflow")
    except ImportError as error:
        raise RunError("logging to MLflow needs mlflow, which is not installed; pip install 'mtnas[mlflow]'") from error


def _experiment(client: Any, uri: str, name: str) -> str:
    """Id of the experiment of that name. The files of one in a local database lie beside this."""
    known = client.get_experiment_by_name(name)
    if known is not None and known.lifecycle_stage != "active":
        raise RunError(f"the MLflow experiment '{brief(name)}' was deleted; restore it, or name another one")
    if known is not None:
        return str(known.experiment_id)
    database = uri.removeprefix("sqlite:///").partition("?")[0]
    beside = (Path(database).resolve().parent / "mlruns").as_uri() if uri.startswith("sqlite:///") else None
    return str(client.create_experiment(name, artifact_location=beside))


def _found(client: Any, experiment: str, figures: Figures) -> tuple[str, bool]:
    """Id of the MLflow run of this run, and whether it is new."""
    known = client.search_runs([experiment], filter_string=f"tags.`{KEY}` = '{figures.key}'", max_results=1)
    if known:
        return str(known[0].info.run_id), False
    made = client.create_run(experiment, run_name=figures.settings["name"], tags={KEY: figures.key})
    return str(made.info.run_id), True


def _log(client: Any, entities: Any, found: str, figures: Figures, new: bool) -> None:
    """Add what the MLflow run does not have yet."""
    known = set() if new else set(client.get_run(found).data.params)
    params = {_allowed(name): value[:_LONGEST] for name, value in figures.settings.items()}
    tags = {f"mtnas.{_allowed(name)}": value[:_LONGEST] for name, value in figures.changing.items()}
    now = int(1000 * time.time())
    metrics = [
        entities.Metric(name, value, now, step)
        for name, curve in ((_allowed(name), curve) for name, curve in figures.curves.items())
        for step, value in _unknown(client, found, name, curve, new).items()
    ]
    lists: dict[str, list[Any]] = {
        "params": [entities.Param(name, value) for name, value in params.items() if name not in known],
        "tags": [entities.RunTag(name, value) for name, value in tags.items()],
        "metrics": metrics,
    }
    for kind, values in lists.items():
        rest = iter(values)
        while part := list(islice(rest, 100)):  # MLflow takes no more params and tags at once
            client.log_batch(found, **{kind: part})
    for path in figures.files:
        client.log_artifact(found, str(path))


def _unknown(client: Any, found: str, name: str, curve: Curve, new: bool) -> Mapping[int, float]:
    """The values of a curve that the MLflow run lacks, or has otherwise."""
    if new:
        return curve
    last = {one.step: one.value for one in sorted(client.get_metric_history(found, name), key=lambda o: o.timestamp)}
    return {step: value for step, value in curve.items() if last.get(step) != value}


def _allowed(name: str) -> str:
    """A name with the characters that MLflow refuses as hexadecimal numbers: ``a+b`` -> ``a-2b-b``."""
    return re.sub(r"[^\w\-. :/]", lambda found: f"-{ord(found[0]):x}-", name, flags=re.ASCII)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without MLflow's and its database tool's notes of what they set up."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
