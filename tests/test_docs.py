"""What the README and the pages in docs/ show runs as it is shown, and what they name is there."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from shown import PAGES, ROOT, inline_code, prose_of, shown_on
from shown_runs import CHANGES, FEWER, NOT_RUN, WITH_WORKERS, fill, needs_workers, run_page, why_not

import mtnas
from mtnas.cli import app
from mtnas.space.file import load_space_file

BEGIN_WITH_A_RUN = {
    "docs/branching.md",
    "docs/quantization.md",
    "docs/report.md",
    "docs/search.md",
}
"""Pages whose `runs/digits` was made on a page before."""

SHOWN = [shown for page in PAGES for shown in shown_on(page)]
COMMANDS = [shown for shown in SHOWN if shown.kind == "command" and why_not(shown) is None]


# It runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if page != WITH_WORKERS and shown_on(page)])
def test_what_is_shown_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MTNAS_DATA", "MTNAS_STORAGE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    fill(tmp_path, with_run=page in BEGIN_WITH_A_RUN)
    run_page(page, tmp_path)


def test_the_readme_has_its_example_in_25_lines() -> None:
    first = next(shown for shown in shown_on("README.md") if shown.kind == "python")
    assert len(first.text.strip().splitlines()) <= 25 and "mtnas.search(" in first.text


def test_commands_that_need_workers_stand_where_there_are_some() -> None:
    there = [shlex.split(shown.text, comments=True) for shown in shown_on(WITH_WORKERS)]
    needing = [shown for shown in COMMANDS if needs_workers(shown)]
    assert needing
    assert [str(shown) for shown in needing if shlex.split(shown.text, comments=True) not in there] == []


# Nothing is left out -------------------------------------------------------------------------------------------------


def test_every_shown_line_is_a_command_of_ours_or_listed_with_a_reason() -> None:
    unknown = [shown for shown in COMMANDS if not shown.text.startswith("mtnas ")]
    assert [str(shown) for shown in unknown] == []
    assert len(COMMANDS) > 60


def test_what_the_tables_list_is_there() -> None:
    texts = [shown.text for shown in SHOWN if shown.kind == "command"]
    assert [start for start in NOT_RUN if not any(re.match(start, text) for text in texts)] == []
    commands = [shown.text for shown in COMMANDS]
    assert [change.what for change in CHANGES if not any(re.search(change.what, text) for text in commands)] == []
    python = [shown.text for shown in SHOWN if shown.kind == "python"]
    assert [old for old in FEWER if not any(old in text for text in python)] == []


def test_the_smaller_space_has_what_the_shipped_one_has(tmp_path: Path) -> None:
    fill(tmp_path, with_run=False)
    small, shipped = (load_space_file(root / "search_spaces/digits.py") for root in (tmp_path, ROOT))
    for each in ("tasks", "blocks"):
        names = [[one.name for one in getattr(file.space, each)] for file in (small, shipped)]
        assert names[0] == names[1]
    assert {name for name in vars(shipped.module) if name[0] != "_"} <= set(vars(small.module))
    assert small.module.searching.budgets == shipped.module.searching.budgets


# What is named is there ----------------------------------------------------------------------------------------------


def _options(command: str) -> set[str]:
    """Options of a command of `mtnas` by name, `--quiet` and `--verbose` included."""
    group: Any = typer.main.get_command(app)
    found = [option for parameter in group.params for option in parameter.opts]
    for parameter in group.commands[command].params if command else ():
        found += [*parameter.opts, *parameter.secondary_opts]
    return {*found, "--help"}


def _named() -> list[tuple[str, str]]:
    """Commands between backticks, by page."""
    return [(page, text) for page in PAGES for text in inline_code(page) if text.startswith("mtnas ")]


@pytest.mark.parametrize(("page", "command"), _named())
def test_commands_in_the_text_are_understood(page: str, command: str) -> None:
    words = shlex.split(command)[1:]
    name = "" if words[0].startswith("-") else words.pop(0)
    unknown = [word for word in words if word.startswith("-") and word not in _options(name)]
    assert unknown == [], f"{page}: {command}"


def test_options_in_the_text_are_of_some_command() -> None:
    group: Any = typer.main.get_command(app)
    every = set().union(*(_options(name) for name in group.commands))
    of_benchmarks = {"--quick", "--json", "--data-dir", "--seeds"}
    for page in PAGES:
        for text in inline_code(page):
            if re.fullmatch(r"--[a-z0-9-]+( \S+)?", text):
                assert text.split()[0] in every | of_benchmarks, f"{page}: {text}"


@pytest.mark.parametrize("page", PAGES)
def test_names_of_the_package_in_the_text_are_there(page: str) -> None:
    for text in inline_code(page):
        for name in re.findall(r"(?<![\w/])mtnas(?:\.\w+)+", text):
            _find(name)
        for name, field in re.findall(r"\b([A-Z]\w+)\((?:\.\.\., )?(\w+)=", text):
            known = getattr(mtnas, name, None)
            if known is not None and dataclasses.is_dataclass(known):
                assert field in {each.name for each in dataclasses.fields(known)}, f"{page}: {text}"


def _find(name: str) -> Any:
    """An attribute of the package by its whole name."""
    found, path = mtnas, name.split(".")
    for number, part in enumerate(path[1:], 2):
        there = hasattr(found, part)
        found = getattr(found, part) if there else importlib.import_module(".".join(path[:number]))
    return found


def test_benchmarks_that_are_named_are_there() -> None:
    found = {
        name
        for page in PAGES
        for text in inline_code(page)
        for name in re.findall(r"python -m benchmarks\.(\w+)", text)
    }
    assert len(found) >= 15
    for name in found - {"NAME"}:
        assert importlib.util.find_spec(f"benchmarks.{name}") is not None, name


def test_every_benchmark_has_its_command_on_the_page_of_benchmarks() -> None:
    text = PAGES["docs/benchmarks.md"].read_text(encoding="utf-8")
    listed = re.search(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed is not None
    assert [name for name in listed[1].split() if f"`python -m benchmarks.{name}" not in text] == []


def test_files_that_are_named_are_there() -> None:
    for page, path in PAGES.items():
        for name in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose_of(page)):
            assert (path.parent / name).exists(), f"{page}: {name}"
        for name in re.findall(r"^\| `(\w+\.py)` \|", path.read_text(encoding="utf-8"), re.MULTILINE):
            if name != "space.py":  # of a run directory
                assert (ROOT / "search_spaces" / name).exists(), f"{page}: {name}"
        for name in re.findall(r"`((?:search_spaces|docs|mtnas)/[\w./]+)`", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{page}: {name}"
