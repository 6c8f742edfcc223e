"""The command line: from a space file to a network in a few words, and one sentence where something is wrong."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import toy_space
from toy_runs import TOY_FILE, call, contents, refused, searched_run, supernet, trained_run
from typer.testing import CliRunner

import mtnas
from mtnas.cli import app
from mtnas.cli.options import parse_budgets
from mtnas.errors import RunError, SearchError
from mtnas.evaluation import recalibrate
from mtnas.runs import Run, load_checkpoint
from mtnas.searching import read_results

COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from outside, and no network: whoever reaches for it fails."""

    def refuse(*arguments: Any, **more: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.delenv("MTNAS_DATA", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# Help ------------------------------------------------------------------------------------------------------------


def help_of(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 0
    return " ".join(re.sub(r"[^\x20-\x7e]", " ", result.output).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_by_an_example(command: str) -> None:
    text = help_of(command)
    example = re.search(rf"Example: (mtnas {command} .*)", text)
    assert example is not None
    # Options of the example are options of the command.
    assert all(option in text.split("Example:")[0] for option in re.findall(r"(?<= )--?[a-z-]+", example[1])[:4])


def test_the_help_lists_all_commands() -> None:
    text = help_of()
    assert set(COMMANDS) >= {"run", "train", "search", "plot", "show", "pick", "extract"}
    assert all(command in text for command in COMMANDS)


def test_help_and_version_load_neither_torch_nor_optuna() -> None:
    code = (
        "import sys\nfrom mtnas.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'optuna', 'pandas', 'matplotlib', 'sklearn', 'ray'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    for words in (["--help"], ["run", "--help"], ["--version"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (mtnas.__version__ in done.stdout) == (words == ["--version"])


def test_the_package_loads_its_names_when_they_are_used() -> None:
    code = "import sys, mtnas; assert not {'torch', 'optuna', 'numpy'} & set(sys.modules); print(mtnas.Tree.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Tree\n"), done.stderr
    assert all(getattr(mtnas, name) is not None for name in mtnas.__all__)
    assert set(mtnas.__all__) <= set(dir(mtnas))
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        _ = mtnas.serch


# From a space file to a network ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run made by the command line alone."""
    path = tmp_path_factory.mktemp("cli") / "run"
    outcome = call("run", TOY_FILE, "--run", path, "--epochs", "1", "-n", "6", "-b", "params=0.7k")
    assert outcome.code == 0, outcome
    return path


def copied(finished: Path, folder: Path) -> Path:
    return Path(shutil.copytree(finished, folder / "run"))


def test_run_leaves_results_figures_and_how_it_was_made(finished: Path) -> None:
    assert {"manifest.json", "space.py", "supernet.safetensors", "study.db", "results.csv"} <= contents(finished).keys()
    assert (finished / "space.py").read_bytes() == TOY_FILE.read_bytes()
    for name in ("front.png", "trees.png"):
        assert (finished / name).read_bytes().startswith(b"\x89PNG")
    results = read_results(Run(finished))
    assert len(results.rows) == 6 and results.budgets == {"params": 700}
    assert list(pd.read_csv(finished / "results.csv")["number"]) == list(range(6))


def test_the_same_run_again_changes_no_result(finished: Path, tmp_path: Path) -> None:
    path = copied(finished, tmp_path)
    before = contents(path)
    again = call("run", TOY_FILE, "--run", path, "--epochs", "1", "-n", "6", "-b", "params=700")
    assert again.code == 0 and "wrote" in again.out and "training" not in again.err
    after = contents(path)
    for name in ("supernet.safetensors", "results.csv", "front.png", "trees.png", "space.py"):
        assert after[name] == before[name], name
    earlier, manifest = (json.loads(files["manifest.json"]) for files in (before, after))
    assert manifest.pop("commands")["lines"] == [*earlier.pop("commands")["lines"], Run(path).commands()[-1]]
    assert manifest == earlier


def test_show_prints_the_front_and_the_corners(finished: Path) -> None:
    shown = call("show", finished)
    results = read_results(Run(finished))
    assert shown.code == 0 and shown.err == ""
    assert all(row.id in shown.out for row in (*results.front(), *results.corner_rows().values()))
    assert all(name in shown.out for name in (*results.corners, "params <= 700", "6 candidates measured"))
    short = call("show", finished, "--rows", "1")
    front, corners = short.out.split("Corner networks")
    assert sum(row.id in front for row in results.rows) == 1 and "single-task, largest" in corners


def test_show_and_plot_write_nothing_but_figures(finished: Path, tmp_path: Path) -> None:
    path = copied(finished, tmp_path)
    before = contents(path)
    assert call("show", path).code == 0
    assert contents(path) == before
    (path / "front.png").unlink()
    assert call("plot", path).code == 0
    assert contents(path) == before


def test_trees_tells_what_the_training_says_about_branching(finished: Path, tmp_path: Path) -> None:
    before = contents(finished)
    told = call("trees", finished, "--count", "2")
    assert told.code == 0 and contents(finished) == before
    tasks = ("quadrant", "product", "total")
    assert all(word in told.out for word in (*tasks, "first", "middle", "last", "confidence", "entropy"))
    assert told.out.count("Budget ") == 4
    value = json.loads(call("trees", finished, "--share", "0.3", "--share", "1", "--json").out)
    assert value["affinities"]["tasks"] == list(tasks) and len(value["budgets"]) == 2
    for budget in value["budgets"]:
        assert {"sure", "near_even", "cheapest_tied", "choices"} <= budget.keys()
        energies = [tree["energy"] for tree in budget["trees"]]
        assert energies == sorted(energies) and all(tree["cost"] <= budget["budget"] for tree in budget["trees"])
    path = tmp_path / "none"
    space = tmp_path / "space.py"
    space.write_text(
        TOY_FILE.read_text().replace("TrainingSettings(epochs=3", "TrainingSettings(parting=0.0, epochs=3")
    )
    assert call("train", space, "--run", path, "--epochs", "1").code == 0
    refused(call("trees", path), "has not told which tasks get along", "parting=0")


def test_search_goes_on_with_what_the_run_had(finished: Path, tmp_path: Path) -> None:
    path = copied(finished, tmp_path)
    before = read_results(Run(path))
    outcome = call("search", path, "--evaluations", "9")
    assert outcome.code == 0 and "9 candidates measured" in outcome.out
    after = read_results(Run(path))
    assert after.budgets == before.budgets and after.objectives == before.objectives
    assert [row.candidate for row in after.rows[:6]] == [row.candidate for row in before.rows]
    assert all(row.costs["params"] <= 700 for row in after.rows[4:]) and len(after.rows) == 9
    assert call("search", path, "-n", "9", "--budget", "macs=500").code == 0
    assert read_results(Run(path)).budgets == {"macs": 500}


def test_training_and_searching_in_two_steps_equals_a_run(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    trained = call("train", TOY_FILE, "--run", path, "--epochs", "1")
    assert trained.code == 0 and f"mtnas search {path}" in trained.out
    assert call("search", path, "-n", "6", "-b", "params=700").code == 0
    assert (path / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()
    found, expected = (load_checkpoint(folder / "supernet.safetensors") for folder in (path, finished))
    assert found[1] == expected[1] and all(found[0][name].equal(expected[0][name]) for name in expected[0])


def test_objectives_can_be_chosen(tmp_path: Path) -> None:
    path = trained_run(tmp_path / "run").path
    assert call("search", path, "-n", "5", "-o", "error/mean", "-o", "macs").code == 0
    assert read_results(Run(path)).objectives == ("error/mean", "macs")
    assert call("search", path, "-n", "6").code == 0
    refused(call("search", path, "-n", "7", "-o", "error/mean", "-o", "params"), "search.objectives")


def test_the_data_folder_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_folder = tmp_path / "needs_folder.py"
    text = TOY_FILE.read_text()
    assert text.count("    return Data(") == 1
    needs_folder.write_text(
        text.replace("    return Data(", "    assert data_dir is not None and data_dir.is_dir()\n    return Data(")
    )
    folder, path = tmp_path / "folder", tmp_path / "run"
    folder.mkdir()
    refused(call("train", needs_folder, "--run", path, "--epochs", "1"), "AssertionError")
    assert not path.exists()
    monkeypatch.chdir(tmp_path)
    assert call("train", needs_folder, "--run", path, "--epochs", "1", "--data-dir", "folder").code == 0
    monkeypatch.chdir("/")
    assert call("search", path, "-n", "1").code == 0
    assert call("train", needs_folder, "--run", path, "--epochs", "1").code == 0
    folder.rmdir()
    refused(call("search", path, "-n", "2"), "AssertionError")
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("MTNAS_DATA", str(other))
    assert call("search", path, "-n", "2").code == 0


# Networks --------------------------------------------------------------------------------------------------------


def test_an_extracted_network_is_the_supernetworks(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "chosen"
    row = read_results(run).rows[5]
    outcome = call("extract", run.path, "--candidate", row.id[:6], "--out", out)
    assert outcome.code == 0 and sorted(contents(out)) == ["network.json", "network.safetensors"]

    data = toy_space.data(None)
    x, _ = next(iter(data.test_batches()))
    network, note = mtnas.load_network(out, toy_space.space, data.example()[0])
    expected = supernet().extract(row.candidate)
    recalibrate(expected, data.calibration_batches())
    with torch.no_grad():
        outputs, wanted = network(x), expected(x)
    assert not network.training and outputs.keys() == wanted.keys() == set(toy_space.space.architectures.tasks)
    assert all(torch.equal(outputs[task], wanted[task]) for task in wanted)
    assert note == json.loads((out / "network.json").read_text())
    assert note["id"] == row.id and note["costs"] == row.costs
    assert mtnas.Candidate.from_json(note["candidate"]) == row.candidate

    # What the search measured is what the file gives.
    errors = mtnas.task_errors(network, toy_space.space.tasks, data.valid_batches())
    assert errors == pytest.approx({task: row.costs[f"error/{task}"] for task in errors}, abs=1e-6)
    assert sum(parameter.numel() for parameter in network.parameters()) == row.costs["params"]


def test_a_network_can_be_named_by_number_or_the_start_of_its_id(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    row = read_results(run).rows[11]
    for index, name in enumerate(("#11", row.id, row.id[:7])):
        assert call("extract", run.path, "--candidate", name, "--out", tmp_path / str(index)).code == 0
    assert what_is_in(tmp_path / "0") == what_is_in(tmp_path / "1") == what_is_in(tmp_path / "2")


def what_is_in(out: Path) -> tuple[str, dict[str, list[Any]]]:
    tensors, _ = load_checkpoint(out / "network.safetensors")
    return (out / "network.json").read_text(), {name: tensor.tolist() for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", ["#99", "#-1", "#", "#1.0", "zzz", "0123456789ab", ""])
def test_a_network_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    refused(call("extract", run.path, "--candidate", name, "--out", tmp_path / "out"), f"match '{name}'", "results.csv")
    assert not (tmp_path / "out").exists()


def test_the_start_of_several_ids_is_refused(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    first = [row.id[0] for row in read_results(run).rows]
    common = next(letter for letter in first if first.count(letter) > 1)
    sentence = refused(call("extract", run.path, "--candidate", common, "--out", tmp_path / "out"))
    assert f"{first.count(common)} candidates of this run match" in sentence


def test_a_network_does_not_replace_another(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "out"
    assert call("extract", run.path, "--candidate", "#1", "--out", out).code == 0
    before = contents(out)
    refused(call("extract", run.path, "--candidate", "#2", "--out", out), "another network", "--out")
    assert contents(out) == before
    known = what_is_in(out)
    assert call("extract", run.path, "--candidate", "#1", "--out", out).code == 0
    assert what_is_in(out) == known


def test_a_damaged_network_file_is_a_sentence(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "out"
    assert call("extract", run.path, "--candidate", "#1", "--out", out).code == 0
    for content in (b"", b"{", b"[]", b"5", b"\xff\x00"):
        (out / "network.json").write_bytes(content)
        refused(call("extract", run.path, "--candidate", "#1", "--out", out), "network")
    (out / "network.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match="damaged"):
        mtnas.load_network(out, toy_space.space, toy_space.data(None).example()[0])


def test_a_network_of_another_space_is_refused(tmp_path: Path) -> None:
    run, out = searched_run(tmp_path / "run"), tmp_path / "out"
    assert call("extract", run.path, "--candidate", "#1", "--out", out).code == 0
    x = toy_space.data(None).example()[0]
    for options in ({"plain": toy_space.plain}, {"plain": toy_space.wide, "wide": toy_space.plain}):
        other = mtnas.SearchSpace(toy_space.space.tasks, [*toy_space.space.blocks[:2], mtnas.Block("last", options)])
        with pytest.raises(mtnas.MtnasError, match="block|another search space"):
            mtnas.load_network(out, other, x)
    with pytest.raises(RunError):
        mtnas.load_network(tmp_path / "nowhere", toy_space.space, x)


# What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "budgets"),
    [
        ([], {}),
        (["params=20000"], {"params": 20000}),
        (["params=20k"], {"params": 20000}),
        (["params=20K", "macs=1.5M"], {"params": 20000, "macs": 1.5e6}),
        (["macs=2M"], {"macs": 2e6}),
        (["macs=2G"], {"macs": 2e9}),
        (["macs=1e4"], {"macs": 10000}),
        (["error/depth=0.25"], {"error/depth": 0.25}),
        (["macs=.5k"], {"macs": 500}),
    ],
)
def test_budgets_are_read(texts: list[str], budgets: dict[str, float]) -> None:
    assert parse_budgets(texts) == budgets


@pytest.mark.parametrize(
    "text",
    [
        *(
            "params",
            "=3",
            "params=",
            "params=many",
            "params=k",
            "params=nan",
            "params=20kk",
            "params=2Mk",
            "params=1k5",
        ),
        *("latency_ms=5m", "macs=2g", ""),
    ],
)
def test_budgets_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(SearchError, match=f"COST=LIMIT.*'{re.escape(text)}'"):
        parse_budgets([text])


def test_a_budget_is_given_once() -> None:
    with pytest.raises(SearchError, match="budget of params is given twice"):
        parse_budgets(["params=1", "macs=2", "params=3"])


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run"],
        ["run", str(TOY_FILE)],
        ["show"],
        ["show", "a", "b"],
        ["show", "a", "--rows", "0"],
        ["show", "a", "--rows", "many"],
        ["run", str(TOY_FILE), "--run", "x", "--epochs", "0"],
        ["run", str(TOY_FILE), "--run", "x", "--evaluations", "-1"],
        ["run", str(TOY_FILE), "--run", "x", "--seed", "zero"],
        ["search", "x", "--learning-rate", "3"],
        ["extract", "x", "--out", "y"],
    ],
)
def test_wrong_usage_is_exit_status_two(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = call(*words)
    assert outcome.code == 2 and "Usage:" in outcome.err and "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["show", "pick", "plot", "search", "extract", "refine"])
def test_a_command_on_no_run_says_how_to_start_one(command: str, tmp_path: Path) -> None:
    more = ["--candidate", "#0", "--out", str(tmp_path / "out")] if command == "extract" else []
    refused(call(command, tmp_path / "nowhere", *more), "there is no run in", "mtnas run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["show", "pick", "plot", "extract", "refine"])
def test_a_command_on_a_run_without_results_says_so(command: str, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    before = contents(run.path)
    more = ["--candidate", "#0", "--out", str(tmp_path / "out")] if command == "extract" else []
    refused(call(command, run.path, *more), "no results yet", "search")
    assert contents(run.path) == before


def test_another_seed_is_refused(finished: Path) -> None:
    before = contents(finished)
    refused(call("run", TOY_FILE, "--run", finished, "--seed", "1"), "seed = 0, but now it is 1")
    assert contents(finished) == before
