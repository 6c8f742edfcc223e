"""Studies that are kept in a database instead of a file of the run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import optuna
import postgres
import pytest
import toy_space
from toy_runs import TOY_FILE, call, contents, refused, search_toy, searched_run, start, supernet, trained_run

from mtnas.cli.steps.work import command_line
from mtnas.errors import RunError
from mtnas.results import Results
from mtnas.runs import Run, read_results, read_rows, study_file
from mtnas.runs.study_file import STORAGE_VARIABLE, with_password, without_password
from mtnas.searching import search

pytestmark = pytest.mark.long

DATA = toy_space.data(None)


def searched(run: Run, address: str | None, evaluations: int = 12) -> Results:
    settings = replace(toy_space.searching, evaluations=evaluations)
    return search(toy_space.space, DATA, run, settings, supernet=supernet(), storage=address, show_progress=False)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a database, with its password."""
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    pytest.importorskip("psycopg2")
    with postgres.serving() as port:
        yield f"postgresql+psycopg2://me:{postgres.PASSWORD}@127.0.0.1:{port}/postgres"


def test_a_password_is_not_kept() -> None:
    assert without_password("postgresql://me:a:b@c@host/studies") == "postgresql://me@host/studies"
    assert without_password("postgresql://host/studies?user=me&password=secret") == "postgresql://host/studies?user=me"
    assert without_password("postgresql://host/s?password=secret&user=me") == "postgresql://host/s?user=me"
    assert without_password("sqlite:////folder/a:b@c.db") == "sqlite:////folder/a:b@c.db"


@pytest.mark.parametrize("words", [("--storage", "{}"), ("--storage={}",)])
def test_a_password_is_not_kept_with_the_command_line(words: tuple[str, ...]) -> None:
    typed = [word.format("postgresql://me:secret@host/studies") for word in words]
    kept = " ".join(words).format("postgresql://me@host/studies")
    assert command_line(["search", "runs/a=b", *typed, "-b", "params=8k"]) == (
        f"mtnas search runs/a=b {kept} -b params=8k"
    )


def test_the_password_of_another_database_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, "postgresql://me:secret@host/studies")
    assert with_password("postgresql://me@host/studies") == "postgresql://me:secret@host/studies"
    assert with_password("postgresql://me@elsewhere/studies") == "postgresql://me@elsewhere/studies"


def test_another_file_holds_the_same(tmp_path: Path) -> None:
    """Also with two runs in one database."""
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    whole = read_results(searched_run(tmp_path / "whole"))
    for name in ("one", "two"):
        run = trained_run(tmp_path / name)
        assert [row.costs for row in searched(run, address).rows] == [row.costs for row in whole.rows]
        assert not run.study.exists()
        assert read_rows(run) == whole.rows
    assert len(optuna.get_all_study_names(address)) == 2


def test_postgres_holds_the_same(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_results(searched_run(tmp_path / "whole"))
    run = trained_run(tmp_path / "run")
    first = searched(run, server, 7)
    assert [row.costs for row in first.rows] == [row.costs for row in whole.rows[:7]]
    assert not run.study.exists()
    assert not any(postgres.PASSWORD.encode() in content for content in contents(run.path).values())

    monkeypatch.setenv(STORAGE_VARIABLE, server)
    second = searched(run, None)
    assert [row.costs for row in second.rows] == [row.costs for row in whole.rows]
    assert read_rows(run) == whole.rows
    # Changed budgets: a new study beside it, with all rows.
    third = search_toy(run, 14, budgets={"params": 2_000})
    assert [row.candidate for row in third.rows[:12]] == [row.candidate for row in whole.rows]
    assert len(optuna.get_all_study_names(server)) == 2
    # What Optuna reads is what was measured.
    kept = optuna.load_study(study_name=run.manifest.section("study")["name"], storage=server)
    assert [trial.values for trial in kept.get_trials(deepcopy=False)][:12] == [
        [row.costs[name] for name in third.objectives] for row in whole.rows
    ]


def test_a_killed_search_goes_on_in_postgres(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, server)
    run = trained_run(tmp_path / "run")
    words = ("search", run.path, "--evaluations", "12", "--storage", without_password(server))
    process = start(*words, pause_s=0.2)
    deadline = time.monotonic() + 60
    while (kept := len(read_rows(run)) if "study" in run.manifest.read() else 0) < 4:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert kept < 12
    assert call(*words).code == 0
    whole = read_results(searched_run(tmp_path / "whole"))
    assert [row.costs for row in read_results(run).rows] == [row.costs for row in whole.rows]


def test_a_lost_password_is_said(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(tmp_path / "run")
    searched(run, server, 7)
    monkeypatch.setattr(study_file, "_GIVEN", {})  # as in another process
    message = f"{without_password(server)} cannot be used .*{STORAGE_VARIABLE}"
    with pytest.raises(RunError, match=message.replace("+", r"\+")) as caught:
        searched(run, None)
    assert postgres.PASSWORD not in str(caught.value)
    with pytest.raises(RunError, match=f"cannot be read from .*{STORAGE_VARIABLE}"):
        read_rows(run)


def test_bad_addresses_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    before = contents(run.path)
    for address, part in (
        ("nowhere", "database nowhere"),
        ("oracle://host/studies", "driver"),
        ("postgresql://127.0.0.1:1/studies", "is it there"),
    ):
        refused(call("search", run.path, "--storage", address), part)
        refused(call("run", TOY_FILE, "--run", tmp_path / "new", "--storage", address), part)
    assert contents(run.path) == before
    assert not (tmp_path / "new").exists()


def test_a_study_is_not_moved(tmp_path: Path) -> None:
    run = searched_run(tmp_path / "run")
    with pytest.raises(RunError, match="leave the address out, or use another run directory"):
        searched(run, f"sqlite:///{tmp_path / 'studies.db'}", 20)
