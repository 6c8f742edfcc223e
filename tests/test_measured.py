"""Rows are read from a study as Optuna reads them, whatever state it was left in, and nothing is written to it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from toy_runs import contents, search_toy, searched_run, trained_run

from mtnas.runs import Run, read_rows
from mtnas.searching import RunStudy


def rows_by_optuna(run: Run) -> tuple[object, ...]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{run.study}")
    study = optuna.load_study(study_name=run.manifest.section("study")["name"], storage=storage)
    return RunStudy(study, storage, str(run.study), study.metric_names or ()).rows()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return searched_run(tmp_path / "run")


def test_rows_are_those_that_optuna_reads(run: Run) -> None:
    assert read_rows(run) == rows_by_optuna(run) and len(read_rows(run)) == 12


def test_rows_are_those_of_the_study_in_use_without_what_was_not_measured(run: Run) -> None:
    """Changed budgets leave several studies in one file; proposals are rejected, or left open by a killed process."""
    search_toy(run, 14, {"params": 420.0})
    study = optuna.load_study(study_name=run.manifest.section("study")["name"], storage=f"sqlite:///{run.study}")
    study.ask()
    study.tell(study.ask(), state=optuna.trial.TrialState.PRUNED)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    with closing(sqlite3.connect(run.study)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM studies").fetchone()[0] == 2
    assert read_rows(run) == rows_by_optuna(run) and len(read_rows(run)) == 14
    assert [row.number for row in read_rows(run)] == list(range(14))


def test_a_run_that_was_not_searched_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(trained_run(tmp_path / "run")) == ()


def test_reading_writes_nothing(run: Run) -> None:
    before = contents(run.path)
    read_rows(run)
    assert contents(run.path) == before


def test_a_study_that_may_not_be_written_is_read(run: Run) -> None:
    before = read_rows(run)
    run.study.chmod(0o444)
    run.path.chmod(0o555)
    try:
        assert read_rows(run) == before
    finally:
        run.path.chmod(0o755)


def test_what_another_process_is_writing_is_not_seen_and_what_it_left_half_written_is_undone(
    run: Run, tmp_path: Path
) -> None:
    before = read_rows(run)
    with closing(sqlite3.connect(run.study, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE trials SET state = 'FAIL'")
        assert read_rows(run) == before
        writer.execute("ROLLBACK")

        writer.execute("PRAGMA cache_size = 1")  # so that pages reach the file before the transaction ends
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM trial_user_attributes")
        writer.execute("UPDATE trials SET state = 'FAIL'")
        killed = Run(shutil.copytree(run.path, tmp_path / "killed"))
        writer.execute("ROLLBACK")
    assert (killed.path / "study.db-journal").stat().st_size > 0
    assert killed.study.read_bytes() != run.study.read_bytes()
    assert read_rows(killed) == before == rows_by_optuna(killed)
