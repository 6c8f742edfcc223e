"""Searches whose candidates are measured by other processes: same figures, exact counts, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_space
from optuna.samplers import RandomSampler
from test_joint_search import JOINT, OBJECTIVES
from toy_runs import call, search_toy, searched_run, start, supernet, trained_run

from mtnas.errors import PoolError
from mtnas.evaluation import InheritedErrors
from mtnas.latency import LATENCY
from mtnas.pools import Processes
from mtnas.results import Results
from mtnas.runs import Run, read_results
from mtnas.runs.latencies import read_latencies
from mtnas.searching import Plateau, SearchSettings, search, verify
from mtnas.searching.workers import MakeErrors

DATA = toy_space.data(None)


def searched(run: Run, workers: int, settings: SearchSettings | None = None, **more: Any) -> Results:
    settings = settings or replace(toy_space.searching, evaluations=25)
    return search(toy_space.space, DATA, run, settings, pool=Processes(workers), show_progress=False, **more)


def test_one_worker_finds_what_this_process_finds(tmp_path: Path) -> None:
    """Without jobs waiting at the worker, nothing is asked before everything is told."""
    run = trained_run(tmp_path / "run")
    results = search(toy_space.space, DATA, run, toy_space.searching, pool=Processes(1, ahead=0), show_progress=False)
    whole = read_results(searched_run(tmp_path / "whole"))
    assert [row.candidate for row in results.rows] == [row.candidate for row in whole.rows]
    assert [row.costs for row in results.rows] == [row.costs for row in whole.rows]


def test_several_workers_measure_exactly_as_many_each_once(tmp_path: Path) -> None:
    results = searched(trained_run(tmp_path / "run"), 3)
    assert len(results.rows) == len({row.candidate for row in results.rows}) == 25
    errors = InheritedErrors(supernet(), DATA)
    for row in results.rows:
        measured = errors(row.candidate.architecture)
        assert {task: row.costs[f"error/{task}"] for task in measured} == pytest.approx(measured, abs=1e-6)
    corners = {row.number for row in results.corner_rows().values()}
    assert corners == set(range(len(results.corners)))


def test_workers_are_told_how_many_share_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def noted(*args: Any, sharers: int, **options: Any) -> MakeErrors:
        told.append(sharers)
        return MakeErrors(*args, sharers=sharers, **options)

    monkeypatch.setattr(sys.modules["mtnas.searching.search"], "MakeErrors", noted)
    searched(trained_run(tmp_path / "run"), 3)
    assert told == [3]


@pytest.mark.long
def test_other_samplers_work_with_several_workers(tmp_path: Path) -> None:
    results = searched(trained_run(tmp_path / "run"), 2, sampler=RandomSampler(seed=0))
    assert len({row.candidate for row in results.rows}) == 25


@pytest.mark.long
def test_a_search_goes_on_with_another_number_of_workers(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    first = searched(run, 2, replace(toy_space.searching, evaluations=10))
    second = search_toy(run, 15)
    third = searched(run, 3, replace(toy_space.searching, evaluations=20))
    assert [row.candidate for row in third.rows[:15]] == [row.candidate for row in second.rows]
    assert [row.candidate for row in second.rows[:10]] == [row.candidate for row in first.rows]
    assert len({row.candidate for row in third.rows}) == 20


@pytest.mark.long
def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path) -> None:
    """More are asked for than a small space has."""
    from mtnas.space.search_space import SearchSpace
    from mtnas.training import train

    space = SearchSpace(toy_space.space.tasks[:2], [toy_space.space.blocks[0], toy_space.space.blocks[2]])
    run = Run(tmp_path / "run", 0)
    train(space, DATA, run, replace(toy_space.training, epochs=1), show_progress=False)
    settings = replace(toy_space.searching, evaluations=1000)
    results = search(space, DATA, run, settings, pool=Processes(2), show_progress=False)
    assert len(results.rows) == space.architectures.size


@pytest.mark.long
def test_rules_end_a_search_with_several_workers(tmp_path: Path) -> None:
    settings = replace(toy_space.searching, evaluations=200, stop_when=(Plateau(8, gain=0.5),))
    results = searched(trained_run(tmp_path / "run"), 3, settings)
    assert 8 <= len(results.rows) < 60


@pytest.mark.long
def test_bits_and_latencies_are_measured_by_workers(by_several: Run) -> None:
    results = read_results(by_several)
    assert results.objectives == OBJECTIVES and len(results.rows) == 16
    assert any(row.candidate.policy.nodes for row in results.rows)
    confirmed = {one.candidate: one.latency.ms for one in read_latencies(by_several)}
    assert all(row.costs[LATENCY] == confirmed[row.candidate] for row in results.front())


def test_a_space_that_cannot_leave_this_process_is_told(tmp_path: Path) -> None:
    import threading

    run = trained_run(tmp_path / "run")
    data = replace(DATA, collate=_Locked(threading.Lock()))
    with pytest.raises(PoolError, match="cannot be handed to another process"):
        search(
            toy_space.space, data, run, toy_space.searching, supernet=supernet(), pool=Processes(1), show_progress=False
        )


class _Locked:
    def __init__(self, lock: Any) -> None:
        self.lock = lock

    def __call__(self, samples: list[Any]) -> Any:
        return toy_space.collate(samples)


# Verifying --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_several(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that three workers searched for candidates, latencies and sizes; not to be changed."""
    run = trained_run(tmp_path_factory.mktemp("several") / "run")
    searched(run, 3, replace(JOINT, evaluations=16))
    return run


def test_rows_of_several_workers_are_what_each_is_by_itself(by_several: Run) -> None:
    found = verify(toy_space.space, DATA, by_several, show_progress=False)
    assert [one.row for one in found] == list(read_results(by_several).rows)
    assert all(one.difference == 0 for one in found)
    assert any(one.row.candidate.policy.nodes for one in found)
    assert {*found[0].again} == {*found[0].row.costs} - {LATENCY}


def test_a_row_that_was_changed_is_found(by_several: Run, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    run = Run(shutil.copytree(by_several.path, tmp_path / "run"))
    results = read_results(run)
    row = results.rows[4]
    # In all places, so that nothing contradicts it but measuring it again.
    more = {"error/total": 0.25, "error/mean": 0.25 / 3}
    costs = {name: value + more.get(name, 0.0) for name, value in row.costs.items()}
    with sqlite3.connect(run.study) as connection:
        trials = connection.execute("SELECT trial_id, value_json FROM trial_user_attributes WHERE key = 'candidate'")
        (trial,) = [trial for trial, text in trials if json.loads(text) == row.candidate.to_json()]
        connection.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = ? AND key = 'costs'",
            (json.dumps(costs), trial),
        )
        for number, name in enumerate(results.objectives):
            connection.execute(
                "UPDATE trial_values SET value = ? WHERE trial_id = ? AND objective = ?", (costs[name], trial, number)
            )
    connection.close()
    outcome = call("verify", str(run.path))
    assert outcome.code == 1 and "error/total" in outcome.out and row.id in outcome.out
    assert "16 rows measured again, 1 differ; largest difference 0.25" in outcome.out
    whole = call("verify", str(by_several.path), "--rows", "3")
    assert whole.code == 0 and "3 rows measured again, 0 differ; largest difference 0" in whole.out


# Faults -----------------------------------------------------------------------------------------------------------


def workers_of(pid: int) -> list[int]:
    """Processes whose parent is a given one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def rows_in(run: Path) -> int:
    try:
        return len(read_results(Run(run)).rows)
    except Exception:  # the search has not come that far
        return 0


def until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.long
def test_killed_workers_and_drivers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """A worker is killed, then the driver, then it is interrupted; the same command ends with the exact count."""
    run = trained_run(tmp_path / "run")
    command = ("search", str(run.path), "-n", "40", "--workers", "2")

    first = start(*command, pause_s=0.02)
    until(lambda: rows_in(run.path) >= 5)
    victims = workers_of(first.pid)
    os.kill(victims[0], signal.SIGKILL)
    until(lambda: rows_in(run.path) >= 12)
    assert set(workers_of(first.pid)) - set(victims)  # it was replaced
    left = workers_of(first.pid)
    first.kill()
    first.wait()
    before = read_results(run).rows
    until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in left))

    second = start(*command, pause_s=0.02)
    until(lambda: rows_in(run.path) >= len(before) + 5)
    left = workers_of(second.pid)
    second.send_signal(signal.SIGINT)
    assert second.wait(timeout=30) == 130
    assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in left)
    between = read_results(run).rows
    assert between[: len(before)] == before

    third = start(*command)
    _, err = third.communicate(timeout=120)
    assert third.returncode == 0, err
    results = read_results(run)
    assert results.rows[: len(between)] == between
    assert len(results.rows) == len({row.candidate for row in results.rows}) == 40


def test_the_command_line_refuses_no_workers(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    assert call("search", str(run.path), "--workers", "-1").code == 2
