"""What others take for the same samples: `python -m tests.benchmarks.peers`.

NannyML (drift of every feature) and Evidently (summary and drift), each in an environment of its own, and a sort-based
PSI, beside a profile with all its fields; one thread each. Others are so slow that the matrix is small, 20,000 × 50
float32, beside a reference of 10,000 rows, and lies in the processor's cache, where `np.sum` is fast: figures are
larger than those of `tests.benchmarks.profile`. What is learnt of the reference is not counted, but by Evidently, which
learns it in each report.

Prints one JSON line last: `x_ours`, `x_sort_psi`, `x_nannyml` and `x_evidently` are times in units of `np.sum` over
the matrix, `nannyml_over_ours` and `evidently_over_ours` in units of the profile's. One that cannot be installed or run
is null, with the reason in `not_measured`.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.environments import NotInstalled, environment, without_ours
from tools.records import Window
from tools.stats.profile import PREDICTION, Floats, baseline_edges, summarise

ROWS, REFERENCE, FEATURES, ROUNDS = 20_000, 10_000, 50, 20
PEERS = {"nannyml": ("nannyml==0.13.1", "statsmodels"), "evidently": ("evidently==0.7.23",)}
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
HOUR = Window(start=datetime(2013, 5, 1, tzinfo=UTC), end=datetime(2013, 5, 1, tzinfo=UTC) + timedelta(hours=1))
RUN_S = 600


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((REFERENCE, FEATURES), dtype=np.float32)
    matrix = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    edges = baseline_edges(reference.astype(np.float64))
    expected = _sorted_counts(reference, edges)
    floor = _seconds(lambda: np.sum(matrix))
    ours = _seconds(lambda: _profile(matrix, edges))
    sort = _seconds(lambda: _psi(_sorted_counts(matrix, edges), expected))
    figures: dict[str, object] = {"x_ours": round(ours / floor, 1), "x_sort_psi": round(sort / floor, 1)}
    reasons = {}
    with tempfile.TemporaryDirectory(prefix="hawkeye-peers-") as folder:
        samples = Path(folder) / "samples.npz"
        np.savez(samples, reference=reference, current=matrix)
        for name in PEERS:
            try:
                took = _peer(name, samples)
            except NotInstalled as why:
                figures |= {f"x_{name}": None, f"{name}_over_ours": None}
                reasons[name] = str(why)
                continue
            print(f"{name}: {took:.3f} s; a profile: {ours:.4f} s; np.sum: {floor:.6f} s")
            figures |= {f"x_{name}": round(took / floor), f"{name}_over_ours": round(took / ours)}
    print(json.dumps({**figures, "rows": ROWS, "features": FEATURES, "not_measured": reasons}))


def _peer(name: str, samples: Path) -> float:
    """The seconds that a peer says it took. Raises `NotInstalled` where it cannot be installed or run."""
    here = Path(__file__)
    commands = environment(here.with_name(f"{name}.txt"), *PEERS[name])
    command = [str(commands / "python"), "-W", "ignore", str(here.with_name(f"run_{name}.py")), str(samples)]
    variables = without_ours(os.environ) | ONE_THREAD | {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S, env=variables)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{name} takes more than {RUN_S} seconds") from None
    if done.returncode:
        raise NotInstalled(f"{name} does not run: {done.stderr.strip()[-400:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _profile(matrix: NDArray[np.float32], edges: Floats) -> None:
    names = (*(f"f{place}" for place in range(FEATURES - 1)), PREDICTION)
    summarise("m", [(HOUR, "m/1")], np.zeros(len(matrix), dtype=np.int64), names, matrix, edges)


def _sorted_counts(matrix: NDArray[np.float32], edges: Floats) -> Floats:
    """The counts of each feature's bins, float64[F, B], from its sorted values."""
    columns = zip(np.sort(matrix.T, axis=1), edges, strict=True)
    inner = np.stack([np.searchsorted(column, own.astype(np.float32), side="right") for column, own in columns])
    return np.diff(inner, axis=1, prepend=0, append=len(matrix)).astype(np.float64)


def _psi(counts: Floats, expected: Floats) -> Floats:
    """The population stability index of each feature, half a sample in every bin."""
    now, then = ((c + 0.5) / (c + 0.5).sum(axis=1, keepdims=True) for c in (counts, expected))
    found: Floats = ((now - then) * np.log(now / then)).sum(axis=1)
    return found


def _seconds(work: Callable[[], object]) -> float:
    work()
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


if __name__ == "__main__":
    main()
