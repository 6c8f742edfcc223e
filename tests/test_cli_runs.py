"""What the command line tells of runs: the list of them, JSON for programs, and as much beside that as is asked for."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_runs import TOY_FILE, Outcome, call, contents, refused, searched_run, trained_run

from mtnas.architecture import Candidate
from mtnas.cli.tables import verified_json
from mtnas.refining import read_compared, read_refined
from mtnas.results import MEAN_ERROR
from mtnas.runs import Run, read_predictors, read_results
from mtnas.runs.listing import ASKED, list_runs
from mtnas.searching import Verified

FINE = ["-n", "13", "--rows", "1"]


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    """What the command tells of every run below a folder, by where it is there."""
    outcome = call("runs", folder, "--json")
    assert outcome.code == 0 and outcome.err == "", outcome
    return {str(Path(run["path"]).relative_to(folder)): run for run in json.loads(outcome.out)["runs"]}


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the manifest of a run."""
    value = json.loads((path / "manifest.json").read_text())
    change(value)
    (path / "manifest.json").write_text(json.dumps(value))


# The list --------------------------------------------------------------------------------------------------------


def test_every_stage_of_a_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "claimed").mkdir()
    manifest = json.loads((trained_run(tmp_path / "trained").path / "manifest.json").read_text())
    only = {name: manifest[name] for name in ("format", "run")}
    (tmp_path / "claimed" / "manifest.json").write_text(json.dumps(only))
    edit(trained_run(tmp_path / "training").path, lambda value: value["training"].update(epochs=40))
    begun = trained_run(tmp_path / "begun")
    begun.checkpoint.unlink()
    searched_run(tmp_path / "searched")
    searched_run(tmp_path / "searching").results.unlink()
    stopped = searched_run(tmp_path / "stopped")
    stopped.manifest.write(ASKED, {"evaluations": 80})
    lines = stopped.results.read_text().splitlines(keepends=True)
    stopped.results.write_text("".join(lines[:-2]))  # of a search before, which had fewer rows
    refined = searched_run(tmp_path / "refined").path
    for name in ("one", "two"):
        (refined / "refined" / name).mkdir(parents=True)
        (refined / "refined" / name / "row.json").write_text("{}")
    assert {name: run["state"] for name, run in listed(tmp_path).items()} == {
        "claimed": "not trained",
        "begun": "training 0/3 epochs",
        "training": "training 3/40 epochs",
        "trained": "trained",
        "searching": "searching 12",
        "stopped": "searching 12/80",
        "searched": "searched 12",
        "refined": "searched 12, 2 refined",
    }


def test_a_search_notes_what_it_was_asked_for(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    assert call("search", run.path, "-n", "5").code == 0
    told = listed(tmp_path)["run"]
    assert (told["state"], told["evaluations"], told["evaluations_asked"]) == ("searched 5", 5, 5)
    before = contents(run.path)
    refused(call("search", run.path, "-n", "20", "-o", "macs"), "search.objectives")
    assert contents(run.path) == before
    again = tmp_path / "again"
    assert call("run", TOY_FILE, "--run", again, "--epochs", "1", "-n", "4").code == 0
    assert listed(tmp_path)["again"]["evaluations_asked"] == 4


def test_a_search_that_is_stopped_before_its_next_row_has_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching, run = importlib.import_module("mtnas.searching"), searched_run(tmp_path / "run")
    usual = searching.search

    def stopped(*given: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "search", stopped)
    assert call("search", run.path, "-n", "14").code != 0
    assert listed(tmp_path)["run"]["state"] == "searching 12/14"
    monkeypatch.setattr(searching, "search", usual)
    assert call("search", run.path, "-n", "99", "--plateau", "1").code == 0
    told = listed(tmp_path)["run"]
    assert told["search_ended"] and told["evaluations"] < told["evaluations_asked"] == 99


def test_figures_are_those_of_the_results(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "deep" / "down" / "run")
    told, results = listed(tmp_path)["deep/down/run"], read_results(run)
    best = results.best(MEAN_ERROR)
    assert told["best"] == {"id": best.id, "costs": best.costs}
    assert told["hypervolume"] == results.hypervolume() and told["budgets"] == results.budgets
    assert told["objectives"] == list(results.objectives) and told["tasks"] == list(results.space.tasks)
    shown = call("runs", tmp_path).out
    assert "deep/down/run" in shown and f"{best.costs[MEAN_ERROR]:.4f} ({best.id})" in shown
    assert f"{results.hypervolume():.4f}" in shown and "3 errors, params, macs" in shown


def test_budgets_that_no_row_meets_leave_no_best(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    edit(run.path, lambda value: value["study"].update(budgets={"error/mean": 1e-6}))
    told = listed(tmp_path)["run"]
    assert told["best"] is None and told["problems"] == [] and told["hypervolume"] == 0


def test_what_is_damaged_is_told_beside_what_is_not(tmp_path: Path) -> None:
    damage: Mapping[str, tuple[str, Callable[[Run], Any]]] = {
        "no-json": ("manifest.json is damaged", lambda run: run.manifest.path.write_text("{")),
        "other-format": ("has format 7", lambda run: edit(run.path, lambda value: value.update(format=7))),
        "a-folder": ("it is not a file", lambda run: (run.manifest.path.unlink(), run.manifest.path.mkdir())),
        "no-epochs": ("training.epochs", lambda run: edit(run.path, lambda v: v["training"].update(epochs="3"))),
        "space": ("manifest.json is damaged", lambda run: edit(run.path, lambda v: v["space"].update(costs={}))),
        "cut-weights": ("supernet.safetensors is damaged", lambda run: os.truncate(run.checkpoint, 2000)),
        "no-weights": ("supernet.safetensors is damaged", lambda run: run.checkpoint.write_bytes(b"")),
        "no-note": ("supernet.safetensors is damaged", lambda run: noted(run, {"mtnas": "{}"})),
        "no-epoch": ("supernet.safetensors is damaged", lambda run: noted(run, {"mtnas": '{"note": "{}"}'})),
        "no-study": ("has lost its study", lambda run: run.study.unlink()),
        "study": ("study.db is damaged", lambda run: run.study.write_bytes(b"nothing" * 1000)),
        "study-name": ("study.db is damaged", lambda run: edit(run.path, lambda v: v["study"].update(name="x"))),
    }
    for name, (_, harm) in damage.items():
        harm(searched_run(tmp_path / name))
    searched_run(tmp_path / "sound")
    told = listed(tmp_path)
    assert told.keys() == {*damage, "sound"} and told["sound"]["state"] == "searched 12"
    shown = call("runs", tmp_path)
    assert shown.code == 0 and shown.err == ""
    for name, (said, _) in damage.items():
        assert told[name]["state"] == "damaged"
        assert said in " ".join(told[name]["problems"]), (name, told[name]["problems"])
        assert all(f"{name}: {problem}" in shown.out for problem in told[name]["problems"])
    # What is not damaged is told all the same.
    assert told["cut-weights"]["evaluations"] == 12 and told["study"]["epoch"] == 3


def noted(run: Run, metadata: dict[str, str]) -> None:
    """Give the checkpoint another note."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(run.checkpoint), run.checkpoint, metadata)


def test_weights_are_not_read(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    size = run.checkpoint.stat().st_size
    with run.checkpoint.open("r+b") as file:
        file.seek(size - 400)
        file.write(bytes(400))
    assert listed(tmp_path)["run"]["state"] == "trained"


def test_a_database_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise AssertionError("the network was used")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    run = searched_run(tmp_path / "run")
    edit(run.path, lambda value: value["study"].update(storage="postgresql://me@somewhere/studies"))
    told = listed(tmp_path)["run"]
    assert told["state"] == "searched in a database" and told["database"] == "postgresql://me@somewhere/studies"
    assert told["problems"] == [] and told["best"] is None


def test_nothing_is_written_and_no_code_of_a_space_runs(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    run.space_file.write_text("raise SystemExit('run')")
    before = contents(tmp_path)
    assert call("runs", tmp_path).code == 0
    assert contents(tmp_path) == before


def test_links_hidden_folders_and_what_is_inside_of_runs_are_left_out(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "runs" / "one")
    shutil.copytree(run.path, tmp_path / "runs" / ".hidden" / "run")
    shutil.copytree(run.path, run.path / "copy")
    (tmp_path / "runs" / "circle").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "other").mkdir()
    assert listed(tmp_path / "runs").keys() == {"one"}
    assert listed(run.path).keys() == {"."}


def test_the_one_that_changed_last_comes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("b", "c", "a")):
        run = trained_run(tmp_path / name)
        for path in run.path.rglob("*"):
            os.utime(path, (1e9 - 1000 * age, 1e9 - 1000 * age))
    (tmp_path / "a" / ".lock").touch()  # by a command that looked whether it may write
    assert list(listed(tmp_path)) == ["b", "c", "a"]
    (tmp_path / "a" / "refined").mkdir()
    (tmp_path / "a" / "refined" / "new").touch()
    assert list(listed(tmp_path)) == ["a", "b", "c"]
    assert [run.path.name for run in list_runs(tmp_path)] == ["a", "b", "c"]


def test_a_folder_without_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = call("runs", tmp_path)
    assert found.code == 0 and f"there are no runs in {tmp_path}" in found.out and "mtnas run" in found.out
    assert listed(tmp_path) == {}
    refused(call("runs", tmp_path / "nowhere"), "there is no directory", "nowhere")
    monkeypatch.chdir(tmp_path)
    refused(call("runs"), "there is no directory runs")


def test_the_list_loads_no_library_that_trains_searches_or_draws(tmp_path: Path) -> None:
    searched_run(tmp_path / "run")
    code = (
        "import sys\nfrom mtnas.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'optuna', 'ray', 'sqlalchemy', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    for words in (["runs", str(tmp_path)], ["--help"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_the_help_is_grouped() -> None:
    shown = call("--help").out
    panels = re.split(r"╭─ (\w[\w ]*?) ─+╮", shown)
    found = {title: re.findall(r"│ (\w+) ", text) for title, text in zip(panels[1::2], panels[2::2], strict=True)}
    assert list(found) == ["Options", "Begin", "Train and search", "Look", "Take further"]
    assert found["Begin"] == ["new", "check"] and {"run", "train", "search"} <= set(found["Train and search"])
    assert {"runs", "show", "diff"} <= set(found["Look"]) and {"refine", "export"} <= set(found["Take further"])


# JSON ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy space with widths to multiply, in a file that prints."""
    text = TOY_FILE.read_text()
    path = tmp_path_factory.mktemp("space") / "printing.py"
    path.write_text(
        text
        + "\n\nprint('a space file that prints')\n\n\ndef sized(width, inner):\n"
        + "    def plain(shape):\n"
        + "        return nn.Sequential(nn.Linear(shape[0], width), nn.BatchNorm1d(width), nn.ReLU())\n"
        + "    def wide(shape):\n"
        + "        return nn.Sequential(nn.Linear(shape[0], inner), nn.ReLU(), nn.Linear(inner, width), nn.Tanh())\n"
        + "    return {'plain': plain, 'wide': wide}\n\n\n"
        + "def widened(factor):\n"
        + "    both = sized(max(1, round(WIDTH * factor)), max(1, round(10 * factor)))\n"
        + "    middle = Block('middle', {**both, 'skip': skip})\n"
        + "    return SearchSpace(space.tasks, [Block('first', both), middle, Block('last', both)])\n"
    )
    return path


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for commands that write into it, too."""
    return searched_run(tmp_path_factory.mktemp("json") / "run").path


def told_by(*words: str | Path) -> dict[str, Any]:
    """The JSON of a command that did what it was asked; what else there is to say is not on standard output."""
    outcome = call(*words, "--json")
    assert outcome.code == 0, outcome.err
    assert "wrote" not in outcome.out and "a space file" not in outcome.out
    found: dict[str, Any] = json.loads(outcome.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


def test_show_tells_the_whole_front_unless_asked_for_less(searched: Path) -> None:
    told, results = told_by("show", searched), read_results(Run(searched))
    assert {row["id"] for row in told["front"]} == {row.id for row in results.front()}
    assert told["on_front"] == len(told["front"]) == int(results.on_front.sum())
    assert told["measured"] == len(results.rows) and told["within_budgets"] == int(results.feasible.sum())
    assert told["hypervolume"] == results.hypervolume() and told["reference"] == results.reference
    assert told["objectives"] == list(results.objectives) and told["budgets"] == results.budgets
    for name, row in results.corner_rows().items():
        corner = told["corners"][name]
        assert corner["costs"] == row.costs and corner["within_budgets"] == bool(results.feasible[row.number])
    for row in told["front"]:
        known = results.find(row["id"])
        assert Candidate.from_json(row["candidate"]) == known.candidate and row["costs"] == known.costs
        assert (row["number"], row["tree"]) == (known.number, str(known.candidate.architecture.tree))
    assert [row["costs"][MEAN_ERROR] for row in told["front"]] == sorted(
        row["costs"][MEAN_ERROR] for row in told["front"]
    )
    assert len(told_by("show", searched, "--rows", "2")["front"]) == 2
    latest = read_predictors(Run(searched))[-1]
    assert told["predictors"]["measured"] == latest.measured
    assert told["predictors"]["figures"].keys() == latest.figures.keys()


def test_run_and_search_tell_what_show_tells(tmp_path: Path, printing: Path) -> None:
    path = tmp_path / "run"
    told = told_by("run", printing, "--run", path, "--epochs", "2", "-n", "5")
    branching = told.pop("branching")
    assert told == told_by("show", path)
    assert {"affinities", "budgets"} == branching.keys() and branching["affinities"]["tasks"] == told["tasks"]
    assert told_by("search", path, "-n", "6") == told_by("show", path)


def test_verify_tells_every_cost_that_differs(tmp_path: Path, printing: Path) -> None:
    run = searched_run(tmp_path / "run")
    told = told_by("verify", run.path, "--space", printing)
    assert told == {"rows": 12, "different": 0, "largest_difference": 0, "tolerance": 1e-9, "differences": []}
    told = told_by("verify", run.path, "--rows", "3", "--tolerance", "0.5")
    assert (told["rows"], told["tolerance"]) == (3, 0.5)


def test_verify_measures_by_as_many_threads_as_the_search(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifying, counts = importlib.import_module("mtnas.searching.verify"), []
    usual = verifying.cpu_threads
    monkeypatch.setattr(verifying, "cpu_threads", lambda count: counts.append(count) or usual(count))
    space = tmp_path / "space.py"
    for settings in ("startup=4, threads=2", "startup=4"):
        space.write_text(TOY_FILE.read_text().replace("startup=4, threads=1", settings))
        told_by("verify", searched, "--space", space, "--rows", "1", "--tolerance", "0.01")
    assert counts == [2, 0]


def test_verify_and_extract_take_the_device_of_the_space_file(searched: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.py"
    space.write_text(TOY_FILE.read_text().replace("startup=4, threads=1", 'startup=4, device="cuda:99"'))
    refused(call("verify", searched, "--space", space), "cuda:99")
    extracting = ("extract", searched, "--candidate", "#0", "--space", space, "--out", tmp_path / "out")
    refused(call(*extracting), "cuda:99")
    assert call(*extracting, "--device", "cpu").code == 0


def test_a_difference_is_told_and_ends_with_status_one(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verifying = importlib.import_module("mtnas.searching.verify")

    def worse(errors: Mapping[str, float]) -> float:
        return sum(errors.values()) / len(errors) + 0.25

    monkeypatch.setattr(verifying, "mean_error", worse)
    outcome = call("verify", searched, "--rows", "2", "--json")
    told = json.loads(outcome.out)
    assert outcome.code == 1 and told["different"] == 2 and told["largest_difference"] == pytest.approx(0.25)
    for one in told["differences"]:
        assert one["cost"] == MEAN_ERROR and one["now"] - one["measured"] == pytest.approx(0.25)
        assert read_results(Run(searched)).rows[one["number"]].id == one["id"]


def test_costs_are_listed_by_the_measure_that_counts_rows(searched: Path) -> None:
    first, second, *_ = read_results(Run(searched)).rows
    large, small = (replace(row, costs={"size_kib": kib, "params": 5}) for row, kib in ((first, 5e3), (second, 0.1)))
    found = [
        Verified(large, {"size_kib": 5e3 + 0.1, "params": 6}),
        Verified(small, {"size_kib": 0.1 + 5e-5, "params": 5}),
    ]
    told = verified_json(found, 1e-4)
    assert told["different"] == 2
    assert [(one["id"], one["cost"]) for one in told["differences"]] == [(first.id, "params"), (second.id, "size_kib")]


def test_measure_tells_latencies_with_their_noise(searched: Path, printing: Path) -> None:
    told = told_by("measure", searched, "--space", printing, "--torch", "--top", "2", "--rounds", "4")
    assert told["target"]["runtime"] == "torch" and len(told["latencies"]) == 2
    times = [one["ms"] for one in told["latencies"]]
    assert times == sorted(times)
    for one in told["latencies"]:
        row = read_results(Run(searched)).find(one["id"])
        assert one["params"] == row.costs["params"] and one[MEAN_ERROR] == row.costs[MEAN_ERROR]
        assert 4 <= one["rounds"] <= 32 and one["noise"] >= 0 and one["integer_nodes"] == 0
        assert Candidate.from_json(one["candidate"]) == row.candidate


def test_refine_tells_the_lines_of_its_table(searched: Path, printing: Path) -> None:
    told = told_by("refine", searched, "--space", printing, "-c", "#5", "--epochs", "1", "--no-baselines")
    rows, results = read_refined(Run(searched)), read_results(Run(searched))
    assert told["left_behind"] == [] and len(told["rows"]) == len(rows.rows) == 1
    line, row = told["rows"][0], rows.rows[0]
    assert line["id"] == row.candidate.id == results.rows[5].id and line["how"] == "fine-tuned"
    assert line["inherited"] == results.rows[5].costs[MEAN_ERROR] and line["delta_m"] is None  # not NaN
    assert {name: line[f"test/{name}"] for name in row.test} == row.test


def test_compare_tells_the_lines_of_its_table(searched: Path, printing: Path) -> None:
    row = read_results(Run(searched)).rows[1]
    words = ["compare", searched, "--space", printing, "-c", row.id, "--seeds", "1", "--epochs", "1"]
    told, known = told_by(*words, "--tolerance", "1"), read_compared(Run(searched), row.candidate)
    assert told["candidate"] == row.id and told["tasks"] == list(known.tasks)
    assert [line["network"] for line in told["networks"]] == [network.name for network in known.networks]
    for line in told["networks"]:
        assert line["runs"] == 1 and line["valid/mean/sd"] is None
        assert line["test/mean"] == pytest.approx(known.errors(line["network"], "test", "mean")[0])


def test_export_tells_what_is_in_its_file(searched: Path, printing: Path, tmp_path: Path) -> None:
    out = tmp_path / "shipped"
    told = told_by("export", searched, "--space", printing, "-c", "#6", "--out", out, "--no-latency")
    assert told == {"directory": str(out), **json.loads((out / "model.json").read_text())}


def test_what_is_refused_prints_no_json(searched: Path, tmp_path: Path) -> None:
    for words in (["show", tmp_path], ["pick", searched, "-b", "params=1"], ["diff", searched, "#0", "#99"]):
        outcome: Outcome = call(*words, "--json")
        refused(outcome)
        assert outcome.out == ""


# Quiet and verbose -----------------------------------------------------------------------------------------------


def test_quiet_leaves_results_and_errors(tmp_path: Path) -> None:
    for number, words in enumerate((["--quiet", "search"], ["search", "--quiet"])):
        path = trained_run(tmp_path / str(number)).path
        loud = call("search", trained_run(tmp_path / f"{number}-loud").path, *FINE)
        quiet = call(*words, path, *FINE)
        assert loud.code == quiet.code == 0
        assert "search 13/13" in loud.err and quiet.err == ""
        assert [line for line in loud.out.splitlines() if not line.startswith("wrote")] == quiet.out.splitlines()
    refused(call("--quiet", "show", tmp_path), "there is no run")


def test_quiet_holds_for_every_command_that_shows_progress(tmp_path: Path, printing: Path) -> None:
    path = tmp_path / "run"
    for words in (
        ["train", printing, "--run", path, "--epochs", "1"],
        ["run", printing, "--run", path, "--epochs", "1", "-n", "5"],
        ["verify", path, "--rows", "1"],
        ["measure", path, "--torch", "--top", "1", "--rounds", "4"],
        ["refine", path, "-c", "#4", "--epochs", "1", "--no-baselines"],
        ["compare", path, "-c", "#1", "--seeds", "1", "--epochs", "1", "--tolerance", "1"],
        ["extract", path, "-c", "#2", "--out", tmp_path / "out"],
        ["plot", path],
        ["fork", path, tmp_path / "fork"],
        ["new", tmp_path / "new.py"],
    ):
        outcome = call("--quiet", *words)
        assert (outcome.code, outcome.err) == (0, ""), (words, outcome.err)
        assert "wrote" not in outcome.out and "go on with" not in outcome.out


def test_loudness_is_that_of_each_call(tmp_path: Path) -> None:
    assert call("--quiet", "new", tmp_path / "one.py").out == ""
    assert "wrote" in call("new", tmp_path / "two.py").out
    # Behind --, a word is no option.
    assert call("new", "--", "--quiet").code == 1 and not Path("--quiet").exists()


def test_verbose_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    for words in (["--verbose", "show", tmp_path], ["show", tmp_path, "--verbose"]):
        outcome = call(*words)
        assert outcome.code == 1 and outcome.out == ""
        assert outcome.err.startswith("Traceback") and "existing_run" in outcome.err
        assert outcome.err.splitlines()[-1] == call("show", tmp_path).err.strip()
    refused(call("show", tmp_path))


def test_verbose_shows_what_libraries_log(tmp_path: Path) -> None:
    path = tmp_path / "logging_space.py"
    path.write_text(TOY_FILE.read_text() + "\n\nimport logging\nlogging.getLogger('mine').info('sixty samples')\n")
    for words, heard in ((["--verbose"], True), ([], False)):
        done = subprocess.run(
            [sys.executable, "-m", "mtnas", *words, "check", str(path), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 and json.loads(done.stdout)["trees"], done.stderr
        assert ("mine: sixty samples" in done.stderr) == heard
