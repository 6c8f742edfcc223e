"""Memory and CPUs: of the machine, and of the container or job that a process runs in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from toys import draws, toy_data, toy_space, toy_x

from mtnas.architecture import Candidate
from mtnas.evaluation import CandidateErrors, InheritedErrors
from mtnas.evaluation.memory import free_mib
from mtnas.searching.workers import MakeErrors
from mtnas.space.threads import cpu_threads, most_threads
from mtnas.supernet import SuperNetwork

CPU = torch.device("cpu")
MIB = 2**20


def machine(root: Path, groups: str, files: Mapping[str, str | int]) -> Path:
    """A file system that tells of 1,000 MiB free on the machine, and of some control groups."""
    of_all = f"MemTotal: {4000 * 1024} kB\nMemAvailable: {1000 * 1024} kB\n"
    for name, text in {"proc/meminfo": of_all, "proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


def test_this_machine_has_some() -> None:
    assert free_mib(CPU) > 1


def test_where_nothing_tells_a_guess_is_made(tmp_path: Path) -> None:
    assert free_mib(CPU, tmp_path) == 4096


SECOND = {"sys/fs/cgroup/memory.max": 300 * MIB, "sys/fs/cgroup/memory.current": 100 * MIB}
FIRST = {
    "sys/fs/cgroup/memory/memory.limit_in_bytes": 300 * MIB,
    "sys/fs/cgroup/memory/memory.usage_in_bytes": 100 * MIB,
}


@pytest.mark.parametrize(
    ("groups", "files", "free"),
    [
        pytest.param("0::/", {}, 1000, id="no group"),
        pytest.param("0::/", SECOND, 200, id="container"),
        pytest.param("0::/docker/a1b2", SECOND, 200, id="container that is told its path outside"),
        pytest.param("0::/", {**SECOND, "sys/fs/cgroup/memory.max": "max"}, 1000, id="no limit"),
        pytest.param("0::/", {**SECOND, "sys/fs/cgroup/memory.max": 9000 * MIB}, 1000, id="limit above what is free"),
        pytest.param("0::/", {**SECOND, "sys/fs/cgroup/memory.current": 301 * MIB}, 0, id="used up"),
        pytest.param(
            "0::/",
            {**SECOND, "sys/fs/cgroup/memory.stat": f"anon 5\nfile 9\ninactive_file {50 * MIB}\nactive_file 7"},
            250,
            id="cached files are given up",
        ),
        pytest.param(
            "0::/slurm/job",
            {
                "sys/fs/cgroup/slurm/job/memory.max": 600 * MIB,
                "sys/fs/cgroup/slurm/job/memory.current": 10 * MIB,
                "sys/fs/cgroup/slurm/memory.max": 700 * MIB,
                "sys/fs/cgroup/slurm/memory.current": 650 * MIB,
            },
            50,
            id="the group around it is nearly full",
        ),
        pytest.param("5:cpu,memory:/\n0::/", FIRST, 200, id="first version"),
        pytest.param(
            "5:memory:/docker/a1b2",
            {**FIRST, "sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {25 * MIB}"},
            225,
            id="first version, container",
        ),
        pytest.param(
            "5:memory:/",
            {**FIRST, "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712},
            1000,
            id="first version, no limit",
        ),
        pytest.param("5:cpu:/", FIRST, 1000, id="a group for other things"),
    ],
)
def test_free_is_what_the_tightest_limit_leaves(
    groups: str, files: Mapping[str, str | int], free: float, tmp_path: Path
) -> None:
    assert free_mib(CPU, machine(tmp_path, groups, files)) == free


def test_what_cannot_be_read_is_no_limit(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/", {"sys/fs/cgroup/memory.current": 100 * MIB})
    (root / "sys/fs/cgroup/memory.max").mkdir()
    assert free_mib(CPU, root) == 1000


def test_workers_share_a_quarter_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtnas.evaluation.evaluator.free_mib", lambda device: 800.0)
    supernet, data = SuperNetwork(toy_space(), toy_x(4)), toy_data()
    for sharers, room in ((1, 200), (4, 50)):
        judge = InheritedErrors(supernet, data, sharers=sharers)
        assert judge._prefixes is not None
        assert judge._prefixes.kept.limit == room * MIB


def test_threads_that_were_asked_for_are_kept_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtnas.space.threads.cpus", lambda root: iter([1.0]))
    seen = []
    monkeypatch.setattr(CandidateErrors, "__call__", lambda self, candidate: seen.append(torch.get_num_threads()))
    supernet, data = SuperNetwork(toy_space(), toy_x(4)), toy_data()
    for asked in (3, 0):
        with cpu_threads(asked):
            MakeErrors(supernet, data)()(Candidate(next(draws(toy_space(), 1))))
    assert seen == [3, 1]


@pytest.mark.parametrize(
    ("groups", "files", "threads"),
    [
        pytest.param("0::/", {}, 16, id="no group"),
        pytest.param("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}, 16, id="no limit"),
        pytest.param("0::/", {"sys/fs/cgroup/cpu.max": "400000 100000"}, 4, id="container"),
        pytest.param("0::/", {"sys/fs/cgroup/cpu.max": "150000 100000"}, 2, id="parts of a CPU count as one"),
        pytest.param("0::/", {"sys/fs/cgroup/cpu.max": "50000 100000"}, 1, id="less than one"),
        pytest.param("0::/", {"sys/fs/cgroup/cpu.max": "6400000 100000"}, 16, id="more than wanted"),
        pytest.param(
            "0::/slurm/job",
            {"sys/fs/cgroup/slurm/cpu.max": "300000 100000", "sys/fs/cgroup/slurm/job/cpu.max": "800000 100000"},
            3,
            id="the group around it has fewer",
        ),
        pytest.param(
            "4:cpu,cpuacct:/docker/a1b2",
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": 200000, "sys/fs/cgroup/cpu/cpu.cfs_period_us": 100000},
            2,
            id="first version",
        ),
        pytest.param(
            "4:cpu,cpuacct:/",
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": -1, "sys/fs/cgroup/cpu/cpu.cfs_period_us": 100000},
            16,
            id="first version, no limit",
        ),
    ],
)
def test_threads_are_no_more_than_the_cpus_of_a_container(
    groups: str, files: Mapping[str, str | int], threads: int, tmp_path: Path
) -> None:
    assert most_threads(16, machine(tmp_path, groups, files)) == threads
