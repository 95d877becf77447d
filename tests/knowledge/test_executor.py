"""Heavy work on a real Dask cluster and here: the same bits."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from knowledge.executor import NoCluster, executor
from tests.tools.stats.test_profile import same
from tools.records import Window
from tools.stats.profile import PREDICTION, baseline_edges, summarise

START = datetime(2013, 5, 1, tzinfo=UTC)
_CLUSTER = """
import os, sys
from distributed import LocalCluster
if __name__ == "__main__":
    options = {"n_workers": 2, "threads_per_worker": 1, "scheduler_port": 0, "dashboard_address": None}
    with LocalCluster(host="127.0.0.1", **options) as cluster:
        print(cluster.scheduler_address, len(cluster.workers), flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler with two worker processes, in a process of its own."""
    code = tmp_path / "cluster.py"
    code.write_text(_CLUSTER)
    with ExitStack() as stack:
        command = [sys.executable, "-W", "ignore", str(code)]
        server = stack.enter_context(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
        stack.callback(server.kill)
        assert server.stdout is not None
        address, workers = server.stdout.readline().split()
        assert workers == "2"
        yield address
        assert server.stdin is not None
        server.stdin.close()
        server.wait(30)


def test_a_cluster_of_two_workers_gives_the_same_bits_as_this_process(cluster: str) -> None:
    rng = np.random.default_rng(0)
    features = (*(f"f{i}" for i in range(300)), PREDICTION)
    columns = rng.standard_cauchy((2000, len(features))).astype(np.float32)
    columns[rng.random(columns.shape) < 0.02] = np.nan
    groups = rng.integers(0, 2, len(columns))
    keys = [(Window(start=START, end=START + timedelta(hours=1)), snapshot) for snapshot in ("x", "y")]
    edges = baseline_edges(columns[:700].astype(np.float64))
    found = []
    for address in (None, cluster):
        with executor(address, 30) as heavy:
            found.append(summarise("m", keys, groups, features, columns, edges, executor=heavy))
    found.append(summarise("m", keys, groups, features, columns, edges))
    assert all(same(here, there) for other in found[1:] for here, there in zip(found[0], other, strict=True))


def test_a_cluster_that_is_not_there_is_said_so() -> None:
    with (
        pytest.raises(NoCluster, match="no scheduler answers at tcp://127.0.0.1:1"),
        executor("tcp://127.0.0.1:1", 0.5),
    ):
        pass
