"""Late, repeated, shuffled, split and batched: what the lineage holds of some events depends on the events alone."""

import random
from pathlib import Path
from typing import Any

import pytest

from knowledge.ingest.openlineage import translate
from knowledge.lineage import Lineage
from knowledge.store import Store
from tests.knowledge.lineage_events import ALL, content, dataset, event, parameters, received, rows, version


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """Sixty events of five jobs over four datasets, with everything in them that is merged."""
    draw = random.Random(7)
    found = []
    for number in range(60):
        hour, job = draw.choice((0, 1, 1.5, 2, 30)) + draw.choice((0, 0, 5)), f"j{draw.randrange(3)}"
        facets: dict[str, Any] = draw.choice(({}, rows(draw.randrange(9)), {"outputStatistics": {"rowCount": 4}}))
        facets = facets | draw.choice(({}, {"ownership": {"owners": [{"name": f"team{draw.randrange(3)}"}]}}))
        facets = facets | draw.choice(({}, {"schema": {"fields": [{"name": "a", "type": f"t{draw.randrange(2)}"}]}}))
        facets = facets | draw.choice(({}, {"documentation": {"description": f"text {draw.randrange(3)}"}}))
        sources = [{"namespace": "f", "name": "d0", "field": "x"}]
        facets = facets | draw.choice(({}, {"columnLineage": {"fields": {"a": {"inputFields": sources}}}}))
        found.append(
            event(
                hour,
                f"r{draw.randrange(5)}",
                draw.choice(("START", "RUNNING", "COMPLETE", "FAIL")),
                job,
                reads=[dataset(f"d{draw.randrange(4)}", **facets)] if number % 3 else [],
                writes=[dataset(f"d{draw.randrange(4)}", **facets)] if number % 4 else [],
                of_job=version(f"v{draw.randrange(3)}") if number % 2 else None,
                of_run=parameters(a=draw.randrange(2)) | {"nominalTime": {"nominalStartTime": "2013-05-04T00:00:00Z"}},
            )
        )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_neither_order_nor_repeats_nor_batches_matter(tmp_path: Path, events: list[dict[str, Any]], seed: int) -> None:
    straight, shuffled = Store.open(tmp_path / "a"), Store.open(tmp_path / "b")
    Lineage(straight).receive([translate(sent) for sent in events])
    draw = random.Random(seed)
    order = [*events, *draw.sample(events, 20)]
    draw.shuffle(order)
    lineage, place = Lineage(shuffled), 0
    while place < len(order):
        size = draw.choice((1, 1, 2, 7, 20))
        lineage.receive([translate(sent) for sent in order[place : place + size]])
        place += size
    assert content(shuffled) == content(straight)
    nodes = [f"f:j{n}" for n in range(3)] + [f"f:d{n}" for n in range(4)]
    for node in nodes:
        assert lineage.changes(node, ALL) == Lineage(straight).changes(node, ALL)
        assert lineage.statistics(node, ALL) == Lineage(straight).statistics(node, ALL)
    straight.close()
    shuffled.close()


def test_a_start_without_inputs_is_completed_by_what_comes_later(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    lineage = received(
        store,
        event(0, "r", "START", of_run={"nominalTime": {"nominalStartTime": "2013-05-04T00:00:00Z"}}),
        event(1, "r", reads=[dataset("in")], writes=[dataset("out", **rows(3))]),
    )
    assert [(e.upstream, e.downstream) for e in lineage.edges()] == [("f:in", "f:j"), ("f:j", "f:out")]
    (run,) = lineage.runs("f:j", ALL)
    assert (run.state, run.started_at.hour) == ("COMPLETE", 0)
    assert run.ended_at is not None
    assert run.nominal_start == run.started_at
    assert run.nominal_end is None
    store.close()


@pytest.mark.parametrize(
    ("states", "state", "ended"),
    [
        ([(0, "START"), (2, "COMPLETE"), (3, "RUNNING")], "COMPLETE", 2),
        ([(0, "START"), (1, "FAIL"), (2, "COMPLETE")], "COMPLETE", 2),
        ([(0, "START"), (1, "RUNNING")], "RUNNING", None),
        ([(0, "START"), (0, "COMPLETE")], "COMPLETE", 0),
        ([(0, "OTHER")], "OTHER", None),
    ],
)
def test_a_run_that_has_ended_has_ended(
    tmp_path: Path, states: list[tuple[float, str]], state: str, ended: float | None
) -> None:
    for name, order in (("a", states), ("b", states[::-1])):
        store = Store.open(tmp_path / name)
        (run,) = received(store, *(event(hour, "r", kind) for hour, kind in order)).runs("f:j", ALL)
        assert (run.state, run.ended_at and run.ended_at.hour) == (state, ended)
        store.close()


def test_each_part_of_the_statistics_is_that_of_the_last_event_that_said_it(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    quality = {"rowCount": 5, "columnMetrics": {"a": {"nullCount": 1}}}
    lineage = received(
        store,
        event(2, "r", writes=[dataset("t", hawkeye_columnStatistics={"columns": {"a": {"mean": 2.5}}})]),
        event(1, "r", "RUNNING", writes=[dataset("t", outputStatistics={"rowCount": 4, "size": 9}, **rows(3))]),
        event(1.5, "r", "RUNNING", writes=[dataset("t", dataQualityMetrics=quality)]),
    )
    (found,) = lineage.statistics("f:t", ALL)
    assert (found.ts.hour, found.row_count, found.size_bytes) == (2, 5, 9)
    assert (found.columns["a"].null_count, found.columns["a"].mean) == (1, 2.5)
    assert (found.job, found.run) == ("f:j", "r")
    store.close()


def test_a_short_run_starts_and_ends_within_one_second(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    moment = 0.1 / 3600
    lineage = received(store, event(0, "r", of_job=version("v2")), event(moment, "r", of_job=version("v3")))
    received(store, event(-1, "q", of_job=version("v1")))
    (change,) = lineage.changes("f:j", ALL)
    assert (change.before, change.after) == ("v1", "v3")
    store.close()


def test_what_is_a_job_and_a_dataset_by_one_name_is_a_dataset(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    lineage = received(store, event(0, "r", job="t", writes=[dataset("t", **rows(3))]), event(1, "s", job="t"))
    node = lineage.node("f:t")
    assert node is not None
    assert node.kind == "dataset"
    assert len(lineage.statistics("f:t", ALL)) == 1
    store.close()


def test_an_edge_remembers_the_hour_in_which_it_was_last_seen(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    lineage = received(
        store, *(event(hour, f"r{hour}", reads=[dataset("in")]) for hour in (5.2, 9.7, 0.5)), event(20, "x")
    )
    (edge,) = lineage.edges()
    assert edge.seen_at is not None
    assert (edge.seen_at.hour, edge.seen_at.minute) == (9, 0)
    store.close()
