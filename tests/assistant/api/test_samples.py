"""Prediction samples over HTTP: taken, refused by row or whole, and on disk when they are acknowledged."""

import io
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assistant.wire import RefusedRows, SamplesTaken
from knowledge.ingest.samples import ARROW_FILE, ARROW_STREAM, PARQUET, UnreadableSamples, read_samples
from knowledge.telemetry.batches import MalformedSamples
from knowledge.telemetry.sampler import Sampler
from knowledge.telemetry.sinks import HttpApi
from knowledge.workspace import Workspace
from tests.assistant.api.client import Api, problem
from tests.assistant.cli.command import COMMAND, environment
from tools.records import Window

AT = datetime(2013, 5, 4, 10, 0, tzinfo=UTC)
WINDOW = Window(start=AT, end=AT + timedelta(hours=1))
KEY = "a-key-of-the-platform"
KEYED = {"authorization": f"Bearer {KEY}"}


def table(rows: int = 20, /, **columns: Any) -> pa.Table:
    told = {
        "ts": pa.array([AT + timedelta(seconds=n) for n in range(rows)], pa.timestamp("us", tz="UTC")),
        "request_id": [f"r{n}" for n in range(rows)],
        "model": ["dcn"] * rows,
        "snapshot": ["dcn/1"] * rows,
        "f.price": np.linspace(0, 1, rows),
        "prediction": np.full(rows, 0.5),
    }
    return pa.table(told | columns)


def parquet(samples: pa.Table) -> bytes:
    body = io.BytesIO()
    pq.write_table(samples, body)
    return body.getvalue()


def arrow(samples: pa.Table, kind: str) -> bytes:
    body = io.BytesIO()
    make = pa.ipc.new_file if kind == ARROW_FILE else pa.ipc.new_stream
    with make(body, samples.schema) as writer:
        writer.write_table(samples)
    return body.getvalue()


async def send(api: Api, body: bytes, kind: str = PARQUET) -> httpx.Response:
    await api.http.post("/snapshots", json={"snapshot": "dcn/1", "model": "dcn", "published_at": AT.isoformat()})
    return await api.http.post("/samples", content=body, headers={"content-type": kind})


async def taken(api: Api, samples: pa.Table) -> SamplesTaken:
    response = await send(api, parquet(samples))
    assert response.status_code == 200, response.text
    return SamplesTaken.model_validate_json(response.content)


async def test_a_batch_is_taken_in_any_of_its_forms_and_counted_once(api: Api, tmp_path: Path) -> None:
    for body, kind in (
        (parquet(table()), PARQUET),
        (arrow(table(), ARROW_FILE), ARROW_FILE),
        (arrow(table(), ARROW_STREAM), ARROW_STREAM),
    ):
        response = await send(api, body, kind)
        assert SamplesTaken.model_validate_json(response.content) == SamplesTaken(taken=20, refused=())


async def test_rows_are_refused_one_by_one_with_the_reason_and_the_rest_is_taken(api: Api) -> None:
    far = datetime.now(UTC) + timedelta(days=3)
    at = [AT] * 6
    at[3], at[4] = far, datetime(1912, 4, 15, tzinfo=UTC)
    samples = table(
        6,
        ts=pa.array(at, pa.timestamp("us", tz="UTC")),
        model=["dcn", "nobody", "dcn", "dcn", "dcn", None],
        snapshot=["dcn/1", "dcn/1", "dcn/77", "dcn/1", "dcn/1", "dcn/1"],
    )
    said = await taken(api, samples)
    assert said.taken == 1
    reasons = {row.first: row.reason for row in said.refused}
    assert "model 'nobody' is not known" in reasons[(1,)]
    assert "a snapshot of 'dcn' that is not known" in reasons[(2,)]
    assert "more than a day after now" in reasons[(3,)]
    assert "before 1970" in reasons[(4,)]
    assert reasons[(5,)] == "no model"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (parquet(table())[:-40], PARQUET, "no whole"),
        (arrow(table(), ARROW_STREAM)[:300], ARROW_STREAM, "no whole"),
        (b"", PARQUET, "no whole"),
        (b"not a file", ARROW_FILE, "no whole"),
        (parquet(table()), "application/json", "samples come as one of"),
        (parquet(table(snapshot=list(range(20)))), PARQUET, "must be text"),
        (parquet(table().drop_columns(["prediction"])), PARQUET, "the column prediction is missing"),
        (parquet(table(**{"f.price": ["cheap"] * 20})), PARQUET, "f.price must be a number"),
        (parquet(table(ts=[1.0] * 20)), PARQUET, "ts must be a timestamp"),
    ],
)
async def test_what_is_no_batch_is_refused_whole_with_the_reason(api: Api, body: bytes, kind: str, reason: str) -> None:
    assert reason in problem(await send(api, body, kind), 422).detail


def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.ingest.samples.LARGEST", 1000)
    for body, kind in ((parquet(table(500)), PARQUET), (arrow(table(500), ARROW_STREAM), ARROW_STREAM)):
        with pytest.raises(UnreadableSamples, match="send smaller batches"):
            read_samples(body, kind)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace.open(tmp_path)
    opened.receiver.receive_snapshot({"snapshot": "dcn/1", "model": "dcn", "published_at": AT.isoformat()})
    yield opened
    opened.close()


def test_only_the_rows_with_a_text_or_a_strange_feature_are_refused(workspace: Workspace) -> None:
    features = [{"feature": name, "kind": "dense"} for name in ("price", "seats")]
    workspace.receiver.receive_features({"model": "dcn", "features": features})
    samples = table(
        4,
        **{
            "f.price": pa.array(["cheap", None, None, None]),
            "f.route": pa.array([None, 7, None, None], pa.int64()),
            "f.seats": pa.array([1, 2, 2**60, 3], pa.int64()),
        },
    )
    count, refused = workspace.receiver.receive_sample_file(parquet(samples), PARQUET)
    assert count == 1
    reasons = {row.first: row.reason for row in refused}
    assert reasons[(0,)] == "f.price must be a number, and is string"
    assert "not announced: f.route besides 2" in reasons[(1,)]
    assert "f.seats holds an id beyond 2^53" in reasons[(2,)]


def test_labels_join_by_request_whenever_they_come(workspace: Workspace) -> None:
    late = pa.table({"model": ["dcn"] * 3, "request_id": ["r3", "r19", "r40"], "label": [1, 0, 1]})
    workspace.receiver.receive_sample_file(parquet(table().slice(0, 10)), PARQUET)
    assert workspace.receiver.receive_label_file(arrow(late, ARROW_FILE), ARROW_FILE) == (3, ())
    workspace.receiver.receive_sample_file(parquet(table(20)), PARQUET)  # ten of them come after their label
    labels = workspace.ports.samples.recent("dcn", WINDOW.end, 100).label
    assert {int(i): labels[i] for i in np.flatnonzero(np.isfinite(labels))} == {3: 1.0, 19: 0.0}
    workspace.receiver.receive_sample_file(parquet(table(20, label=np.arange(20.0))), PARQUET)  # again, with theirs
    labels = workspace.ports.samples.recent("dcn", WINDOW.end, 100).label
    np.testing.assert_array_equal(labels, np.arange(20.0))


def test_a_text_that_every_row_repeats_is_never_spelt_out(workspace: Workspace) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 100_000]))
    body = parquet(table(50_000, request_id=long))
    with pytest.raises(MalformedSamples, match="more than 200 characters"):
        workspace.receiver.receive_sample_file(body, PARQUET)


async def test_labels_are_taken_over_http(api: Api) -> None:
    await send(api, parquet(table()))
    late = pa.table({"model": ["dcn", "dcn"], "request_id": ["r1", None], "label": [1.0, 1.0]})
    answer = await api.http.post("/labels", content=parquet(late), headers={"content-type": PARQUET})
    refused = RefusedRows(reason="no request_id", rows=1, first=(1,))
    assert SamplesTaken.model_validate_json(answer.content) == SamplesTaken(taken=1, refused=(refused,))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"request_id": ["r1"], "label": [1.0]}, "missing: model"),
        ({"request_id": ["r1"], "model": ["dcn"], "label": ["yes"]}, "label must be numbers"),
        ({"request_id": ["r1"], "model": ["nobody"], "label": [1.0]}, "'nobody' is not known"),
        ({"request_id": ["r1"], "model": ["dcn"], "label": [np.nan]}, "not a finite number"),
    ],
)
async def test_labels_that_cannot_be_joined_are_refused(api: Api, columns: dict[str, Any], reason: str) -> None:
    await send(api, parquet(table()))
    answer = await api.http.post("/labels", content=parquet(pa.table(columns)), headers={"content-type": PARQUET})
    assert reason in problem(answer, 422).detail


def test_what_was_acknowledged_outlives_a_kill_and_a_repeated_batch_counts_once(tmp_path: Path) -> None:
    """Batches from the real sampler and from a client, to a real server that is killed behind the last answer, and
    then in the middle of a stream of them."""
    with _server(tmp_path) as (address, _):
        _exchange(address, 0)
    with _server(tmp_path) as (address, pid):
        _exchange(address, 1)
        acknowledged = _stream_until_killed(address, pid)
    workspace = Workspace.open(tmp_path / "data")
    try:
        profiles = workspace.ports.profiles.profiles("dcn", WINDOW)
        recent = workspace.ports.samples.recent("dcn", WINDOW.end, 10_000)
        prices = set(recent.features["price"].tolist())
        assert set(acknowledged) <= prices
        assert len(recent) == 20 + 2 * 5 + 20 * len([p for p in prices if p > 1])
        # What is folded is kept as a row; a batch that nobody was told of may be kept and not yet be folded.
        assert 0 <= len(recent) - sum(profile.rows for profile in profiles) <= 20
        assert sum(profile.rows for profile in profiles) >= 20 + 2 * 5 + 20 * len(acknowledged)
    finally:
        workspace.close()


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, int]]:
    """The address and process of a server that is killed at the end."""
    variables = os.environ | environment(folder) | {"PYTHONUNBUFFERED": "1", "HAWKEYE_API_KEYS": KEY}
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True, env=variables
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+:\d+", server.stdout.readline())
            assert found is not None
            yield found[0], server.pid
        finally:
            server.send_signal(signal.SIGKILL)


def _exchange(address: str, life: int) -> None:
    with httpx.Client(base_url=address + "/api/v1", headers=KEYED, timeout=30) as http:
        http.post("/snapshots", json={"snapshot": "dcn/1", "model": "dcn", "published_at": AT.isoformat()})
        sampler = Sampler("dcn", ["price"], HttpApi(address, key=KEY), share=1.0)
        for n in range(5):
            sampler.record(f"s{life}-{n}", "dcn/1", np.array([0.5]), 0.5, ts=AT.timestamp() + n)
        assert sampler.close().sent == 5
        answer = http.post("/samples", content=parquet(table()), headers={"content-type": PARQUET})
        assert answer.json()["taken"] == 20


def _stream_until_killed(address: str, pid: int) -> list[float]:
    """Batches of 20 samples, each of a price of its own; the prices of those that were acknowledged."""
    acknowledged: list[float] = []
    with httpx.Client(base_url=address + "/api/v1", headers=KEYED, timeout=30) as http:
        killer = threading.Thread(target=_kill_after, args=(acknowledged, pid))
        killer.start()
        try:
            for price in range(2, 500):
                samples = table(
                    request_id=[f"{price}-{n}" for n in range(20)], **{"f.price": np.full(20, float(price))}
                )
                http.post("/samples", content=parquet(samples), headers={"content-type": PARQUET}).raise_for_status()
                acknowledged.append(float(price))
        except httpx.TransportError:
            pass
        killer.join()
    return acknowledged


def _kill_after(acknowledged: list[float], pid: int) -> None:
    deadline = time.monotonic() + 60
    while len(acknowledged) < 7 and time.monotonic() < deadline:
        time.sleep(0.003)
    os.kill(pid, signal.SIGKILL)
