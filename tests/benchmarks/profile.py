"""How long and how much memory a profile takes: `python -m tests.benchmarks.profile`.

100,000 samples of 1,000 float32 features are summed up on 256 quantiles, all fields of a profile. `x_floor` is the
time on one thread in units of `np.sum` over the same matrix, `speedup_2_threads` what a second thread gains, and
`peak_over_matrix` the largest memory of a process that does nothing else, beyond what it had before it made the matrix,
in units of the matrix. `ns_per_value` is the time for each value at 200, 1,000 and 5,000 features.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.profile import PREDICTION, Floats, Profile, baseline_edges, summarise

ROWS, FEATURES, ROUNDS = 100_000, 1000, 5
START = datetime(2013, 5, 1, tzinfo=UTC)
KEY = Window(start=START, end=START + timedelta(hours=1)), "m/1"


def main() -> None:
    """Measure, alternating, and print."""
    if sys.argv[1:] == ["memory"]:
        print(_peak())
        return
    matrix, edges = _samples(ROWS, FEATURES)
    floor, one, two = [], [], []
    with ThreadPoolExecutor(2) as pool:
        _profile(matrix[:100], edges, pool)  # compiled once, and kept on disk
        for _ in range(ROUNDS):
            floor.append(_seconds(lambda: np.sum(matrix)))
            one.append(_seconds(lambda: _profile(matrix, edges)))
            two.append(_seconds(lambda: _profile(matrix, edges, pool)))
            print(f"sum {floor[-1]:.3f} s, one thread {one[-1]:.3f} s, two threads {two[-1]:.3f} s")
    figures: dict[str, object] = {
        "x_floor": round(min(one) / min(floor), 1),
        "peak_over_matrix": round(float(_in_own_process()), 3),
        "speedup_2_threads": round(min(one) / min(two), 2),
        "ns_per_value": {str(features): _per_value(features) for features in (200, 1000, 5000)},
    }
    print(json.dumps(figures))


def _samples(rows: int, features: int) -> tuple[NDArray[np.float32], Floats]:
    matrix = np.random.default_rng(0).standard_normal((rows, features + 1), dtype=np.float32)
    return matrix, baseline_edges(matrix[:10_000].astype(np.float64))


def _profile(matrix: NDArray[np.float32], edges: Floats, pool: Executor | None = None) -> Profile:
    names = (*(f"f{place}" for place in range(matrix.shape[1] - 1)), PREDICTION)
    groups = np.zeros(len(matrix), dtype=np.int64)
    return summarise("m", [KEY], groups, names, matrix, edges, executor=pool)[0]


def _per_value(features: int) -> float:
    matrix, edges = _samples(20_000, features)
    return round(1e9 * min(_seconds(lambda: _profile(matrix, edges)) for _ in range(3)) / matrix.size, 2)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _in_own_process() -> str:
    command = [sys.executable, "-m", "tests.benchmarks.profile", "memory"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _peak() -> float:
    few, edges = _samples(10_000, FEATURES)
    _profile(few[:1000], edges)
    del few
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    matrix = np.ones((ROWS, FEATURES + 1), dtype=np.float32)
    told = Path("/proc/self/statm").read_text()  # what is there already may have been more before
    now = int(told.split()[1]) * resource.getpagesize() / 1024
    _profile(matrix, edges)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1 + max(after - max(now, before), 0) * 1024 / matrix.nbytes


if __name__ == "__main__":
    main()
