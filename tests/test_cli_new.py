"""The space file to start from: it runs as it is, and takes no other file's place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from toy_runs import call, refused
from typer.testing import CliRunner

from mtnas.cli import app
from mtnas.runs import Run, read_results
from mtnas.space.check import check
from mtnas.space.file import load_space_file


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "my_space.py"
    made = call("new", path)
    assert made.code == 0 and f"mtnas check {path}" in made.out and made.err == ""
    return path


def test_it_trains_and_searches_as_it_is(template: Path, tmp_path: Path) -> None:
    done = call("run", template, "--run", tmp_path / "run", "--epochs", "3", "-n", "6")
    assert done.code == 0, done.err
    results = read_results(Run(tmp_path / "run"))
    limit = load_space_file(template).module.searching.budgets["params"]
    assert len(results.rows) == 6 and results.budgets == {"params": limit}
    assert results.cost_table.largest(results.space, "params") > limit  # the budget means something
    assert (tmp_path / "run" / "front.png").exists()


def test_its_splits_differ_and_its_widened_space_is_its_space(template: Path) -> None:
    file = load_space_file(template)
    data = file.data(None)
    samples = [digest.partition(":")[2] for digest in data.fingerprint.values()]
    assert len(set(samples)) == len(samples) == 4
    found = check(file.space, data)
    same, wider = file.widening()(1), file.widening()(2)
    assert same.describe(same.dry_run(data.example()[0])) == file.space.describe(found)
    assert [block.name for block in wider.blocks] == [block.name for block in same.blocks]
    costs = wider.dry_run(data.example()[0]).costs
    assert costs.largest(wider.architectures, "params") > 2 * found.costs.largest(same.architectures, "params")


def test_the_commands_that_it_names_are_understood(template: Path) -> None:
    commands = re.findall(r"^    (mtnas \w+ (?:\S+ ?)+)", template.read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert CliRunner().invoke(app, [*shlex.split(command)[1:], "--help"]).exit_code == 0


def test_what_is_there_stays(template: Path, tmp_path: Path) -> None:
    template.write_text("# mine\n")
    refused(call("new", template), str(template), "is there already", "name another file")
    assert template.read_text() == "# mine\n"
    folder = tmp_path / "folder.py"
    folder.mkdir()
    refused(call("new", folder), "is there already")
    assert not list(folder.iterdir())
    link = tmp_path / "link.py"
    link.symlink_to(tmp_path / "nowhere.py")
    refused(call("new", link), "is there already")
    assert not (tmp_path / "nowhere.py").exists()


def test_what_cannot_be_a_space_file_is_refused(tmp_path: Path) -> None:
    for name in ("space", "space.txt", "space.py.bak"):
        refused(call("new", tmp_path / name), "ends in .py", f"for example {Path(name).with_suffix('.py')}")
    (tmp_path / "file").write_text("")
    refused(call("new", tmp_path / "file" / "space.py"), "cannot be written", "another folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
