"""A data folder of the first version keeps its lineage."""

import json
import sqlite3
from pathlib import Path

from sqlite_utils import Database

from knowledge.lineage import Lineage
from knowledge.migrations import migrations
from knowledge.store import DATABASE, Store
from tests.knowledge.lineage_events import ALL, START, event, received, version


def old_folder(folder: Path) -> None:
    """A database as the first version left it, with two runs of one job."""
    db = Database(sqlite3.connect(folder / DATABASE), execute_plugins=False)
    migrations.apply(db, stop_before="m007_lineage_by_run")
    db.table("lineage_nodes").insert({"node": "f:j", "kind": "job", "owner": "kim"})
    db.table("lineage_nodes").insert({"node": "f:t", "kind": "dataset", "owner": None})
    db.table("lineage_edges").insert(
        {"upstream": "f:j", "downstream": "f:t", "upstream_column": "", "downstream_column": ""}
    )
    for number, code in enumerate(("v1", "v2")):
        ts = int(START.timestamp()) + number * 3600
        said = [{"at": ts, "node": "f:j", "kind": "code", "value": code, "url": "https://git/x"}]
        db.table("lineage_runs").insert(
            {
                "run": f"f:j/r{number}",
                "job": "f:j",
                "state": "COMPLETE",
                "started_at": ts,
                "ended_at": ts,
                "event": json.dumps(said),
            }
        )
        columns = json.dumps({"a": {"null_count": 1, "mean": "NaN"}})
        db.table("dataset_statistics").insert(
            {"node": "f:t", "ts": ts, "run": f"r{number}", "row_count": 7 + number, "columns": columns}
        )
    db.close()


def test_the_lineage_of_the_first_version_is_carried_over(tmp_path: Path) -> None:
    old_folder(tmp_path)
    store = Store.open(tmp_path)
    lineage = Lineage(store)
    assert {name: (n.kind, n.owner) for name, n in lineage.known(["f:j", "f:t"]).items()} == {
        "f:j": ("job", "kim"),
        "f:t": ("dataset", None),
    }
    assert [(e.upstream, e.downstream, e.upstream_column) for e in lineage.edges()] == [("f:j", "f:t", None)]
    assert [(s.row_count, s.columns["a"].null_count) for s in lineage.statistics("f:t", ALL)] == [(7, 1), (8, 1)]
    assert [(c.before, c.after, c.url) for c in lineage.changes("f:j", ALL)] == [("v1", "v2", "https://git/x")]
    received(store, event(2, "r2", of_job=version("v3")))
    assert [c.after for c in lineage.changes("f:j", ALL)] == ["v2", "v3"]
    assert [(r.run, r.state) for r in lineage.runs("f:j", ALL)][:1] == [("r0", "COMPLETE")]
    store.close()
