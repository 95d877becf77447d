"""Lineage on the real store: what an event says is found again, and late, repeated or shuffled events do no harm."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from knowledge.ingest.openlineage import translate
from knowledge.lineage import Lineage
from knowledge.models import Models
from knowledge.store import Store
from tools.records import ChangeKind, Feature, LineageEdge, Window

START = datetime(2013, 5, 4, tzinfo=UTC)
ALL = Window(start=START - timedelta(days=9), end=START + timedelta(days=9))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def event(hour: float, run: str, version: str | None = None, state: str = "COMPLETE", nulls: int = 0) -> dict[str, Any]:
    location = {"sourceCodeLocation": {"type": "git", "url": "https://git/x", "version": version}} if version else {}
    quality = {"rowCount": 100, "columnMetrics": {"wind": {"nullCount": nulls}}}
    return {
        "eventType": state,
        "eventTime": (START + timedelta(hours=hour)).isoformat(),
        "run": {"runId": run},
        "job": {"namespace": "flights", "name": "job.join", "facets": location},
        "inputs": [{"namespace": "flights", "name": "clean"}],
        "outputs": [{"namespace": "flights", "name": "joined", "outputFacets": {"dataQualityMetrics": quality}}],
    }


EVENTS = [
    event(0, "r1", "v1", "START"),
    event(0.5, "r1"),
    event(6, "r2", "v1"),
    event(12, "r3", None),
    event(18, "r4", "v2", nulls=33),
]


def seen(lineage: Lineage) -> tuple[object, ...]:
    changes = [lineage.changes(node, ALL) for node in ("flights:job.join", "flights:joined")]
    return (lineage.edges(), lineage.statistics("flights:joined", ALL), *changes)


def test_what_was_sent_is_found_again(store: Store) -> None:
    lineage = Lineage(store)
    for sent in EVENTS:
        lineage.receive([translate(sent)])
    job = lineage.node("flights:job.join")
    assert job is not None
    assert job.kind == "job"
    assert [(e.upstream, e.downstream) for e in lineage.edges()] == [
        ("flights:clean", "flights:job.join"),
        ("flights:job.join", "flights:joined"),
    ]
    statistics = lineage.statistics("flights:joined", ALL)
    assert [s.ts.hour + s.ts.minute / 60 for s in statistics] == [0.5, 6, 12, 18]
    assert statistics[-1].columns["wind"].null_count == 33
    (change,) = lineage.changes("flights:job.join", ALL)
    assert (change.kind, change.before, change.after, change.ts.hour) == (ChangeKind.code, "v1", "v2", 18)
    assert change.url == "https://git/x"
    assert lineage.node("flights:nowhere") is None
    assert lineage.statistics("flights:nowhere", ALL) == []


@pytest.mark.parametrize("order", [*itertools.permutations(range(5))][::7])
def test_order_and_repeats_change_nothing(tmp_path: Path, order: tuple[int, ...]) -> None:
    straight, shuffled = Store.open(tmp_path / "a"), Store.open(tmp_path / "b")
    one, two = Lineage(straight), Lineage(shuffled)
    for sent in EVENTS:
        one.receive([translate(sent)])
    for position in [*order, *order[:3]]:
        two.receive([translate(EVENTS[position])])
    assert seen(one) == seen(two)
    straight.close()
    shuffled.close()


def test_a_late_event_moves_the_change_to_its_run(store: Store) -> None:
    lineage = Lineage(store)
    for sent in (event(0, "r1", "v1"), event(12, "r3", "v2"), event(6, "r2", "v2")):
        lineage.receive([translate(sent)])
    assert [c.ts.hour for c in lineage.changes("flights:job.join", ALL)] == [6]


def test_an_edge_names_its_columns_and_a_schema_change_belongs_to_the_dataset(store: Store) -> None:
    lineage = Lineage(store)
    source = {"namespace": "flights", "name": "clean", "field": "speed"}
    for hour, run, kind in ((0, "r1", "double"), (6, "r2", "string")):
        sent = event(hour, run)
        sent["outputs"][0]["facets"] = {
            "columnLineage": {"fields": {"wind": {"inputFields": [source]}}},
            "schema": {"fields": [{"name": "wind", "type": kind}]},
        }
        lineage.receive([translate(sent)])
    assert [e.upstream_column for e in lineage.edges() if e.downstream_column == "wind"] == ["speed"]
    (change,) = lineage.changes("flights:joined", ALL)
    assert (change.kind, change.before, change.after) == (ChangeKind.schema_, "wind:double", "wind:string")


def test_one_run_id_for_a_whole_cycle_does_not_mix_the_jobs(store: Store) -> None:
    lineage = Lineage(store)
    for hour, cycle in ((0, "c1"), (6, "c2")):
        for job in ("job.a", "job.b"):
            sent = event(hour, cycle, f"{job}-v1")
            sent["job"]["name"] = job
            lineage.receive([translate(sent)])
    assert lineage.changes("flights:job.a", ALL) == []
    assert lineage.changes("flights:job.b", ALL) == []


def test_the_models_that_read_a_dataset(store: Store) -> None:
    models = Models(store)
    for model, node in (("b", "flights:x"), ("a", "flights:x"), ("c", "flights:y")):
        models.put_features([Feature(model=model, feature="f", kind="dense", node=node, column="f")])
    assert Lineage(store).readers(["flights:x"]) == ["a", "b"]
    assert Lineage(store).readers([]) == []


def chain(store: Store, *links: tuple[str, str]) -> Lineage:
    """Jobs that read one dataset and write one, each named by both."""
    lineage = Lineage(store)
    for source, target in links:
        sent = event(0, f"{source}{target}")
        sent["job"]["name"] = f"{source}>{target}"
        sent["inputs"], sent["outputs"] = (
            [{"namespace": "f", "name": source}],
            [{"namespace": "f", "name": target}],
        )
        lineage.receive([translate(sent)])
    return lineage


def ends(edges: Sequence[LineageEdge]) -> list[str]:
    return [f"{e.upstream.split(':')[1]} {e.downstream.split(':')[1]}" for e in edges]


def test_the_ways_that_lead_from_a_node(store: Store) -> None:
    lineage = chain(store, ("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"))
    assert ends(lineage.reach(["f:c"], "upstream", 1)) == ["b>c c", "x>c c"]
    assert ends(lineage.reach(["f:c"], "upstream")) == ["a a>b", "b b>c", "x x>c", "a>b b", "b>c c", "x>c c"]
    assert ends(lineage.reach(["f:c"], "downstream")) == ["c c>d", "c>d d"]
    assert ends(lineage.edges_at(["f:a"])) == ["a a>b"]
    assert lineage.reach(["f:nowhere"], "upstream") == lineage.reach([], "downstream") == []
    assert lineage.reach(["f:c"], "upstream", 0) == []


def test_a_circle_ends_where_it_closes(store: Store) -> None:
    lineage = chain(store, ("a", "b"), ("b", "a"), ("b", "b"))
    assert len(lineage.reach(["f:a"], "upstream")) == len(lineage.reach(["f:a"], "downstream")) == 6


def test_the_nodes_that_are_known(store: Store) -> None:
    known = chain(store, ("a", "b")).known(["f:b", "f:a", "f:nowhere", "flights:a>b", "f:a"])
    assert {name: node.kind for name, node in known.items()} == {
        "f:a": "dataset",
        "f:b": "dataset",
        "flights:a>b": "job",
    }
    assert [*known] == sorted(known)


def test_the_runs_of_a_job(store: Store) -> None:
    lineage = Lineage(store)
    for sent in EVENTS:
        lineage.receive([translate(sent)])
    runs = lineage.runs("flights:job.join", Window(start=START, end=START + timedelta(hours=12)))
    assert [(r.run, r.state) for r in runs] == [("r1", "COMPLETE"), ("r2", "COMPLETE")]
    assert runs[0].ended_at is not None
    assert runs[0].ended_at - runs[0].started_at == timedelta(minutes=30)
