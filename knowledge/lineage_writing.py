"""Writes what OpenLineage events say, many events in one transaction.

Everything is merged so that the result does not depend on the order in which the events come, nor on how often: of two
events of a run that speak of the same thing, what the later one says stands, by the times of the events.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlite_utils import Database

from knowledge.ingest.openlineage import RunSeen, Translated
from knowledge.ingest.openlineage_statements import Statement
from knowledge.lineage_tables import digest_of
from knowledge.lineage_times import microseconds

FINAL = frozenset({"COMPLETE", "ABORT", "FAIL"})
_HOUR_US = 3_600_000_000
K = TypeVar("K")
Timed = list[tuple[int, Translated]]
RunKey = tuple[int, str]
"""A job's number and the run's name. Some producers give one name to the runs of all jobs of a cycle."""
StatementKey = tuple[int, int, str, str]
"""The numbers of the job that says it and of the node that it is about, the kind, and which of many."""


def write_events(db: Database, events: Sequence[Translated]) -> None:
    """All that the events say, in the transaction that is open."""
    timed = [(microseconds(event.run.at), event) for event in events]
    nodes = _put_nodes(db, timed)
    _put_edges(db, timed, nodes)
    runs = _put_runs(db, timed, nodes)
    _put_statistics(db, timed, nodes, runs)
    _put_statements(db, timed, nodes, runs)
    _put_facets(db, timed, nodes, runs)


def _put_nodes(db: Database, timed: Timed) -> dict[str, int]:
    """The numbers of the nodes. What is a dataset to one event and a job to another is a dataset: it has statistics."""
    kinds: dict[str, str] = {}
    owners: dict[str, tuple[int, str]] = {}
    for at, event in timed:
        for node, kind, owner in event.nodes:
            kinds[node] = min(kind, kinds.get(node, kind))
            if owner is not None:
                owners[node] = max((at, owner), owners.get(node, (at, owner)))
    rows = [(node, kind, *(owners[node][::-1] if node in owners else (None, None))) for node, kind in kinds.items()]
    db.conn.executemany(
        "insert into lineage_nodes (node, kind, owner, owner_at) values (?, ?, ?, ?) on conflict (node) do update set "
        "kind = min(kind, excluded.kind), "
        "owner = iif((excluded.owner_at, excluded.owner) >= (coalesce(owner_at, 0), coalesce(owner, '')), "
        "excluded.owner, owner), owner_at = max(coalesce(owner_at, 0), coalesce(excluded.owner_at, 0)) "
        "where excluded.kind < kind or excluded.owner is not null",
        rows,
    )
    found = db.conn.execute(
        "select node, id from lineage_nodes where node in (select value from json_each(?))", [json.dumps([*kinds])]
    )
    return dict(found.fetchall())


def _put_edges(db: Database, timed: Timed, nodes: dict[str, int]) -> None:
    seen: dict[tuple[int, int, str, str], int] = {}
    for at, event in timed:
        hour = at // _HOUR_US * _HOUR_US
        for edge in event.edges:
            key = (nodes[edge.downstream], nodes[edge.upstream], edge.downstream_column, edge.upstream_column)
            seen[key] = max(hour, seen.get(key, hour))
    db.conn.executemany(
        "insert into lineage_edges (downstream, upstream, downstream_column, upstream_column, seen_at) "
        "values (?, ?, ?, ?, ?) on conflict do update set seen_at = excluded.seen_at "
        "where seen_at is null or excluded.seen_at > seen_at",
        ((*key, hour) for key, hour in seen.items()),
    )


@dataclass
class _Run:
    """A run as merged from its events. It started when it was first heard of, unless an earlier event comes yet."""

    started_at: int
    state: str
    state_at: int
    ended_at: int | None
    nominal_start: int | None
    nominal_end: int | None
    number: int | None = None
    moved_from: int | None = None

    def take(self, other: "_Run") -> None:
        """A run that has ended has ended, whatever comes late; of two ends the later one stands."""
        if other.started_at < self.started_at:
            self.moved_from = self.started_at if self.moved_from is None else self.moved_from
            self.started_at = other.started_at
        if other.standing > self.standing:
            self.state, self.state_at, self.ended_at = other.state, other.state_at, other.ended_at
        self.nominal_start = _earlier(self.nominal_start, other.nominal_start)
        self.nominal_end = _earlier(self.nominal_end, other.nominal_end)

    @property
    def standing(self) -> tuple[bool, int, str]:
        return (self.state in FINAL, self.state_at, self.state)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((time for time in (one, other) if time is not None), default=None)


def _seen(run: RunSeen, at: int) -> _Run:
    nominal = run.nominal
    return _Run(
        started_at=at,
        state=run.state,
        state_at=at,
        ended_at=at if run.state in FINAL else None,
        nominal_start=microseconds(nominal.nominal_start_time) if nominal else None,
        nominal_end=microseconds(nominal.nominal_end_time) if nominal and nominal.nominal_end_time else None,
    )


_RUN = "started_at, state, state_at, ended_at, nominal_start, nominal_end"


def _put_runs(db: Database, timed: Timed, nodes: dict[str, int]) -> dict[RunKey, _Run]:
    merged: dict[RunKey, _Run] = {}
    keys = {(nodes[event.run.job], event.run.run) for _, event in timed}
    for job, run, number, *fields in _known(db, "lineage_runs", ("job", "run"), keys, f"t.id, {_RUN}"):
        merged[(job, run)] = _Run(*fields)
        merged[(job, run)].number = number
    for at, event in timed:
        key, seen = (nodes[event.run.job], event.run.run), _seen(event.run, at)
        if key in merged:
            merged[key].take(seen)
        else:
            merged[key] = seen
    rows = [
        (*key, run.started_at, run.state, run.state_at, run.ended_at, run.nominal_start, run.nominal_end)
        for key, run in merged.items()
    ]
    db.conn.executemany(
        f"insert into lineage_runs (job, run, {_RUN}) values (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
        "on conflict (job, run) do update set started_at = excluded.started_at, state = excluded.state, "
        "state_at = excluded.state_at, ended_at = excluded.ended_at, nominal_start = excluded.nominal_start, "
        "nominal_end = excluded.nominal_end",
        rows,
    )
    for job, run, number in _known(db, "lineage_runs", ("job", "run"), keys, "t.id"):
        merged[(job, run)].number = number
    _move_statements(db, merged)
    return merged


def _move_statements(db: Database, runs: dict[RunKey, _Run]) -> None:
    """What a run said has its place by the run's start; an event that comes late may have moved that."""
    db.conn.executemany(
        "update lineage_statements set started_at = ? where started_at = ? and run = ? "
        "and key in (select id from lineage_keys where job = ?)",
        [
            (run.started_at, run.moved_from, run.number, job)
            for (job, _), run in runs.items()
            if run.moved_from is not None
        ],
    )


def _put_statistics(db: Database, timed: Timed, nodes: dict[str, int], runs: dict[RunKey, _Run]) -> None:
    said: dict[tuple[int, int], _Statistics] = {}
    for at, event in timed:
        run = _number(runs, nodes, event)
        for told in event.statistics:
            found = said.setdefault((nodes[told.node], run), _Statistics())
            found.take({name: (at, part) for name, part in told.parts.items()}, told.written)
    for node, run, written, parts in _known(db, "lineage_statistics", ("node", "run"), said, "written, parts"):
        said[(node, run)].take(json.loads(parts), written)
    db.conn.executemany(
        "insert into lineage_statistics (node, run, ts, written, parts) values (?, ?, ?, ?, ?) "
        "on conflict (node, run) do update set ts = excluded.ts, written = excluded.written, parts = excluded.parts",
        [
            (*key, found.ts, found.written, json.dumps(found.parts, separators=(",", ":")))
            for key, found in said.items()
        ],
    )


@dataclass
class _Statistics:
    """What a run said of a dataset: each part with the time of the event that said it last."""

    written: bool = False
    parts: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def take(self, parts: dict[str, tuple[int, Any]], written: bool) -> None:
        self.written = self.written or bool(written)
        for name, (at, part) in parts.items():
            known = self.parts.get(name)
            if known is None or at > known[0] or (at == known[0] and json.dumps(part) > json.dumps(known[1])):
                self.parts[name] = (at, part)

    @property
    def ts(self) -> int:
        return max(at for at, _ in self.parts.values())


def _put_statements(db: Database, timed: Timed, nodes: dict[str, int], runs: dict[RunKey, _Run]) -> None:
    said: dict[tuple[StatementKey, int], tuple[int, int, Statement]] = {}
    for at, event in timed:
        job, run = nodes[event.run.job], runs[(nodes[event.run.job], event.run.run)]
        assert run.number is not None
        for statement in event.run.statements:
            place = ((job, nodes[statement.node], str(statement.kind), statement.name), run.number)
            known = said.get(place)
            if known is None or (at, statement.value) >= (known[0], known[2].value):
                said[place] = (at, run.started_at, statement)
    values = _put_values(db, {statement for _, _, statement in said.values()})
    keys = _put_keys(db, {(key, values[_shown(statement)]) for (key, _), (_, _, statement) in said.items()})
    db.conn.executemany(
        "insert into lineage_statements (key, started_at, run, at, value) values (?, ?, ?, ?, ?) "
        "on conflict do update set at = excluded.at, value = excluded.value where excluded.at > at "
        "or (excluded.at = at and (select value from lineage_values where id = excluded.value) "
        "> (select value from lineage_values where id = lineage_statements.value))",
        [
            (keys[key], started_at, run, at, values[_shown(statement)])
            for (key, run), (at, started_at, statement) in said.items()
        ],
    )


def _shown(statement: Statement) -> tuple[str, str | None, str | None, str | None]:
    return (statement.value, statement.url, statement.repository, statement.pull_request)


def _put_values(db: Database, statements: Iterable[Statement]) -> dict[tuple[str | None, ...], int]:
    digests = {digest_of(*shown): shown for shown in sorted(map(_shown, statements), key=repr)}
    db.conn.executemany(
        "insert or ignore into lineage_values (digest, value, url, repository, pull_request) values (?, ?, ?, ?, ?)",
        ((digest, *shown) for digest, shown in digests.items()),
    )
    found = db.conn.execute(
        "select digest, id from lineage_values where digest in (select value from json_each(?))",
        [json.dumps([*digests])],
    )
    return {digests[digest]: number for digest, number in found}


def _put_keys(db: Database, said: set[tuple[StatementKey, int]]) -> dict[StatementKey, int]:
    rows = [(*key, value) for key, value in sorted(said)]
    columns = ("job", "node", "kind", "name")
    db.conn.executemany(
        "insert or ignore into lineage_keys (job, node, kind, name, value) values (?, ?, ?, ?, ?)", rows
    )
    db.conn.executemany(
        "update lineage_keys set varied = 1 "
        "where job = ? and node = ? and kind = ? and name = ? and value <> ? and not varied",
        rows,
    )
    known = _known(db, "lineage_keys", columns, {key for key, _ in said}, "t.id")
    return {(job, node, kind, name): number for job, node, kind, name, number in known}


def _put_facets(db: Database, timed: Timed, nodes: dict[str, int], runs: dict[RunKey, _Run]) -> None:
    """A facet of a run is kept with the run, any other with what it is said of, as it was last said."""
    kept: dict[tuple[int, int, str, str], tuple[int, str]] = {}
    for at, event in timed:
        run = _number(runs, nodes, event)
        for facet in event.kept:
            key = (nodes[facet.node], run if facet.place == "run" else 0, facet.place, facet.name)
            kept[key] = max((at, facet.body), kept.get(key, (at, facet.body)))
    db.conn.executemany(
        "insert into lineage_facets (node, run, place, name, at, body) values (?, ?, ?, ?, ?, ?) "
        "on conflict do update set at = excluded.at, body = excluded.body "
        "where (excluded.at, excluded.body) > (at, body)",
        ((*key, *said) for key, said in kept.items()),
    )


def _number(runs: dict[RunKey, _Run], nodes: dict[str, int], event: Translated) -> int:
    number = runs[(nodes[event.run.job], event.run.run)].number
    assert number is not None
    return number


def _known(
    db: Database, table: str, key: tuple[str, ...], wanted: Iterable[tuple[Any, ...]], columns: str
) -> Iterator[tuple[Any, ...]]:
    """The rows of a table with these keys: the key, then the columns."""
    match = " and ".join(f"t.{name} = json_extract(j.value, '$[{place}]')" for place, name in enumerate(key))
    names = ", ".join(f"t.{name}" for name in key)
    sql = f"select {names}, {columns} from json_each(?) j cross join {table} t on {match}"  # noqa: S608 - our own names
    return iter(db.conn.execute(sql, [json.dumps([*wanted])]).fetchall())
