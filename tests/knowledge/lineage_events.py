"""OpenLineage events in the words of the tests, and all that a store holds of them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from knowledge.ingest.openlineage import translate
from knowledge.lineage import Lineage
from knowledge.store import Store
from tools.records import Window

START = datetime(2013, 5, 4, tzinfo=UTC)
ALL = Window(start=START - timedelta(days=30), end=START + timedelta(days=30))


def at(hour: float) -> str:
    return (START + timedelta(hours=hour)).isoformat()


def dataset(name: str, **facets: Any) -> dict[str, Any]:
    return {"namespace": "f", "name": name, "facets": facets}


def event(
    hour: float,
    run: str,
    state: str = "COMPLETE",
    job: str = "j",
    *,
    reads: Iterable[dict[str, Any]] = (),
    writes: Iterable[dict[str, Any]] = (),
    of_job: dict[str, Any] | None = None,
    of_run: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An event of a run of `f:job`, `hour` hours after `START`."""
    return {
        "eventTime": at(hour),
        "eventType": state,
        "run": {"runId": run, "facets": of_run or {}},
        "job": {"namespace": "f", "name": job, "facets": of_job or {}},
        "inputs": [*reads],
        "outputs": [*writes],
    }


def version(text: str) -> dict[str, Any]:
    """Facets of a job whose code has this version."""
    return {"sourceCodeLocation": {"type": "git", "url": "https://git/x", "version": text}}


def parameters(**values: Any) -> dict[str, Any]:
    """Facets of a run with these parameters."""
    return {"executionParameters": {"parameters": [{"key": key, "value": value} for key, value in values.items()]}}


def rows(count: int) -> dict[str, Any]:
    return {"dataQualityMetrics": {"rowCount": count}}


def received(store: Store, *events: dict[str, Any]) -> Lineage:
    """Each event sent by itself, in this order."""
    lineage = Lineage(store)
    for sent in events:
        lineage.receive([translate(sent)])
    return lineage


def content(store: Store) -> str:
    """All that the lineage's tables hold, by names instead of numbers, which depend on the order of arrival."""
    db = store.reader()
    names = dict(db.execute("select id, node from lineage_nodes").fetchall())
    runs = {number: f"{names[job]}/{run}" for number, job, run in db.execute("select id, job, run from lineage_runs")}
    runs[0] = "-"
    keys = {
        number: f"{names[job]} {names[node]} {kind} {name} {varied}"
        for number, job, node, kind, name, varied in db.execute(
            "select id, job, node, kind, name, varied from lineage_keys"
        )
    }
    values = dict(db.execute("select id, digest from lineage_values").fetchall())
    found = {
        "nodes": db.execute("select node, kind, owner, owner_at from lineage_nodes").fetchall(),
        "edges": [
            (names[down], names[up], *rest) for down, up, *rest in db.execute("select * from lineage_edges").fetchall()
        ],
        "runs": [(names[job], *rest) for _, job, *rest in db.execute("select * from lineage_runs").fetchall()],
        "statistics": [
            (names[node], runs[run], ts, written, json.dumps(json.loads(parts), sort_keys=True))
            for node, run, ts, written, parts in db.execute("select * from lineage_statistics").fetchall()
        ],
        "statements": [
            (keys[key], started, runs[run], said, values[value])
            for key, started, run, said, value in db.execute("select * from lineage_statements").fetchall()
        ],
        "facets": [
            (names[node], runs[run], *rest)
            for node, run, *rest in db.execute("select * from lineage_facets").fetchall()
        ],
    }
    return json.dumps({table: sorted(map(repr, rows)) for table, rows in found.items()}, indent=1)
