"""The schema of the store, one migration per change; sqlite-utils records which were applied.

Times are whole unix seconds except in the event log, where they are ISO text for people who look into the file, and in
the lineage, where they are microseconds, because a short run starts and completes within one second.
"""

from sqlite_utils import Database, Migrations

from knowledge.lineage_tables import lineage_by_run

migrations = Migrations("hawkeye")


@migrations()
def m001_products_and_models(db: Database) -> None:
    db.table("products").create({"product": str, "record": str}, pk="product", not_null={"record"})
    db.table("models").create({"model": str, "product": str, "record": str}, pk="model", not_null={"record"})
    db.table("models").create_index(["product"])
    db.table("features").create(
        {"model": str, "feature": str, "position": int, "record": str}, pk=("model", "feature"), not_null={"record"}
    )
    db.table("snapshots").create(
        {"snapshot": str, "model": str, "published_at": int, "record": str}, pk="snapshot", not_null={"record"}
    )
    db.table("snapshots").create_index(["model", "published_at"])
    db.table("rollouts").create(
        {"model": str, "snapshot": str, "arm": str, "ts": int, "share": float}, pk=("model", "snapshot", "arm", "ts")
    )


@migrations()
def m002_metrics(db: Database) -> None:
    """A series is a metric at one combination of dimensions; points hang on it, so that dimensions are stored once."""
    db.table("series").create({"id": int, "product": str, "metric": str, "dimensions": str}, pk="id")
    db.table("series").create_index(["product", "metric", "dimensions"], unique=True)
    db.conn.execute(
        "CREATE TABLE points (series INTEGER NOT NULL REFERENCES series(id), ts INTEGER NOT NULL, "
        "numerator REAL, denominator REAL, PRIMARY KEY (series, ts)) WITHOUT ROWID"
    )


@migrations()
def m003_lineage(db: Database) -> None:
    db.table("lineage_nodes").create({"node": str, "kind": str, "owner": str}, pk="node")
    columns = ("upstream", "downstream", "upstream_column", "downstream_column")
    db.table("lineage_edges").create(dict.fromkeys(columns, str), pk=columns)
    db.table("lineage_edges").create_index(["downstream"])
    db.table("dataset_statistics").create(
        {"node": str, "ts": int, "run": str, "row_count": int, "columns": str}, pk=("node", "ts")
    )
    db.table("changes").create(
        {"node": str, "kind": str, "ts": int, "before": str, "after": str, "url": str}, pk=("node", "kind", "ts")
    )
    db.table("lineage_runs").create(
        {"run": str, "job": str, "state": str, "started_at": int, "ended_at": int, "event": str}, pk="run"
    )
    db.table("lineage_runs").create_index(["job", "started_at"])


@migrations()
def m004_training_and_pipelines(db: Database) -> None:
    db.table("training_runs").create(
        {"run": str, "model": str, "started_at": int, "record": str}, pk="run", not_null={"record"}
    )
    db.table("training_runs").create_index(["model", "started_at"])
    db.table("pipelines").create({"pipeline": str, "orchestrator": str, "record": str}, pk="pipeline")


@migrations()
def m005_alerts_and_investigations(db: Database) -> None:
    db.table("alerts").create({"alert": str, "started_at": str, "record": str}, pk="alert", not_null={"record"})
    db.table("events").create(
        {"investigation": str, "seq": int, "at": str, "type": str, "body": str},
        pk=("investigation", "seq"),
        not_null={"at", "type", "body"},
    )
    db.table("events").create_index(["type"])


@migrations()
def m006_snapshot_checks(db: Database) -> None:
    db.table("snapshot_checks").create(
        {"snapshot": str, "model": str, "state": str, "queued_at": str, "record": str},
        pk="snapshot",
        not_null={"state", "queued_at", "record"},
    )
    db.table("snapshot_checks").create_index(["state"])


@migrations()
def m007_lineage_by_run(db: Database) -> None:
    """What each run said, with names stored once, so that events may come in any order and a million of them fit."""
    lineage_by_run(db)
