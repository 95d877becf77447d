"""Bodies and events as clients send them: unpacked with a limit, each stored or refused, everything refused counted."""

import gzip
import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowledge import lineage_intake
from knowledge.ingest.openlineage import MalformedEvent
from knowledge.lineage import Lineage
from knowledge.lineage_intake import BodyTooLarge, LineageIntake, NotTaken, UnreadableBody
from knowledge.store import Store
from tests.knowledge.lineage_events import ALL, dataset, event, rows

NOW = datetime(2013, 5, 10, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def test_one_wrong_event_does_not_take_the_batch_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_intake, "TOGETHER", 2)
    lineage = Lineage(store)
    odd = event(3, "r3", writes=[dataset("t", schema={"fields": 3})])
    batch: list[Any] = [event(0, "r0"), "no event", event(1, "r1"), event(2, "r2"), {"eventTime": "?"}, odd]
    taken = LineageIntake(lineage).receive_batch(batch, NOW)
    assert taken.stored == 4
    assert [one.index for one in taken.refused] == [1, 4]
    assert "eventTime" in taken.refused[1].reason
    assert taken.left_out == (NotTaken(5, "f:t: schema.fields: Input should be a valid list"),)
    assert [run.run for run in lineage.runs("f:j", ALL)] == ["r0", "r1", "r2", "r3"]
    counted = {(one.part, one.count, one.last_at) for one in lineage.refusals()}
    assert counted == {("event", 1, NOW), ("part", 1, NOW)}


def test_what_is_refused_is_counted_by_its_reason(store: Store) -> None:
    lineage = Lineage(store)
    intake = LineageIntake(lineage)
    for hour in (0, 1):
        future = event(24 * 365 * 30 + hour, "r")
        with pytest.raises(MalformedEvent, match="from the future"):
            intake.receive(future, NOW)
    with pytest.raises(UnreadableBody):
        intake.read(b"{", "", NOW)
    assert {(one.part, one.reason, one.count) for one in lineage.refusals()} == {
        ("event", "the event is from the future", 2),
        ("event", "the body cannot be read", 1),
    }
    assert lineage.runs("f:j", ALL) == []


def test_bodies_are_unpacked(store: Store) -> None:
    intake, sent = LineageIntake(Lineage(store)), {"a": [1, "ü"]}
    plain = json.dumps(sent).encode()
    for body, encoding in (
        (plain, ""),
        (plain, "identity"),
        (gzip.compress(plain, mtime=0), "gzip"),
        (gzip.compress(plain, mtime=0), " GZIP "),
        (zlib.compress(plain), "deflate"),
    ):
        assert intake.read(body, encoding) == sent


@pytest.mark.parametrize(
    ("body", "encoding", "told"),
    [
        (b"{}", "br", "Content-Encoding 'br' is not understood"),
        (b"{}", "gzip", "not gzip"),
        (gzip.compress(b"{}" * 50, mtime=0)[:-9], "gzip", "cut off"),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip", "something follows"),
        (b"", "", "not JSON"),
        (b"\xff\xfe{", "", "not JSON"),
        (b"[" * 100_000, "", "not JSON"),
        (b"9" * 10_000, "", "not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_the_reason(
    store: Store, body: bytes, encoding: str, told: str
) -> None:
    with pytest.raises(UnreadableBody, match=told):
        LineageIntake(Lineage(store)).read(body, encoding)


def test_a_small_body_that_unpacks_to_a_large_one_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_intake, "LARGEST", 1 << 20)
    bomb = gzip.compress(b" " * (2 << 20) + b"{}")
    assert len(bomb) < 10_000
    with pytest.raises(BodyTooLarge, match="more than 1 MB unpacked; send smaller batches"):
        LineageIntake(Lineage(store)).read(bomb, "gzip")
    assert LineageIntake(Lineage(store)).read(gzip.compress(b" " * ((1 << 20) - 2) + b"{}"), "gzip") == {}


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "💥" * 50, "'; drop table lineage_nodes --"])
def test_odd_text_is_stored_or_refused(store: Store, text: str) -> None:
    """Everywhere that a sender may write something."""
    facets = {text: {"note": text}, "documentation": {text: text}, "ownership": {"owners": [{"name": text}]}}
    quality = {"rowCount": 1, "columnMetrics": {text: {"nullCount": 1}}}
    fields = {text: {"inputFields": [{"namespace": text, "name": text, "field": text}]}}
    sent = event(
        0, text, job=text, of_job=facets, of_run=facets | {"executionParameters": {"parameters": [{"key": text}]}}
    )
    plain = event(
        1,
        "r",
        of_job={"sql": {"query": text}} | facets,
        writes=[dataset("t", dataQualityMetrics=quality, columnLineage={"fields": fields}, **facets)],
    )
    lineage = Lineage(store)
    taken = LineageIntake(lineage).receive_batch([sent, plain, event(2, "s", writes=[dataset("t", **rows(2))])])
    assert taken.stored + len(taken.refused) == 3
    assert taken.stored >= 1
    assert lineage.statistics("f:t", ALL)[-1].row_count == 2


def test_what_was_acknowledged_is_there_after_sigkill(tmp_path: Path) -> None:
    """A process that stores batches and says so is killed in the middle; all that it said is found."""
    script = """
import sys
from pathlib import Path
from knowledge.lineage import Lineage
from knowledge.lineage_intake import LineageIntake
from knowledge.store import Store
from tests.knowledge.lineage_events import dataset, event, rows
intake = LineageIntake(Lineage(Store.open(Path(sys.argv[1]))))
for batch in range(1000):
    first = batch * 20
    events = [event(n / 100, f"r{n}", writes=[dataset("t", **rows(n))]) for n in range(first, first + 20)]
    print(intake.receive_batch(events).stored + first, flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(12)][-1]
        process.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in process.stdout if line.endswith("\n"))])
    store = Store.open(tmp_path)
    lineage = Lineage(store)
    runs = {run.run for run in lineage.runs("f:j", ALL)}
    assert runs >= {f"r{n}" for n in range(said)}
    assert len(runs) % 20 == 0, "no batch is there by half"
    found = {s.row_count for s in lineage.statistics("f:t", ALL)}
    assert found == {int(run[1:]) for run in runs}
    store.close()
