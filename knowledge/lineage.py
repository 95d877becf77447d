"""Lineage: datasets and jobs, how data looked after each run, and what changed from one run of a job to the next."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any

from sqlite_utils import Database

from knowledge.ingest.openlineage import RunSeen, Statement, Translated
from knowledge.store import Store
from tools.ports import Direction
from tools.records import (
    Change,
    ChangeKind,
    ColumnStatistics,
    DatasetStatistics,
    JobRun,
    LineageEdge,
    LineageNode,
    Window,
)

FINAL = frozenset({"COMPLETE", "ABORT", "FAIL"})
Key = tuple[str, ChangeKind]
"""What a statement is about: the node, and which of its properties."""


class Lineage:
    """Implements `tools.ports.LineagePort` on the store. Events may come late, twice and in any order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def receive(self, translated: Translated) -> None:
        """Store what one event says, and find what changed, in one transaction.

        The events of a run are merged. A statement of a run (the version of its code, say) that differs from the last
        one made before it in the order of the runs' starts is a `Change` at the start of the run. When an event
        comes late, the changes after it are found anew, so the result does not depend on the order of arrival.
        """
        self._store.write(lambda db: _receive(db, translated))

    def node(self, node: str) -> LineageNode | None:
        return self.known([node]).get(node)

    def known(self, nodes: Sequence[str]) -> Mapping[str, LineageNode]:
        """Those of `nodes` that are known, by name and sorted."""
        rows = self._store.reader().query(
            "select node, kind, owner from lineage_nodes where node in (select value from json_each(?)) order by node",
            [json.dumps(list(nodes))],
        )
        return {row["node"]: LineageNode.model_validate(row) for row in rows}

    def edges(self) -> Sequence[LineageEdge]:
        """All edges, in the order of their ends and columns."""
        return self._edges("true")

    def edges_at(self, nodes: Sequence[str]) -> Sequence[LineageEdge]:
        """The edges that begin or end at one of `nodes`, in the same order."""
        among = "in (select value from json_each(:nodes))"
        return self._edges(f"upstream {among} or downstream {among}", nodes)

    def reach(self, nodes: Sequence[str], direction: Direction, hops: int | None = None) -> Sequence[LineageEdge]:
        """The edges on all ways that lead from `nodes` against the flow or with it, in the same order.

        Breadth first, so that an edge counts by the shortest way to it; a circle ends where it closes.
        """
        near, far = ("downstream", "upstream") if direction == "upstream" else ("upstream", "downstream")
        found: set[LineageEdge] = set()
        seen, front = {*nodes}, {*nodes}
        while front and hops != 0:
            taken = self._edges(f"{near} in (select value from json_each(:nodes))", sorted(front))  # noqa: S608
            found.update(taken)
            front = {getattr(edge, far) for edge in taken} - seen
            seen |= front
            hops = None if hops is None else hops - 1
        return sorted(found, key=_ends)

    def _edges(self, where: str, nodes: Sequence[str] = ()) -> list[LineageEdge]:
        rows = self._store.reader().query(
            f"select * from lineage_edges where {where} "  # noqa: S608 - our own text
            "order by upstream, downstream, upstream_column, downstream_column",
            {"nodes": json.dumps(list(nodes))},
        )
        return [LineageEdge.model_validate({name: value or None for name, value in row.items()}) for row in rows]

    def statistics(self, node: str, window: Window) -> Sequence[DatasetStatistics]:
        """Oldest first."""
        rows = self._store.reader().query(
            "select * from dataset_statistics where node = ? and ts >= ? and ts < ? order by ts",
            [node, ceil(window.start.timestamp()), ceil(window.end.timestamp())],
        )
        return [_statistics(row) for row in rows]

    def changes(self, node: str, window: Window) -> Sequence[Change]:
        """Oldest first."""
        rows = self._store.reader().query(
            "select * from changes where node = ? and ts >= ? and ts < ? order by ts, kind",
            [node, ceil(window.start.timestamp()), ceil(window.end.timestamp())],
        )
        return [Change.model_validate({**row, "ts": _time(row["ts"])}) for row in rows]

    def runs(self, job: str, window: Window) -> Sequence[JobRun]:
        """Those that started in `window`, oldest first."""
        rows = self._store.reader().query(
            "select * from lineage_runs where job = ? and started_at >= ? and started_at < ? order by started_at, run",
            [job, ceil(window.start.timestamp()), ceil(window.end.timestamp())],
        )
        return [_job_run(row) for row in rows]

    def readers(self, nodes: Sequence[str]) -> Sequence[str]:
        """The models with a feature that is read from one of `nodes`, sorted."""
        wanted = set(nodes)
        rows = self._store.reader().query("select model, json_extract(record, '$.node') as node from features")
        return sorted({row["model"] for row in rows if row["node"] in wanted})


def _ends(edge: LineageEdge) -> tuple[str, str, str, str]:
    return (edge.upstream, edge.downstream, edge.upstream_column or "", edge.downstream_column or "")


def _job_run(row: dict[str, Any]) -> JobRun:
    return JobRun(
        job=row["job"],
        run=row["run"].removeprefix(f"{row['job']}/"),
        state=row["state"],
        started_at=_time(row["started_at"]),
        ended_at=_time(row["ended_at"]) if row["ended_at"] else None,
    )


def _time(ts: int) -> datetime:
    return datetime.fromtimestamp(ts, UTC)


def _seconds(ts: datetime) -> int:
    return int(ts.timestamp())


def _statistics(row: dict[str, Any]) -> DatasetStatistics:
    columns = {name: ColumnStatistics.model_validate(value) for name, value in json.loads(row["columns"]).items()}
    return DatasetStatistics.model_validate({**row, "ts": _time(row["ts"]), "columns": columns})


def _receive(db: Database, translated: Translated) -> None:
    for node in translated.nodes:
        _put_node(db, node)
    names = ("upstream", "downstream", "upstream_column", "downstream_column")
    edges = [{name: getattr(edge, name) or "" for name in names} for edge in translated.edges]
    db.table("lineage_edges").insert_all(edges, pk=names, ignore=True)
    for statistics in translated.statistics:
        _put_statistics(db, statistics)
    _put_run(db, translated.run)


def _put_node(db: Database, node: LineageNode) -> None:
    """An event that does not name the owner leaves the known owner in place."""
    db.conn.execute(
        "insert into lineage_nodes (node, kind, owner) values (?, ?, ?) "
        "on conflict (node) do update set kind = excluded.kind, owner = coalesce(excluded.owner, owner)",
        [node.node, node.kind, node.owner],
    )


def _put_statistics(db: Database, statistics: DatasetStatistics) -> None:
    """One row per dataset and run, the latest; where two runs report at one second, the greater run id stays."""
    node, ts, run = statistics.node, _seconds(statistics.ts), statistics.run or ""
    newer = "select 1 from dataset_statistics where node = ? and ((run = ? and ts > ?) or (ts = ? and run > ?))"
    if db.conn.execute(newer, [node, run, ts, ts, run]).fetchone():
        return
    db.conn.execute("delete from dataset_statistics where node = ? and run = ? and ts < ?", [node, run, ts])
    columns = {name: column.model_dump(mode="json") for name, column in sorted(statistics.columns.items())}
    row = {"node": node, "ts": ts, "run": run, "row_count": statistics.row_count, "columns": json.dumps(columns)}
    db.table("dataset_statistics").upsert(row, pk=("node", "ts"))


@dataclass(frozen=True)
class _Run:
    """A run as merged from its events: what it said, each with the time of the event that said it."""

    started_at: int
    said: dict[Key, tuple[int, Statement]]


def _put_run(db: Database, seen: RunSeen) -> None:
    name = f"{seen.job}/{seen.run}"  # some producers give one run id to all the jobs of a cycle
    row = next(iter(db.query("select * from lineage_runs where run = ?", [name])), None)
    known = _as_run(row) if row else None
    at = _seconds(seen.at)
    merged = _merged(known, seen, at)
    ended = at if seen.state in FINAL else None
    if row:
        ended = max(filter(None, (ended, row["ended_at"])), default=None)
    state = seen.state if row is None or ended == at or (ended is None and at > row["started_at"]) else row["state"]
    event = json.dumps([{"at": when, **asdict(said)} for _, (when, said) in sorted(merged.said.items())])
    db.table("lineage_runs").upsert(
        {
            "run": name,
            "job": seen.job,
            "state": state,
            "started_at": merged.started_at,
            "ended_at": ended,
            "event": event,
        },
        pk="run",
    )
    if known is None or known != merged:
        _find_changes(db, seen.job, {merged.started_at} | ({known.started_at} if known else set()))


def _merged(known: _Run | None, seen: RunSeen, at: int) -> _Run:
    """The start is the earliest time heard of; of two statements about one thing the later one stands."""
    said = dict(known.said) if known else {}
    for statement in seen.statements:
        key = (statement.node, statement.kind)
        new = (at, statement)
        if key not in said or (said[key][0], said[key][1].value) < (at, statement.value):
            said[key] = new
    return _Run(min(at, known.started_at) if known else at, said)


def _as_run(row: dict[str, Any]) -> _Run:
    said: dict[Key, tuple[int, Statement]] = {}
    for item in json.loads(row["event"]):
        kind = ChangeKind(item["kind"])
        said[(item["node"], kind)] = (item["at"], Statement(item["node"], kind, item["value"], item["url"]))
    return _Run(row["started_at"], said)


def _find_changes(db: Database, job: str, touched: set[int]) -> None:
    """Find anew the changes of `job` from the earliest of the `touched` starts on."""
    since = min(touched)
    later = [*_runs(db, "job = ? and started_at >= ? order by started_at, run", job, since)]
    keys = {key for run in later for key in run.said}
    starts = touched | {run.started_at for run in later}
    before = _last_said(db, job, since, keys)
    for node, kind in sorted(keys):
        for ts in sorted(starts):
            db.conn.execute("delete from changes where node = ? and kind = ? and ts = ?", [node, str(kind), ts])
    for run in later:
        for key, (_, said) in sorted(run.said.items()):
            last = before.get(key)
            if last is not None and last.value != said.value:
                _put_change(db, run.started_at, last, said)
            before[key] = said


def _last_said(db: Database, job: str, since: int, keys: set[Key]) -> dict[Key, Statement]:
    """The last statement before `since` about each of `keys`; walks back only as far as it has to."""
    found: dict[Key, Statement] = {}
    for run in _runs(db, "job = ? and started_at < ? order by started_at desc, run desc", job, since):
        for key, (_, said) in run.said.items():
            if key in keys:
                found.setdefault(key, said)
        if found.keys() >= keys:
            break
    return found


def _runs(db: Database, where: str, job: str, since: int) -> Iterator[_Run]:
    for row in db.query(f"select * from lineage_runs where {where}", [job, since]):  # noqa: S608 - our own text
        yield _as_run(row)


def _put_change(db: Database, ts: int, before: Statement, after: Statement) -> None:
    db.table("changes").upsert(
        {
            "node": after.node,
            "kind": str(after.kind),
            "ts": ts,
            "before": before.value,
            "after": after.value,
            "url": after.url,
        },
        pk=("node", "kind", "ts"),
    )
