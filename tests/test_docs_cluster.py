"""What the page on clusters shows runs as it is shown, on a cluster of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shown_runs import fill, run_page

pytest.importorskip("ray")

pytestmark = pytest.mark.long


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster with a node that has the resource `phone`; this process is connected to it, and so are its commands."""
    from ray.cluster_utils import Cluster

    from mtnas.pools.ray_cluster import RayCluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {"num_cpus": 4, "resources": {"phone": 1}, "include_dashboard": False}
    made: Any = Cluster(initialize_head=True, head_node_args=head)
    connection = RayCluster(made.address, 4)
    yield
    connection.close()
    made.shutdown()


def test_what_is_shown_runs(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MTNAS_DATA", "MTNAS_STORAGE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    fill(tmp_path, with_run=False)
    run_page("docs/cluster.md", tmp_path)
