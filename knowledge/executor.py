"""Where heavy work runs: on a pool of threads here, or on a Dask cluster where the settings name one.

What runs on it must be a function at the top of a module, and what goes in and comes out must be picklable; it must
give the same bits wherever it runs.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class NoCluster(Exception):
    """The cluster cannot be used; the message says why and what to do."""


@contextmanager
def executor(cluster: str | None = None, timeout_s: float = 10.0) -> Iterator[Executor]:
    """An executor for the time of the block: as many threads as there are processors, or the Dask cluster whose
    scheduler is at the address `cluster` (tcp://host:port).

    Raises `NoCluster` where Dask is not installed or nobody answers there within the time.
    """
    if cluster is None:
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="hawkeye-heavy") as pool:
            yield pool
        return
    try:
        import distributed
    except ImportError:
        raise NoCluster("a cluster needs Dask: pip install 'hawkeye[cluster]', or take `cluster` out") from None
    connect: Any = distributed.Client
    try:
        client: Any = connect(cluster, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NoCluster(f"no scheduler answers at {cluster}: {error}. Start it, or take `cluster` out") from None
    with client:
        yield client.get_executor(pure=False, retries=1)
