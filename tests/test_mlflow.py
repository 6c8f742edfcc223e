"""Runs in MLflow: what is logged is what the run has, and the same run is brought up to date rather than made twice."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_runs import call, contents, refused, search_toy, searched_run, trained_run

import mtnas
from mtnas.errors import RunError
from mtnas.runs import Run, load_checkpoint, read_results
from mtnas.tracking import shown_uri
from mtnas.tracking.figures import figures_of


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests: to set up its tables takes seconds."""
    pytest.importorskip("mlflow")
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'runs.db'}"


def client_of(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def logged(uri: str, experiment: str) -> list[Any]:
    client = client_of(uri)
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def curve(uri: str, found: str, name: str) -> dict[int, float]:
    history = client_of(uri).get_metric_history(found, name)
    assert len({one.step for one in history}) == len(history), f"{name} has a step twice"
    return {one.step: one.value for one in history}


def test_what_is_logged_is_what_the_run_has(uri: str, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "digits")
    assert call("plot", run.path).code == 0 and call("report", run.path).code == 0
    before, results = contents(run.path), read_results(run)
    found = mtnas.log_to_mlflow(run, uri, "one")
    assert contents(run.path) == before
    (only,) = logged(uri, "one")
    assert (only.info.run_id, only.info.run_name, only.info.status) == (found, "digits", "FINISHED")
    params, tags = only.data.params, only.data.tags
    assert (params["seed"], params["training/epochs"], params["tasks"]) == ("0", "3", "quadrant, product, total")
    assert params["data/train"] == run.manifest.section("data")["train"] and len(params["space"]) == 16
    assert "error/product" in tags["mtnas.search/objectives"] and tags["mtnas.path"] == str(run.path.resolve())

    volumes = curve(uri, found, "hypervolume")
    assert volumes == {n: pytest.approx(results.hypervolume(n)) for n in range(1, len(results.rows) + 1)}
    for name in ("error/quadrant", "error/mean"):
        lowest = curve(uri, found, f"best/{name}")
        assert lowest[len(results.rows)] == results.best(name).costs[name] and list(lowest) == sorted(lowest)
    assert curve(uri, found, "front_size") == {len(results.rows): len(results.front())}
    _, note = load_checkpoint(run.checkpoint)
    for task in ("quadrant", "product"):
        assert curve(uri, found, f"loss/{task}") == {one["epoch"]: one["losses"][task] for one in note["history"]}

    files = {one.path for one in client_of(uri).list_artifacts(found)}
    assert {"results.csv", "front.png", "trees.png", "report.html"} <= files and "supernet.safetensors" not in files
    folder = Path(only.info.artifact_uri.removeprefix("file://"))
    assert (folder / "results.csv").read_bytes() == run.results.read_bytes()
    assert folder.is_relative_to(Path(uri.removeprefix("sqlite:///")).parent)


def test_it_is_brought_up_to_date_and_never_there_twice(uri: str, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    found = mtnas.log_to_mlflow(run, uri, "two")
    losses = curve(uri, found, "loss/total")
    assert losses and not curve(uri, found, "hypervolume")
    search_toy(run, 6)
    assert mtnas.log_to_mlflow(Run(run.path), uri, "two") == found
    first = curve(uri, found, "hypervolume")
    search_toy(run, 8)
    for _ in range(2):
        assert mtnas.log_to_mlflow(run, uri, "two") == found
    second = curve(uri, found, "hypervolume")
    assert len(logged(uri, "two")) == 1 and curve(uri, found, "loss/total") == losses
    assert len(first) == 6 and len(second) == 8 and first.items() <= second.items()
    assert list(curve(uri, found, "front_size")) == [6, 8]


def test_another_run_is_another_one_there(uri: str, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    copy = Run(shutil.copytree(run.path, tmp_path / "copy"))
    assert call("fork", run.path, tmp_path / "forked").code == 0
    ids = {mtnas.log_to_mlflow(one, uri, "three") for one in (run, copy, Run(tmp_path / "forked"))}
    assert len(ids) == len(logged(uri, "three")) == 3
    # A new training in the same place is another run.
    key = figures_of(run).key
    run.manifest.write("run", {**run.manifest.section("run"), "created": "2020-01-01T00:00:00+00:00"})
    assert figures_of(run).key != key


def test_the_command_logs_into_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = searched_run(tmp_path / "run")
    found = call("mlflow", run.path)
    assert found.code == 0 and "of experiment mtnas at sqlite:///mlflow.db" in found.out and not found.err, found
    assert {"mlflow.db", "mlruns", "run"} == {path.name for path in tmp_path.iterdir()}
    assert len(logged(f"sqlite:///{tmp_path / 'mlflow.db'}", "mtnas")) == 1
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # in the same process
    assert call("mlflow", run.path).code == 0
    assert {"mlflow.db", "mlruns"} == {path.name for path in (tmp_path / "elsewhere").iterdir()}


def test_what_mlflow_refuses_is_one_sentence(uri: str, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    arguments = ("mlflow", run.path, "--tracking-uri")
    refused(call(*arguments, "strange://me:secret@place"), "MLflow at strange://...@place cannot be logged to")
    assert shown_uri("postgresql://me:se@cret@host/a") == "postgresql://...@host/a" and shown_uri(uri) == uri
    client = client_of(uri)
    client.delete_experiment(client.create_experiment("gone"))
    refused(call(*arguments, uri, "--experiment", "gone"), "'gone' was deleted", "name another")
    refused(call("mlflow", tmp_path / "none"), "there is no run")
    with pytest.raises(RunError, match="has no space yet"):
        mtnas.log_to_mlflow(Run(tmp_path / "new"), uri)


def test_mlflow_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    refused(call("mlflow", searched_run(tmp_path / "run").path), "needs mlflow", "pip install 'mtnas[mlflow]'")


def test_names_that_mlflow_refuses_stay_different() -> None:
    from mtnas.tracking.mlflow_runs import _allowed

    names = ["loss/a+b", "loss/a_b", "loss/a b", "loss/ä", "loss/a:b", "loss/a|b"]
    assert len(set(map(_allowed, names))) == len(names)
    assert _allowed("branch/0.5/first/a") == "branch/0.5/first/a" and _allowed("loss/a+b") == "loss/a-2b-b"


def test_mlflow_reports_nothing_of_its_use() -> None:
    pytest.importorskip("mlflow")
    code = (
        "from mtnas.tracking.mlflow_runs import _mlflow\n_mlflow()\n"
        "import sys\nfrom mlflow.telemetry.utils import is_telemetry_disabled as off\nassert off()\n"
    )
    environment = {"PATH": "/usr/bin:/bin"}  # without what tells MLflow that it is in a test
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    found = figures_of(run).curves
    assert all(math.isfinite(value) for one in found.values() for value in one.values())
    manifest = run.manifest.section("study")
    run.manifest.write("study", {**manifest, "budgets": {"params": 200.0}})
    limited, results = figures_of(run).curves, read_results(run)
    first = next(n for n, met in enumerate(results.feasible, 1) if met)
    assert list(limited["best/error/mean"]) == list(range(first, len(results.rows) + 1))
    assert limited["best/error/mean"][len(results.rows)] == results.best().costs["error/mean"]
