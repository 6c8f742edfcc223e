"""A search whose latency is measured on another machine: what is told of it is what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import toy_space
from toy_runs import trained_run

from mtnas.errors import RunError, SearchError, TargetError
from mtnas.latency import LATENCY
from mtnas.pools import Finished, InProcess, Make, Workers
from mtnas.pools.in_process import Here
from mtnas.runs import Run, read_rows
from mtnas.runs.latencies import read_latencies, read_reference
from mtnas.searching import SearchSettings, search
from mtnas.targets import MeasureSettings, TorchEager

QUICK = MeasureSettings(rounds=4, block_ms=0.05, warmup_ms=0)
machine = ["desk"]
"""On which machine code thinks that it is, last."""


@contextmanager
def on(name: str) -> Iterator[None]:
    machine.append(name)
    try:
        yield
    finally:
        machine.pop()


class _Told(TorchEager):
    """Runs here, and tells which machine it is on."""

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "hardware": machine[-1]}

    def prepare(self, *arguments: Any) -> Any:
        assert machine[-1] != "desk", "measured on the wrong machine"
        return super().prepare(*arguments)


class _There(Here):
    """Workers that are elsewhere: on the first of some machines, then on the next, after so many jobs each."""

    def __init__(self, works: Mapping[str, Any], machines: list[str], jobs: int) -> None:
        super().__init__(works)
        self.machines, self.jobs, self.done = machines, jobs, 0

    def wait(self) -> list[Finished]:
        with on(self.machines[min(self.done // self.jobs, len(self.machines) - 1)]):
            self.done += 1
            return super().wait()


@dataclass(frozen=True)
class _Elsewhere(InProcess):
    machines: tuple[str, ...] = ("phone",)
    jobs: int = 10

    @property
    def elsewhere(self) -> bool:
        return True

    def open(self, roles: Mapping[str, Make]) -> Workers:
        with on("worker"):
            return _There({name: make() for name, make in roles.items()}, list(self.machines), self.jobs)


SETTINGS = SearchSettings(
    evaluations=8, objectives=("error/mean", LATENCY), target=_Told(), measuring=QUICK, confirming=QUICK, threads=1
)


def found(run: Run, pool: _Elsewhere, settings: SearchSettings = SETTINGS) -> Any:
    return search(toy_space.space, toy_space.data(None), run, settings, pool=pool, show_progress=False)


def test_all_is_measured_and_confirmed_there(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    results = found(run, _Elsewhere())
    assert len(results.rows) == 8
    target = run.manifest.read()["search"]["target"]
    assert target["hardware"] == "phone" and read_reference(run, target) is not None
    measured = read_latencies(run)
    assert {one.target["hardware"] for one in measured} == {"phone"}
    assert {row.candidate for row in results.front()} <= {one.candidate for one in measured}
    assert len(found(run, _Elsewhere(), replace(SETTINGS, evaluations=10)).rows) == 10


def test_another_machine_does_not_go_on(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    found(run, _Elsewhere())
    with pytest.raises(RunError, match="target"):
        found(run, _Elsewhere(machines=("tablet",)), replace(SETTINGS, evaluations=10))


def test_machines_of_two_kinds_are_not_mixed(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    with pytest.raises(SearchError, match=r"measured on torch .*, tablet, but .*, phone; let nodes of one kind"):
        found(run, _Elsewhere(machines=("phone", "tablet"), jobs=9))
    kept = len(read_rows(run))
    assert kept > 0  # what was measured before stays
    assert len(found(run, _Elsewhere()).rows) == 8


def test_a_bench_that_fails_says_why(tmp_path: Path) -> None:
    class Broken(_Told):
        def reference(self) -> Any:
            raise OSError("no such device")

    class Busy(_Told):
        def reference(self) -> Any:
            raise TargetError("the phone is in use; try again")

    with pytest.raises(SearchError, match=r"(?s)latency could not be measured:.*no such device"):
        found(trained_run(tmp_path / "run"), _Elsewhere(), replace(SETTINGS, target=Broken()))
    with pytest.raises(SearchError, match=r"^latency could not be measured: the phone is in use; try again$"):
        found(trained_run(tmp_path / "other"), _Elsewhere(), replace(SETTINGS, target=Busy()))
