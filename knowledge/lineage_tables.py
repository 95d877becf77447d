"""The tables of the lineage, and how those of the first version become these."""

import hashlib
import json
from typing import Any

from sqlite_utils import Database

_TABLES = """
create table lineage_nodes (
    id integer primary key, node text not null unique, kind text not null, owner text, owner_at integer
);
create table lineage_edges (
    downstream integer not null, upstream integer not null, downstream_column text not null,
    upstream_column text not null, seen_at integer,
    primary key (downstream, upstream, downstream_column, upstream_column)
) without rowid;
create index lineage_edges_upstream on lineage_edges (upstream);
create table lineage_runs (
    id integer primary key, job integer not null, run text not null, state text not null, state_at integer not null,
    started_at integer not null, ended_at integer, nominal_start integer, nominal_end integer, unique (job, run)
);
create index lineage_runs_started on lineage_runs (job, started_at);
create table lineage_statistics (
    node integer not null, run integer not null, ts integer not null, written integer not null, parts text not null,
    unique (node, run)
);
create index lineage_statistics_ts on lineage_statistics (node, ts);
create table lineage_keys (
    id integer primary key, job integer not null, node integer not null, kind text not null, name text not null,
    value integer not null, varied integer not null default 0, unique (node, kind, name, job)
);
create index lineage_keys_job on lineage_keys (job);
create table lineage_values (
    id integer primary key, digest text not null unique, value text not null, url text, repository text,
    pull_request text
);
create table lineage_statements (
    key integer not null, started_at integer not null, run integer not null, at integer not null,
    value integer not null, primary key (key, started_at, run)
) without rowid;
create table lineage_facets (
    node integer not null, run integer not null, place text not null, name text not null, at integer not null,
    body text not null, primary key (node, run, place, name)
);
create table lineage_refusals (
    part text not null, reason text not null, count integer not null, first_at integer not null,
    last_at integer not null, last_detail text not null, primary key (part, reason)
)
"""
"""A statement is what a run said about a node under a key (the version of its code, one parameter). What changed is
found by comparing the statements of a key in the order of the runs' starts; a key that has only ever had one value is
not `varied`, and is not looked at."""
_OLD = ("lineage_nodes", "lineage_edges", "dataset_statistics", "changes", "lineage_runs")
_US = 1_000_000


def lineage_by_run(db: Database) -> None:
    """Make the tables, and carry over what those of the first version hold."""
    old = {table: [*db.query(f"select * from {table}")] for table in _OLD}  # noqa: S608 - our own names
    for table in _OLD:
        db.conn.execute(f"drop table {table}")
    for statement in _TABLES.split(";"):
        db.conn.execute(statement)
    db.table("lineage_nodes").insert_all(old["lineage_nodes"])
    ids = {row["node"]: row["id"] for row in db.query("select id, node from lineage_nodes")}
    ends = (
        {**row, "upstream": ids[row["upstream"]], "downstream": ids[row["downstream"]]} for row in old["lineage_edges"]
    )
    db.table("lineage_edges").insert_all(ends)
    runs: dict[str, int] = {}
    for row in old["lineage_runs"]:
        run = row["run"].removeprefix(f"{row['job']}/")
        runs[run] = _carry_run(db, row, run, ids)
    for row in old["dataset_statistics"]:
        if row["run"] in runs:
            _carry_statistics(db, row, ids[row["node"]], runs[row["run"]])


def _carry_run(db: Database, row: dict[str, Any], run: str, ids: dict[str, int]) -> int:
    started, ended = row["started_at"] * _US, row["ended_at"] and row["ended_at"] * _US
    number = db.conn.execute(
        "insert into lineage_runs (job, run, state, state_at, started_at, ended_at) "
        "values (?, ?, ?, ?, ?, ?) returning id",
        [ids[row["job"]], run, row["state"], ended or started, started, ended],
    ).fetchone()[0]
    for said in json.loads(row["event"]):
        value = _value(db, said["value"], said["url"])
        key = [ids[row["job"]], ids[said["node"]], said["kind"], ""]
        db.conn.execute(
            "insert or ignore into lineage_keys (job, node, kind, name, value) values (?, ?, ?, ?, ?)", [*key, value]
        )
        where = "where job = ? and node = ? and kind = ? and name = ?"
        (found,) = db.query(f"select id, value from lineage_keys {where}", key)  # noqa: S608 - our own text
        if found["value"] != value:
            db.conn.execute("update lineage_keys set varied = 1 where id = ?", [found["id"]])
        db.conn.execute(
            "insert or ignore into lineage_statements values (?, ?, ?, ?, ?)",
            [found["id"], started, number, said["at"] * _US, value],
        )
    return int(number)


def _value(db: Database, value: str, url: str | None) -> int:
    digest = digest_of(value, url, None, None)
    db.conn.execute("insert or ignore into lineage_values (digest, value, url) values (?, ?, ?)", [digest, value, url])
    return int(db.conn.execute("select id from lineage_values where digest = ?", [digest]).fetchone()[0])


def digest_of(value: str, url: str | None, repository: str | None, pull_request: str | None) -> str:
    """Of a value with what it is shown with. The digest stands for them, so that long texts are compared once."""
    return hashlib.blake2b(json.dumps([value, url, repository, pull_request]).encode(), digest_size=16).hexdigest()


def _carry_statistics(db: Database, row: dict[str, Any], node: int, run: int) -> None:
    ts = row["ts"] * _US
    parts = {"quality": [ts, {"row_count": row["row_count"], "columns": json.loads(row["columns"])}]}
    db.conn.execute(
        "insert or ignore into lineage_statistics (node, run, ts, written, parts) values (?, ?, ?, 1, ?)",
        [node, run, ts, json.dumps(parts)],
    )
