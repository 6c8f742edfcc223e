"""Actors on Ray clusters: one of this process's own, and one of two nodes of which one is taken away."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_space
from pool_works import cannot_make, make_work
from test_pools import alive, all_of, waited
from toy_runs import Outcome, call, refused, start, trained_run

from mtnas.errors import PoolError
from mtnas.latency import LATENCY
from mtnas.pools import Job, RayPool
from mtnas.pools.ray_home import RayHome, _processes
from mtnas.runs import read_results
from mtnas.runs.latencies import read_latencies
from mtnas.searching import SearchSettings, search
from mtnas.targets import MeasureSettings, TorchEager

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.long


def addresses_met(home: Path) -> set[str]:
    """Remote addresses of the sockets of this process and of those that work in a folder, but for the machine's own.

    Only theirs: other tests run at the same time, and a process group of torch asks for the names of addresses.
    """
    sockets, found = {inode for pid in [os.getpid(), *_processes(home)] for inode in _sockets(pid)}, set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[9] not in sockets:
                continue
            place = columns[2].split(":")[0]
            raw = b"".join(bytes.fromhex(place[i : i + 8])[::-1] for i in range(0, len(place), 8))
            address = ipaddress.ip_address(raw)
            mapped = getattr(address, "ipv4_mapped", None) or address
            if not (mapped.is_loopback or mapped.is_unspecified):
                found.add(str(mapped))
    return found


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds; none if it has ended."""
    found = set()
    with suppress(OSError):
        for place in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(place.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def own_addresses() -> set[str]:
    """Addresses of this machine."""
    found = {ray.util.get_node_ip_address()}
    for name in (socket.gethostname(), "localhost"):
        with suppress(OSError):
            found |= {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    return found


# A cluster of one's own ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What happened to a pool with a cluster of its own, from its start to its end."""
    told: dict[str, Any] = {"addresses": set(), "before": dict(os.environ)}
    over, home, own = threading.Event(), RayHome.enter().path, own_addresses()

    def look() -> None:
        while not over.is_set():
            told["addresses"] |= addresses_met(home) - own
            time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    array = np.arange(500_000.0)
    roles: dict[str, Any] = {"main": partial(make_work, 100), "other": partial(_about, array)}
    with RayPool(workers=2).open(roles) as workers:
        told["home"] = workers._cluster.home.path  # type: ignore[attr-defined]
        assert told["home"] == home
        jobs = [*(Job(i, "main", ("add", i)) for i in range(12)), Job(99, "other", None), Job(98, "main", ("raise", 5))]
        for job in jobs:
            workers.submit(job)
        told["found"] = all_of(workers, len(jobs))
        told["processes"] = _processes(told["home"])
    over.set()
    watcher.join()
    return told


def _about(array: np.ndarray[Any, Any]) -> Any:
    return lambda payload: (array.flags.writeable, float(array.sum()), os.environ.get("HOME"), os.nice(0))


def test_every_job_is_done_once(alone: dict[str, Any]) -> None:
    found = {one.job.number: one for one in alone["found"]}
    assert len(found) == 14 and all(found[number].value == number + 100 for number in range(12))
    assert "Fatal: no 5" in found[98].failure and found[98].value is None


def test_arrays_are_mapped_not_copied_and_workers_keep_their_home_and_rank(alone: dict[str, Any]) -> None:
    (value,) = (one.value for one in alone["found"] if one.job.role == "other")
    writeable, total, home, niceness = value
    assert not writeable and total == np.arange(500_000.0).sum()
    assert home == os.environ["HOME"]
    assert niceness == os.nice(0)  # beside other work on the machine they would starve otherwise


def test_nothing_is_asked_of_anybody_else(alone: dict[str, Any], tmp_path: Path) -> None:
    assert alone["addresses"] == set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))
        assert addresses_met(tmp_path) == {"192.0.2.1"}


def test_nothing_is_left_of_it(alone: dict[str, Any]) -> None:
    assert len(alone["processes"]) >= 3
    assert waited(lambda: not any(map(alive, alone["processes"])))
    assert not alone["home"].exists() and not ray.is_initialized()
    changed = {name for name in os.environ if os.environ[name] != alone["before"].get(name)}
    assert {name for name in changed if not name.startswith("RAY_")} <= {"PYTEST_CURRENT_TEST", "PYTHONBREAKPOINT"}


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from functools import partial
from pathlib import Path
from pool_works import make_work
from mtnas.pools import Job, RayPool

workers = RayPool(workers=2).open({{"main": partial(make_work, marks=Path({marks!r}))}})
for number in range(4):
    workers.submit(Job(number, "main", ("sleep", 600 + number)))
workers.wait()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_a_killed_process_leaves_is_swept_by_the_next(tmp_path: Path, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(path=[str(Path(__file__).parent)], marks=str(tmp_path))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert waited(lambda: len(list(tmp_path.iterdir())) == 2, 90)
        (home,) = (Path(tempfile.gettempdir()) / f"mtnas-ray-{os.getuid()}").glob(f"{owner.pid}-*")
        left = _processes(home)
        assert len(left) >= 3
    finally:
        owner.send_signal(how)
        owner.wait(timeout=60)
    mine = RayHome.enter()  # as the next pool does first
    assert waited(lambda: not any(map(alive, left)))
    assert not home.exists()
    mine.leave()
    assert not mine.path.exists()


# A cluster of two nodes ------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # Workers of this cluster must find the tests' modules.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # A lost node is known to be lost within seconds.
    monkeypatch.setenv("RAY_health_check_initial_delay_ms", "1000")
    monkeypatch.setenv("RAY_health_check_period_ms", "500")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield made
    made.shutdown()


def test_roles_go_where_their_resource_is_and_a_lost_node_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    """Latency on the node that has the device; main workers on both, until one node is gone."""
    device = cluster.add_node(num_cpus=0, resources={"device": 1})
    second = cluster.add_node(num_cpus=2)
    pool = RayPool(cluster.address, workers=4, resource="device", ahead=0)
    roles = {"main": partial(make_work, 100, marks=tmp_path), "other": _node}
    with pool.open(roles) as workers:
        workers.submit(Job(0, "other", None))
        for number in range(1, 5):
            workers.submit(Job(number, "main", ("wait", number)))

        def lose() -> None:
            waited(lambda: len(list(tmp_path.iterdir())) >= 4)
            cluster.remove_node(second, allow_graceful=False)
            waited(lambda: not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == second.node_id), 60)
            (tmp_path / "go").touch()

        thread = threading.Thread(target=lose)
        thread.start()
        found = all_of(workers, 5)
        thread.join()
        for number in range(5, 8):
            workers.submit(Job(number, "main", ("add", number)))
        after = all_of(workers, 3)
    values = {one.job.number: one.value for one in found}
    assert values.pop(0) == device.node_id
    assert values == {number: number for number in range(1, 5)}
    assert Counter(one.value for one in after) == Counter([105, 106, 107])
    begun = [len((tmp_path / f"{number}").read_text().split()) for number in range(1, 5)]
    assert sum(begun) > 4  # some were begun again


def _node() -> Any:
    return lambda payload: ray.get_runtime_context().get_node_id()


QUICK = MeasureSettings(rounds=4, block_ms=0.05, warmup_ms=0)


class _OnNode(TorchEager):
    """A target that tells on which node of the cluster it is."""

    def describe(self) -> dict[str, Any]:
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "none"
        return {**super().describe(), "hardware": node}


def test_a_search_measures_latency_on_the_device_s_node(cluster: Any, tmp_path: Path) -> None:
    """That it was there stands in the run, and the front is confirmed there, too."""
    device = cluster.add_node(num_cpus=0, resources={"device": 1})
    run = trained_run(tmp_path / "run")
    pool = RayPool(cluster.address, workers=2, resource="device")
    settings = SearchSettings(
        evaluations=12, objectives=("error/mean", LATENCY), target=_OnNode(), measuring=QUICK, confirming=QUICK
    )
    results = search(toy_space.space, toy_space.data(None), run, settings, pool=pool, show_progress=False)
    assert len(results.rows) == len({row.candidate for row in results.rows}) == 12
    assert all(row.costs[LATENCY] > 0 for row in results.rows)
    measured = read_latencies(run)
    assert {one.target["hardware"] for one in measured} == {device.node_id}
    assert {row.candidate for row in results.front()} <= {one.candidate for one in measured}
    assert run.manifest.read()["search"]["target"]["hardware"] == device.node_id


def test_faults_of_work_and_workers(cluster: Any, tmp_path: Path) -> None:
    pool = RayPool(cluster.address, workers=2, timeout_s=3)
    with pool.open({"main": partial(make_work, marks=tmp_path)}) as workers:
        jobs = [("die once", 70), ("die", 71), ("sleep", 600), ("raise", 72), *(("add", number) for number in range(6))]
        for number, payload in enumerate(jobs):
            workers.submit(Job(number, "main", payload))
        found = {one.job.number: one for one in all_of(workers, len(jobs))}
    assert found[0].value == 70 and not found[0].failure
    assert "its worker died 2 times" in found[1].failure
    assert found[2].failure == "not finished after 3 s (timeout_s)"
    assert "Fatal: no 72" in found[3].failure
    assert [found[number].value for number in range(4, 10)] == list(range(6))


def test_workers_that_cannot_be_made_or_placed_say_why(cluster: Any) -> None:
    with RayPool(cluster.address, workers=1).open({"main": cannot_make}) as workers:
        workers.submit(Job(0, "main", 1))
        with pytest.raises(PoolError, match="a worker could not get ready"):
            workers.wait()
    with RayPool(cluster.address, workers=1, gpus=1, start_s=3).open({"main": make_work}) as workers:
        workers.submit(Job(0, "main", ("add", 1)))
        with pytest.raises(PoolError, match=r"it wants 1 CPUs and 1 GPUs each, and the cluster has .*'CPU': 2"):
            workers.wait()


# Bad input -------------------------------------------------------------------------------------------------------


def test_an_address_without_a_cluster_is_told() -> None:
    with pytest.raises(PoolError, match="no Ray cluster at '127.0.0.1:1' .* or use the address local"):
        RayPool("127.0.0.1:1").open({"main": make_work})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"address": ""}, "address must be local, auto, host:port or ray://host:port"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"cpus": -1}, "cpus must be at least 0"),
        ({"gpus": -1}, "gpus must be at least 0"),
        ({"others": 0}, "others must be at least 1"),
        ({"timeout_s": 0}, "timeout_s must be above 0"),
    ],
)
def test_impossible_pools_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PoolError, match=sentence):
        RayPool(**settings)


def test_a_search_ends_when_the_head_of_its_cluster_is_gone_and_goes_on_with_another(
    cluster: Any, tmp_path: Path
) -> None:
    run = trained_run(tmp_path / "run")
    command = ["search", str(run.path), "--evaluations", "14"]
    owner = start(*command, "--ray-address", cluster.address, "--workers", "2", pause_s=0.3)
    try:
        assert waited(lambda: "study" in run.manifest.read() and len(read_results(run).rows) >= 2, 90)
        cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        _, told = owner.communicate(timeout=90)
    finally:
        owner.kill()
    before = read_results(run).rows
    # A line of progress may stand before it.
    sentence = next((line[line.index("error: ") :] for line in told.splitlines() if "error: " in line), told)
    if "The program will terminate" in told:  # Ray itself was faster, which cannot be caught
        assert owner.returncode
    else:
        refused(Outcome(owner.returncode, "", sentence), "the head of the Ray cluster", "the same command")
    assert 2 <= len(before) < 14
    assert call(*command).code == 0
    after = read_results(run).rows
    assert after[: len(before)] == before and len({row.id for row in after}) == 14
