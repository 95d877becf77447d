"""Lineage: datasets and jobs, how data looked after each run, and what changed from one run of a job to the next."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from knowledge.ingest.openlineage import Translated
from knowledge.ingest.openlineage_facets import LeftOut
from knowledge.lineage_changes import changes_of
from knowledge.lineage_refusals import Refusal, count_refusals, refusals
from knowledge.lineage_statistics import statistics_of
from knowledge.lineage_times import from_microseconds, microseconds
from knowledge.lineage_writing import write_events
from knowledge.store import Store
from tools.ports import Direction
from tools.records import Change, DatasetStatistics, JobRun, LineageEdge, LineageNode, Window

_AMONG = "in (select value from json_each(?))"
_EDGES = """
select u.node, d.node, e.upstream_column, e.downstream_column, e.seen_at from lineage_edges e
join lineage_nodes u on u.id = e.upstream join lineage_nodes d on d.id = e.downstream
where {where} order by u.node, d.node, e.upstream_column, e.downstream_column
"""
_PAIRS = """
select u.node, d.node, '', '', max(e.seen_at) from lineage_edges e
join lineage_nodes u on u.id = e.upstream join lineage_nodes d on d.id = e.downstream
where {where} group by e.upstream, e.downstream order by u.node, d.node
"""
_LAST_SEEN = """
select max(ts) from (
    select max(s.ts) as ts from lineage_nodes n join lineage_statistics s on s.node = n.id where n.node = ?
    union all
    select max(r.started_at) from lineage_nodes n join lineage_runs r on r.job = n.id where n.node = ?
)
"""
_ENDS: dict[Direction, tuple[str, str]] = {
    "upstream": ("downstream", "upstream"),
    "downstream": ("upstream", "downstream"),
}
"""The end of an edge that one stands at, and the one that one comes to."""


@dataclass(frozen=True)
class KeptFacet:
    """A facet that is kept as it came, where it stood and when it was last said."""

    place: str
    name: str
    at: datetime
    body: Any


@dataclass(frozen=True)
class Around:
    """The nodes around one, the nearest first, the edges among them, and how many were as near but too many."""

    nodes: Sequence[LineageNode]
    edges: Sequence[LineageEdge]
    left_out: int


class Lineage:
    """Implements `tools.ports.LineagePort` on the store. Events may come late, twice and in any order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def receive(
        self, events: Sequence[Translated], refused: Sequence[LeftOut] = (), now: datetime | None = None
    ) -> None:
        """Store what the events say, and count what of them and besides them was refused, in one transaction.

        The events of a run are merged. A statement of a run (the version of its code, say) that differs from the last
        one made before it in the order of the runs' starts is a `Change` at the start of the run.
        """
        left_out = [part for event in events for part in event.left_out]
        at = microseconds(now or datetime.now(UTC))

        def write(db: Any) -> None:
            if events:
                write_events(db, events)
            count_refusals(db, "event", refused, at)
            count_refusals(db, "part", left_out, at)

        self._store.write(write)

    def refusals(self) -> Sequence[Refusal]:
        """What was not taken and why, the most recent first."""
        return refusals(self._store.reader())

    def node(self, node: str) -> LineageNode | None:
        return self.known([node]).get(node)

    def known(self, nodes: Sequence[str]) -> Mapping[str, LineageNode]:
        """Those of `nodes` that are known, by name and sorted."""
        return {row["node"]: LineageNode.model_validate(_without_id(row)) for row in self._rows(nodes)}

    def edges(self) -> Sequence[LineageEdge]:
        """All edges, in the order of their ends and columns."""
        return self._edges("true", [])

    def edges_at(self, nodes: Sequence[str]) -> Sequence[LineageEdge]:
        """The edges that begin or end at one of `nodes`, in the same order."""
        numbers = json.dumps([row["id"] for row in self._rows(nodes)])
        return self._edges(f"e.upstream {_AMONG} or e.downstream {_AMONG}", [numbers, numbers])

    def reach(self, nodes: Sequence[str], direction: Direction, hops: int | None = None) -> Sequence[LineageEdge]:
        """The edges on all ways that lead from `nodes` against the flow or with it, in the same order.

        Breadth first, so that an edge counts by the shortest way to it; a circle ends where it closes.
        """
        near, _ = _ENDS[direction]
        levels = islice(self._levels(nodes, direction), hops)
        return self._edges(f"e.{near} {_AMONG}", [json.dumps([number for level in levels for number in level])])

    def around(self, node: str, ways: Sequence[Direction], hops: int, most: int) -> Around:
        """The nodes up to `hops` edges away along each of `ways`: itself, then the nearest, those as far by name.

        At most `most` of them, with the edges among them. Column lineage counts as an edge from dataset to dataset.
        """
        distance: dict[int, int] = {}
        for way in ways:
            found = 0
            for hop, level in enumerate(islice(self._levels([node], way), hops + 1)):
                distance |= {number: min(hop, distance.get(number, hop)) for number in level}
                found += len(level)
                if found > most:
                    break  # what is farther is not asked for, and a crowded graph should cost no more
        by_number = {row["id"]: LineageNode.model_validate(_without_id(row)) for row in self._rows(distance)}
        nearest = sorted(by_number, key=lambda number: (distance[number], by_number[number].node))[:most]
        among = json.dumps(nearest)
        return Around(
            [by_number[number] for number in nearest],
            self._edges(f"e.downstream {_AMONG} and +e.upstream {_AMONG}", [among, among], _PAIRS),
            len(by_number) - len(nearest),
        )

    def search(self, contains: str, kind: str | None, limit: int, offset: int) -> tuple[Sequence[LineageNode], int]:
        """A page of the nodes whose name contains a text, by name, and how many there are."""
        where = "where instr(node, :text) and coalesce(:kind, kind) = kind"
        values = {"text": contains, "kind": kind, "limit": limit, "offset": offset}
        db = self._store.reader()
        sql = f"select node, kind, owner from lineage_nodes {where} order by node limit :limit offset :offset"  # noqa: S608
        (total,) = db.conn.execute(f"select count(*) from lineage_nodes {where}", values).fetchone()  # noqa: S608
        return [LineageNode.model_validate(row) for row in db.query(sql, values)], total

    def last_seen(self, node: str) -> datetime | None:
        """When a node was last described, or a run of it last started; None where neither ever happened."""
        (last,) = self._store.reader().conn.execute(_LAST_SEEN, [node, node]).fetchone()
        return None if last is None else from_microseconds(last)

    def has_run(self, job: str, run: str) -> bool:
        sql = "select 1 from lineage_nodes n join lineage_runs r on r.job = n.id where n.node = ? and r.run = ?"
        return self._store.reader().conn.execute(sql, [job, run]).fetchone() is not None

    def statistics(self, node: str, window: Window) -> Sequence[DatasetStatistics]:
        """Oldest first, as `knowledge.lineage_statistics` puts them together from what writers and readers say."""
        return statistics_of(self._store.reader(), node, window)

    def changes(self, node: str, window: Window) -> Sequence[Change]:
        """Oldest first, without the settings that differ in most runs anyway."""
        return changes_of(self._store.reader(), node, window)

    def runs(self, job: str, window: Window) -> Sequence[JobRun]:
        """Those that started in `window`, oldest first."""
        rows = self._store.reader().query(
            "select n.node as job, r.run, r.state, r.started_at, r.ended_at, r.nominal_start, r.nominal_end "
            "from lineage_nodes n join lineage_runs r on r.job = n.id "
            "where n.node = ? and r.started_at >= ? and r.started_at < ? and r.run not like '@%' "
            "order by r.started_at, r.run",
            [job, microseconds(window.start), microseconds(window.end)],
        )
        return [JobRun.model_validate(_with_times(row)) for row in rows]

    def facets(self, node: str, run: str | None = None) -> Sequence[KeptFacet]:
        """The facets that are kept as they came: of a node, or of a run of a job. Sorted."""
        rows = self._store.reader().query(
            "select f.place, f.name, f.at, f.body from lineage_nodes n join lineage_facets f on f.node = n.id "
            "left join lineage_runs r on r.id = f.run where n.node = ? and r.run is ? order by f.place, f.name",
            [node, run],
        )
        return [
            KeptFacet(row["place"], row["name"], from_microseconds(row["at"]), json.loads(row["body"])) for row in rows
        ]

    def readers(self, nodes: Sequence[str]) -> Sequence[str]:
        """The models with a feature that is read from one of `nodes`, sorted."""
        wanted = set(nodes)
        rows = self._store.reader().query("select model, json_extract(record, '$.node') as node from features")
        return sorted({row["model"] for row in rows if row["node"] in wanted})

    def _levels(self, nodes: Sequence[str], way: Direction) -> Iterator[list[int]]:
        """The numbers of `nodes`, of those one edge away, of those two edges away, …; each node once."""
        near, far = _ENDS[way]
        step = f"select distinct {far} from lineage_edges where {near} {_AMONG}"  # noqa: S608 - our own text
        db, level = self._store.reader(), [row["id"] for row in self._rows(nodes)]
        seen = {*level}
        while level:
            yield level
            level = [number for (number,) in db.conn.execute(step, [json.dumps(level)]) if number not in seen]
            seen.update(level)

    def _rows(self, nodes: Iterable[str | int]) -> list[dict[str, Any]]:
        """Those of the nodes that are known, by name or by number, sorted by name."""
        wanted = [*nodes]
        column = "id" if wanted and isinstance(wanted[0], int) else "node"
        sql = f"select id, node, kind, owner from lineage_nodes where {column} {_AMONG} order by node"  # noqa: S608
        return list(self._store.reader().query(sql, [json.dumps(wanted)]))

    def _edges(self, where: str, values: Sequence[str], sql: str = _EDGES) -> list[LineageEdge]:
        """Built without checking them anew: they were checked when they came, and there may be a hundred thousand."""
        rows = self._store.reader().conn.execute(sql.format(where=where), values)
        return [
            LineageEdge.model_construct(
                upstream=above,
                downstream=below,
                upstream_column=above_column or None,
                downstream_column=below_column or None,
                seen_at=None if seen is None else from_microseconds(seen),
            )
            for above, below, above_column, below_column, seen in rows
        ]


def _without_id(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    times = ("started_at", "ended_at", "nominal_start", "nominal_end")
    return row | {name: from_microseconds(row[name]) for name in times if row[name] is not None}
