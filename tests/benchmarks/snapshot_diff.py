"""Two large snapshots compared: `python -m tests.benchmarks.snapshot_diff [--gb 2] [--rounds 5]`.

Writes two artifacts of so many GB to a temporary folder (tables of 64 columns, and dense layers), and compares them as
the shipped tool does, through the shipped reader, from the files on. They are in the disk's cache. In turns with that,
both files are opened and their tensors summed once with torch. Needs twice the space on disk.

Prints a line per round and one JSON line last: `x_read` is the median time of the comparison over that of the sums, and
`extra_mb` what the process held more than before, at its peak, of memory that is not the mapped files.
"""

import argparse
import json
import shutil
import struct
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import torch

from knowledge.artifacts import Artifacts
from knowledge.compared_weights import ComparedWeights
from tests.tools.ports import InMemoryModels
from tools.records import Snapshot
from tools.stats.weight_change import VERSION, as_text

WIDTH, TABLE_ROWS, DENSE = 64, 1 << 20, 1024
BLOCK = 1 << 20
DENSE_LAYERS = 8
MB = 1 << 20


def main(size_gb: float, rounds: int) -> None:
    """Print one JSON line."""
    folder = Path(tempfile.mkdtemp(prefix="hawkeye-snapshot-diff-"))
    try:
        needed = int(2.1 * size_gb * 2**30)
        if shutil.disk_usage(folder).free < needed:
            raise SystemExit(f"{folder} has not the {needed / 2**30:.1f} GB that this needs; set TMPDIR, or use --gb")
        line = _write(folder, size_gb)
        _measure(folder, line, rounds)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, line: list[Snapshot], rounds: int) -> None:
    artifacts = Artifacts([folder], InMemoryModels(all_snapshots=line))
    small, _ = (ComparedWeights(artifacts, folder / "warm"), torch.zeros(1))
    small.compared("small/0", "small/1", as_text, VERSION)
    ratios, extra = [], 0.0
    for number in range(rounds):
        weights = ComparedWeights(artifacts, folder / f"compared-{number}")
        read_s = _seconds(partial(_sum_both, weights))
        with _peak_mb() as peak:
            compared_s = _seconds(partial(weights.compared, "large/0", "large/1", as_text, VERSION))
        ratios.append(compared_s / read_s)
        extra = max(extra, peak[0])
        print(f"round {number + 1}: summed in {read_s:.2f} s, compared in {compared_s:.2f} s, {peak[0]:.0f} MB more")
    size_gb = sum(array.nbytes for array in (weights.weights("large/0") or {}).values()) / 2**30
    summary = {"x_read": round(float(np.median(ratios)), 2), "extra_mb": round(extra, 1), "gb": round(size_gb, 2)}
    print(json.dumps({**summary, "rounds": rounds}))


def _sum_both(weights: ComparedWeights) -> float:
    total = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of read-only arrays
        for snapshot in ("large/0", "large/1"):
            for array in (weights.weights(snapshot) or {}).values():
                total += float(torch.from_numpy(array).sum())
    return total


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def _peak_mb() -> Iterator[list[float]]:
    """How many MB of anonymous memory the process held more than at the start, at its peak; looked at every 2 ms."""
    before, peak, done = _anonymous_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], _anonymous_mb() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _anonymous_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def _write(folder: Path, size_gb: float) -> list[Snapshot]:
    """A small pair and a large one as safetensors; a third of the rows of a table and all of a dense layer move."""
    elements = size_gb * 2**30 / 4 - DENSE_LAYERS * DENSE**2
    tables = max(1, round(elements / (TABLE_ROWS * WIDTH)))
    large = {f"table.{place}": (TABLE_ROWS, WIDTH) for place in range(tables)}
    large |= {f"dense.{place}": (DENSE, DENSE) for place in range(DENSE_LAYERS)}
    at = datetime(2013, 5, 4, tzinfo=UTC)
    line = []
    for kind, shapes in (("small", {"dense.0": (DENSE, DENSE)}), ("large", large)):
        for day in (0, 1):
            _write_one(folder / f"{kind}-{day}.safetensors", shapes, day)
            line.append(
                Snapshot(
                    snapshot=f"{kind}/{day}",
                    model=kind,
                    published_at=at + timedelta(days=day),
                    artifact=f"{kind}-{day}.safetensors",
                )
            )
    return line


def _write_one(path: Path, shapes: dict[str, tuple[int, int]], day: int) -> None:
    header, place = {}, 0
    for name, (rows, columns) in shapes.items():
        size = 4 * rows * columns
        header[name] = {"dtype": "F32", "shape": [rows, columns], "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    rng = np.random.default_rng(0)
    base, step = (scale * rng.standard_normal(BLOCK, dtype=np.float32) for scale in (0.05, 0.005))
    touched = np.repeat(rng.random(BLOCK // WIDTH) < 1 / 3, WIDTH)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, (rows, columns) in shapes.items():
            moved = base + day * step * (touched if name.startswith("table") else 1)
            for block in range(rows * columns // BLOCK):
                file.write(np.roll(moved, block).tobytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    main(given.gb, given.rounds)
