"""Candidates that are trained as trials of Ray Tune, and trainings that are made up: killed, failing, left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import toy_space
from test_pools import waited
from test_refining import in_int8
from toy_runs import call, contents, searched_run, start, trained_run

from mtnas.architecture import Candidate
from mtnas.errors import PoolError, TrainingError
from mtnas.pools import Halving, Pool, Processes, RayPool, Report, Store, run_trials, train_in
from mtnas.pools.keeper import Keeper
from mtnas.pools.ray_home import born_at
from mtnas.refining import RefineSettings, left_behind, refine
from mtnas.results import corners
from mtnas.runs import Run, load_checkpoint, read_results

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.long

HOW = RefineSettings(epochs=4, patience=4, learning_rate=1e-2, threads=1, quantized_epochs=2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of this process's own, which all tests here use."""
    from mtnas.pools.ray_cluster import RayCluster

    # Workers must find the tests' modules.
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), before or ""])
    made = RayCluster("local", 5)
    yield
    made.close()
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


# Trainings that are made up ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counting:
    """Counts epochs, one file for each; its cost is the number in its name, which may also ask for trouble."""

    epochs: int = 9

    def __call__(self, name: str, store: Store, report: Report) -> None:
        known = store.load(name, [str(epoch) for epoch in range(1, self.epochs + 1)])
        what, number = name.split("-")
        for epoch in range(1, self.epochs + 1):
            if f"{epoch}" in known:
                continue
            if what == "dies" and epoch == 3 and "2" not in known:
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "raises" and epoch == 3:
                raise ValueError(f"no epoch {epoch} for {name}")
            store.save(name, {f"{epoch}": str(os.getpid()).encode(), "gone": b""})
            store.save(name, {"gone": None})
            time.sleep(0.1)
            report(epoch, {"error/mean": float(number)})


class Told:
    """What was told, in order."""

    def __init__(self) -> None:
        self.epochs: dict[str, list[int]] = {}
        self.ends: list[str] = []

    def reached(self, name: str, epoch: int, costs: Mapping[str, float]) -> None:
        self.epochs.setdefault(name, []).append(epoch)

    def ended(self, name: str) -> None:
        self.ends.append(name)


def files(root: Path, name: str) -> set[str]:
    return {path.name for path in (root / name).iterdir()}


def test_a_trial_that_dies_goes_on_elsewhere_and_one_that_fails_stops_nobody(cluster: None, tmp_path: Path) -> None:
    names, told = ["dies-1", "raises-2", "works-3"], Told()
    failures = run_trials(RayPool(workers=2), Counting(5), tmp_path, names, epochs=5, watch=told)
    assert list(failures) == ["raises-2"]
    assert "Traceback" in failures["raises-2"] and "ValueError: no epoch 3 for raises-2" in failures["raises-2"]
    assert files(tmp_path, "dies-1") == files(tmp_path, "works-3") == {"1", "2", "3", "4", "5"}
    assert len({path.read_text() for path in (tmp_path / "dies-1").iterdir()}) == 2
    assert told.epochs == {"dies-1": [1, 2, 3, 4, 5], "raises-2": [1, 2], "works-3": [1, 2, 3, 4, 5]}
    assert sorted(told.ends) == names


def test_a_trial_that_dies_again_and_again_is_a_failure(cluster: None, tmp_path: Path) -> None:
    class Dying(Counting):
        def __call__(self, name: str, store: Store, report: Report) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    failures = run_trials(RayPool(workers=1), Dying(), tmp_path, ["dies-1"], epochs=5, watch=Told())
    assert list(failures) == ["dies-1"] and "died" in failures["dies-1"].lower()


def test_nothing_is_kept_for_a_driver_that_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as driver:
        keeper = Keeper(str(tmp_path), (driver.pid, born_at(driver.pid)))
        keeper.save("one", {"file": b"1"})
        driver.kill()
        assert waited(lambda: not born_at(driver.pid))  # nobody has asked yet how it ended
        with pytest.raises(PoolError, match="nothing is kept for one: the command .* has ended"):
            keeper.save("one", {"file": b"2"})
    assert (tmp_path / "one" / "file").read_bytes() == b"1"
    unseen = Keeper(str(tmp_path), (driver.pid, "0"))
    unseen.save("one", {"file": b"3"})
    assert (tmp_path / "one" / "file").read_bytes() == b"3"


def test_halving_ends_those_that_are_behind(cluster: None, tmp_path: Path) -> None:
    """The best are begun first and all begin alike: of nine, the three best pass epoch 1 at most, and one epoch 3."""
    names, told = [f"works-{number}" for number in range(9)], Told()
    halving = Halving(grace=1, reduction=3)
    assert run_trials(RayPool(workers=2), Counting(9), tmp_path, names, halving=halving, epochs=9, watch=told) == {}
    reached = {name: max(epochs) for name, epochs in told.epochs.items()}
    assert reached["works-0"] == 9
    assert all(reached[name] < 9 for name in names[3:])
    assert all(files(tmp_path, name) == {str(epoch) for epoch in range(1, reached[name] + 1)} for name in names)


def test_trainings_are_done_by_processes_of_this_machine(tmp_path: Path) -> None:
    names, told = ["works-1", "raises-2", "dies-3"], Told()
    failures = train_in(Processes(2), Counting(4), tmp_path, names, told)
    assert list(failures) == ["raises-2"] and "no epoch 3" in failures["raises-2"]
    assert files(tmp_path, "works-1") == files(tmp_path, "dies-3") == {"1", "2", "3", "4"}
    assert sorted(told.ends) == sorted(names)


def test_a_cluster_that_this_machine_is_no_part_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="reached from outside"):
        run_trials(RayPool("ray://127.0.0.1:1"), Counting(), tmp_path, ["works-1"], epochs=1, watch=Told())


@pytest.mark.parametrize(("name", "value"), [("grace", 0), ("grace", 1.5), ("reduction", 1.0)])
def test_impossible_halvings_are_refused(name: str, value: float) -> None:
    with pytest.raises(TrainingError, match=f"^{name} must .*but is {value}"):
        Halving(**{name: value})  # type: ignore[arg-type]


# Candidates ------------------------------------------------------------------------------------------------------


def chosen(run: Run) -> list[Candidate]:
    found = [Candidate(architecture) for architecture in corners(*run.architectures()).values()]
    return [*found, in_int8(found[0])]


@pytest.mark.parametrize("pool", [RayPool(workers=2), Processes(2)])
def test_candidates_that_are_trained_at_once_end_as_one_after_the_other(
    cluster: None, tmp_path: Path, pool: Pool
) -> None:
    run = trained_run(tmp_path / "run")
    alone = Run(shutil.copytree(run.path, tmp_path / "alone"))
    data, candidates = toy_space.data(None), chosen(run)
    expected = refine(toy_space.space, data, alone, candidates, HOW, show_progress=False)
    begun = refine(toy_space.space, data, run, candidates[:1], HOW, show_progress=False)
    assert len(begun.rows) == 1
    found = refine(toy_space.space, data, run, candidates, HOW, pool=pool, show_progress=False)
    assert found == expected and len(found.rows) == len(candidates)
    assert contents(run.path / "refined") == contents(alone.path / "refined")
    assert (run.path / "refined.csv").read_text() == (alone.path / "refined.csv").read_text()


def test_those_left_behind_go_on_without_halving(cluster: None, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    alone = Run(shutil.copytree(run.path, tmp_path / "alone"))
    data, candidates = toy_space.data(None), chosen(run)
    how, halving, pool = replace(HOW, epochs=9, patience=9), Halving("error/total", 1, 3), RayPool(workers=2)

    def halved() -> set[Candidate]:
        rows = refine(toy_space.space, data, run, candidates, how, pool=pool, halving=halving, show_progress=False)
        return {row.candidate for row in rows.rows}

    ended = halved()
    left = {run.path / "refined" / name for name in left_behind(run)}
    assert 1 <= len(ended) < len(candidates) and left
    assert all((folder / "checkpoint.safetensors").exists() for folder in left)
    before = contents(run.path / "refined")
    assert halved() == ended and contents(run.path / "refined") == before  # nothing is begun again
    expected = refine(toy_space.space, data, alone, candidates, how, show_progress=False)
    assert refine(toy_space.space, data, run, candidates, how, show_progress=False) == expected
    assert contents(run.path / "refined") == contents(alone.path / "refined")
    assert not left_behind(run)


def test_what_halving_cannot_be_is_told_before_work_starts(tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    data, candidates = toy_space.data(None), chosen(run)
    with pytest.raises(TrainingError, match="pass pool=RayPool"):
        refine(toy_space.space, data, run, candidates, HOW, halving=Halving())
    with pytest.raises(TrainingError, match="'params'"):
        refine(toy_space.space, data, run, candidates, HOW, pool=RayPool(), halving=Halving("params"))
    assert not (run.path / "refined").exists()


def test_what_fails_in_a_worker_is_told_and_the_others_are_kept(cluster: None, tmp_path: Path) -> None:
    run = trained_run(tmp_path / "run")
    data, candidates = toy_space.data(None), chosen(run)[:2]
    damaged = run.path / "refined" / f"{candidates[0].id}-fine-tuned" / "checkpoint.safetensors"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match=r"^1 of 2 trainings failed, .*: the checkpoint.* is damaged"):
        refine(toy_space.space, data, run, candidates, HOW, pool=RayPool(workers=2), show_progress=False)
    assert damaged.read_bytes() == b"nonsense"
    assert (run.path / "refined" / f"{candidates[1].id}-fine-tuned" / "row.json").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_driver_goes_on_with_the_same_command(tmp_path: Path, how: signal.Signals) -> None:
    run = searched_run(tmp_path / "run")
    alone = Run(shutil.copytree(run.path, tmp_path / "alone"))
    candidates = [word for row in read_results(run).rows[:2] for word in ("--candidate", row.id)]
    more = ["--epochs", "9", "--no-baselines", *candidates]
    owner = start("refine", run.path, *more, "--ray-address", "local", "--workers", "2", pause_s=0.2)
    try:
        assert waited(lambda: len(list((run.path / "refined").glob("*/checkpoint.safetensors"))) == 2, 90)
    finally:
        owner.send_signal(how)
        _, told = owner.communicate(timeout=60)
    assert owner.returncode == (130 if how == signal.SIGINT else -how), told
    assert not list((run.path / "refined").glob("*/row.json"))
    begun = contents(run.path / "refined")
    assert all(load_checkpoint(run.path / "refined" / name)[1]["epoch"] >= 1 for name in begun)
    assert call("refine", run.path, *more).code == call("refine", alone.path, *more).code == 0
    assert contents(run.path / "refined") == contents(alone.path / "refined")
