"""What sampling costs a serving process: `python -m tests.benchmarks.sampler`.

A vector of 1,000 floats is recorded, with all and with 1% kept, while the sink writes Parquet and drops none.
Prints one JSON line last: `us_per_prediction` with every one kept (the worst case), `us_float64` the same where the
vector is float64, `us_at_1_percent`, and `x_copy`, the worst case in units of one copy of the vector by numpy in the
same run.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from knowledge.telemetry.sampler import Counts, Sampler
from knowledge.telemetry.sinks import ParquetFolder

WIDTH, CALLS, ROUNDS = 1000, 20_000, 5


def main() -> None:
    """Measure, alternating, and print."""
    row, target = np.random.default_rng(0).random(WIDTH).astype(np.float32), np.empty(WIDTH, dtype=np.float32)
    ids = [f"request-{number}" for number in range(CALLS)]
    wide = row.astype(np.float64)
    all_of_them, all_wide, some, copies = [], [], [], []
    for _ in range(ROUNDS):
        copies.append(_per_call(lambda _: np.copyto(target, row), ids))
        seconds, counts = _sampled(1.0, row, ids)
        all_of_them.append(seconds)
        all_wide.append(_sampled(1.0, wide, ids)[0])
        some.append(_sampled(0.01, row, ids)[0])
        print(f"every one: {1e6 * seconds:.2f} µs, {counts.sent} sent, {counts.dropped} dropped")
    worst = float(np.median(all_of_them))
    figures = {
        "us_per_prediction": round(1e6 * worst, 2),
        "us_float64": round(1e6 * float(np.median(all_wide)), 2),
        "us_at_1_percent": round(1e6 * float(np.median(some)), 2),
        "x_copy": round(worst / float(np.median(copies)), 1),
    }
    print(json.dumps(figures))


def _sampled(share: float, row: np.ndarray, ids: list[str]) -> tuple[float, Counts]:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"f{place}" for place in range(WIDTH)]
        sampler = Sampler("m", names, ParquetFolder(Path(folder)), share=share, rows=2048, buffers=12)
        seconds = _per_call(lambda request_id: sampler.record(request_id, "m/1", row, 0.5), ids)
        return seconds, sampler.close(60)


def _per_call(call: Callable[[str], object], ids: list[str]) -> float:
    start = time.perf_counter()
    for request_id in ids:
        call(request_id)
    return (time.perf_counter() - start) / len(ids)


if __name__ == "__main__":
    main()
