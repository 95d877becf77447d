"""The sampler inside a serving process: which requests it keeps, what it counts, and what it never does."""

import copy
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from knowledge.telemetry.rows import NeverTaken, Rows
from knowledge.telemetry.sampler import Sampler
from knowledge.telemetry.sinks import HttpApi, ParquetFolder, as_table

NAMES = ("a", "b", "c")


class Kept:
    """Keeps what it is sent. `failures` is how often it fails first; `gate` holds it up while it is not set."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.batches: list[Rows] = []
        self.refused: dict[str, int] = {}
        self.failures, self.error = failures, error or OSError("the disk is full")
        self.gate = threading.Event()
        self.gate.set()

    def send(self, rows: Rows) -> dict[str, int]:
        self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise self.error
        self.batches.append(copy.deepcopy(rows))  # they are views of a buffer that is used again
        return self.refused

    @property
    def ids(self) -> list[str]:
        return [request_id for batch in self.batches for request_id in batch.request_id]


def recorded(sampler: Sampler, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        sampler.record(f"r{number}", "m/1", np.array([number, 1.0, np.nan]), 0.25, ts=1_000.0 + number)


def test_what_is_recorded_arrives_once_and_whole() -> None:
    sink = Kept()
    sampler = Sampler("m", NAMES, sink, share=1.0, rows=4)
    recorded(sampler, 10)
    counts = sampler.close()
    assert (counts.sent, counts.waiting, counts.dropped, counts.refused) == (10, 0, 0, {})
    assert sorted(sink.ids) == sorted(f"r{n}" for n in range(10))
    row = next(b for b in sink.batches if "r7" in b.request_id)
    place = row.request_id.index("r7")
    assert row.features[place].tolist()[:2] == [7.0, 1.0]
    assert np.isnan(row.features[place, 2])
    assert (row.ts[place], row.prediction[place], row.snapshot[place]) == (1007.0, 0.25, "m/1")


@pytest.mark.parametrize("kind", ["f4", ">f4", "f8", "i8", "u1", "?"])
@pytest.mark.parametrize("stride", [1, -3])
def test_numbers_of_every_type_and_stride_arrive_as_they_are(kind: str, stride: int) -> None:
    wide, sink = np.arange(3 * 1201).astype(kind)[::stride], Kept()
    sampler = Sampler("m", [f"f{place}" for place in range(len(wide))], sink, share=1.0, rows=2)
    for number in range(3):
        sampler.record(f"r{number}", "m/1", wide, 0.25)
    assert sampler.close().sent == 3
    for batch in sink.batches:
        np.testing.assert_array_equal(batch.features, np.tile(wide.astype(np.float32), (len(batch), 1)))


def test_the_same_requests_are_kept_by_every_model_and_process() -> None:
    kept = []
    for model in ("m", "other"):
        sink = Kept()
        sampler = Sampler(model, NAMES, sink, share=0.2)
        recorded(sampler, 1000)
        sampler.close()
        kept.append(sorted(sink.ids))
    assert kept[0] == kept[1]
    assert 150 < len(kept[0]) < 250  # Binomial(1000, 0.2): four deviations are 51


def test_a_smaller_share_keeps_a_part_of_what_a_larger_one_keeps() -> None:
    ids = []
    for share in (0.1, 0.4):
        sink = Kept()
        sampler = Sampler("m", NAMES, sink, share=share)
        recorded(sampler, 500)
        sampler.close()
        ids.append(set(sink.ids))
    assert ids[0] < ids[1]


def test_without_room_rows_are_dropped_and_counted_and_nobody_waits() -> None:
    sink = Kept()
    sink.gate.clear()
    sampler = Sampler("m", NAMES, sink, share=1.0, rows=4, buffers=2, every_s=60)
    recorded(sampler, 50)
    counts = sampler.counts()
    assert counts.sent == 0
    assert counts.waiting + counts.dropped == 50
    assert counts.waiting <= 2 * 4
    sink.gate.set()
    counts = sampler.close()
    assert counts.sent + counts.dropped == 50
    assert len(sink.ids) == counts.sent


def test_what_a_sink_did_not_take_is_sent_again_and_not_twice() -> None:
    sink = Kept(failures=1)
    sampler = Sampler("m", NAMES, sink, share=1.0, rows=4, every_s=0.05)
    recorded(sampler, 3)
    deadline = time.monotonic() + 10
    while sampler.counts().sent < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sampler.close().sent == 3
    assert sorted(sink.ids) == ["r0", "r1", "r2"]


def test_what_a_sink_refuses_for_good_makes_room_for_later_rows() -> None:
    sink = Kept(failures=1, error=NeverTaken("unknown model"))
    sampler = Sampler("m", NAMES, sink, share=1.0, rows=2, every_s=60)
    recorded(sampler, 2)
    deadline = time.monotonic() + 10
    while not sampler.counts().refused and time.monotonic() < deadline:
        time.sleep(0.01)
    recorded(sampler, 2, first=2)
    counts = sampler.close()
    assert counts.refused == {"unknown model": 2}
    assert sorted(sink.ids) == ["r2", "r3"]


@pytest.mark.parametrize(
    ("features", "prediction", "reason"),
    [
        (np.zeros(2), 0.5, "shape (2,)"),
        (np.zeros((1, 3)), 0.5, "shape (1, 3)"),
        (0.0, 0.5, "shape ()"),
        (["x", "y", "z"], 0.5, "type <U1"),
        (np.zeros(3), "high", "could not convert"),
        (np.zeros(3), None, "TypeError"),
        ([1.0, [2.0], 3.0], 0.5, "ValueError"),
    ],
)
def test_what_is_no_row_is_refused_with_the_reason_and_the_caller_goes_on(
    features: object, prediction: object, reason: str
) -> None:
    sink = Kept()
    sampler = Sampler("m", NAMES, sink, share=1.0)
    sampler.record("r1", "m/1", features, prediction)  # type: ignore[arg-type]
    recorded(sampler, 1)
    counts = sampler.close()
    assert counts.sent == 1
    (said,) = counts.refused
    assert reason in said


def test_a_wrong_number_of_segments_is_refused() -> None:
    sampler = Sampler("m", NAMES, Kept(), share=1.0, segments=("origin",))
    sampler.record("r1", "m/1", np.zeros(3), 0.5)
    assert sampler.close().refused == {"0 segment values, where 1 were announced": 1}


def test_many_threads_lose_nothing_uncounted() -> None:
    sink = Kept()
    sampler = Sampler("m", NAMES, sink, share=1.0, rows=64, buffers=8)
    threads = [threading.Thread(target=recorded, args=(sampler, 500, 500 * n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = sampler.close()
    assert counts.sent + counts.dropped == 2000
    assert len(set(sink.ids)) == len(sink.ids) == counts.sent
    for batch in sink.batches:
        assert [f"r{int(value)}" for value in batch.features[:, 0]] == batch.request_id  # no row is a mixture of two


def test_a_forked_worker_starts_empty_and_sends_its_own(tmp_path: Path) -> None:
    sampler = Sampler("m", NAMES, ParquetFolder(tmp_path), share=1.0, every_s=60)
    recorded(sampler, 3)
    child = os.fork()
    if child == 0:  # the child must not return into the test runner
        recorded(sampler, 2, first=100)
        os._exit(0 if sampler.close().sent == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sampler.close().sent == 3
    found = sorted(i for path in tmp_path.glob("*.parquet") for i in pq.read_table(path)["request_id"].to_pylist())
    assert found == ["r0", "r1", "r100", "r101", "r2"]


def test_bad_settings_are_refused_at_the_start() -> None:
    for wrong in ({"share": 0.0}, {"share": 1.5}, {"rows": 0}, {"buffers": 1}, {"every_s": 0.0}):
        with pytest.raises(ValueError, match="share lies in"):
            Sampler("m", NAMES, Kept(), **wrong)
    with pytest.raises(ValueError, match="each once"):
        Sampler("m", ("a", "a"), Kept())
    with pytest.raises(ValueError, match="begins with http"):
        HttpApi("ftp://somewhere")


def test_the_table_is_what_the_assistant_takes() -> None:
    sink = Kept()
    sampler = Sampler("m", NAMES, sink, share=1.0, segments=("origin",))
    sampler.record("r1", "m/1", [1, 2, 3], 0.5, ("EWR",), ts=1.5)
    sampler.close()
    table = as_table(sink.batches[0])
    assert table.column_names == [
        "ts",
        "request_id",
        "model",
        "snapshot",
        "seg.origin",
        "f.a",
        "f.b",
        "f.c",
        "prediction",
    ]
    assert table["ts"][0].as_py().timestamp() == 1.5
    assert table["seg.origin"].to_pylist() == ["EWR"]


def test_the_sampler_loads_numpy_and_nothing_of_ours_but_itself() -> None:
    code = (
        "import sys, knowledge.telemetry.sampler; "
        "heavy = {'torch', 'pyarrow', 'scipy', 'pydantic', 'sqlite_utils', 'litestar', 'pandas'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
