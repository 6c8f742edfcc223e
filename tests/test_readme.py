"""What the README shows works as it is shown."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mtnas
from mtnas.cli import app

README = Path(__file__).parent.parent / "README.md"


def scripts() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_elastic_blocks_can_be_made() -> None:
    names: dict[str, Any] = {"mtnas": mtnas}
    exec(scripts()[1], names)
    assert [len(block.options) for block in names["blocks"]] == [4, 3, 3]


def test_the_script_trains_searches_plots_and_extracts(tmp_path: Path) -> None:
    script = scripts()[0]
    assert len(script.strip().splitlines()) <= 25
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "'sine': torch.Size([2])" in done.stdout
    assert (tmp_path / "front.png").stat().st_size > 10_000
    assert {"manifest.json", "results.csv", "study.db"} <= {path.name for path in (tmp_path / "runs/waves").iterdir()}


def test_the_sampler_serves_any_study() -> None:
    names: dict[str, Any] = {}
    exec(scripts()[2], names)
    trials = names["study"].trials
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials) == 60
    assert sum(trial.constraints["size"] <= 0 for trial in trials) > 30


def shown_commands() -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in (README, README.parent / "docs" / "cluster.md")]
    return [command for text in texts for command in re.findall(r"^    (mtnas .*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("command", shown_commands())
def test_every_command_that_is_shown_is_understood(command: str) -> None:
    """Only parsed here; each is run on a small space elsewhere. An unknown command or option is exit status 2."""
    words = shlex.split(command, comments=True)[1:]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
    options = [word for word in words if word.startswith("--")]
    told = CliRunner().invoke(app, [words[0], "--help"], env={"COLUMNS": "200"}).output
    assert all(option in told for option in options)


def test_files_that_are_named_are_there() -> None:
    text = README.read_text(encoding="utf-8")
    for name in re.findall(r"\]\((docs/[^)]+)\)", text):
        assert (README.parent / name).exists(), name
    for name in re.findall(r"^\| `(\w+\.py)` \|", text, re.MULTILINE):
        if name != "space.py":  # of a run directory
            assert (README.parent / "search_spaces" / name).exists(), name
