"""What changed from one run of a job to the next: the version of its code, its SQL, parameters, schema, environment."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlite_utils import Database

from knowledge.lineage_times import from_microseconds, microseconds
from tools.records import Change, ChangeKind, Window

RESTLESS = (ChangeKind.parameters, ChangeKind.environment)
"""Settings of a run may differ each time, as its date does; code and schema that do so are still worth telling."""
LOOK_BACK = 20  # runs
_AT_LEAST = 4  # runs that a setting can be called restless by


def changes_of(db: Database, node: str, window: Window) -> Sequence[Change]:
    """The changes of a node in a window, oldest first.

    A change is a statement that differs from the one before it under the same key, in the order of the runs' starts.
    Of parameters and the environment those are left out that differ in more than half of the last `LOOK_BACK` runs
    before the end of the window: nobody changed them.
    """
    start, end = microseconds(window.start), microseconds(window.end)
    found = [*db.query(_DIFFERENCES, {"node": node, "start": start, "end": end})]
    restless = {row["key"] for row in found if row["kind"] in RESTLESS and _is_restless(db, row["key"], end)}
    return [_change(node, row) for row in found if row["key"] not in restless]


# The statement before the window's first one is looked up by the key's own order, so that a long history costs nothing.
_DIFFERENCES = """
with said as (
    select k.id as key, k.kind, k.name, s.started_at, v.value as after, v.url, v.repository, v.pull_request,
        lag(v.value) over (partition by k.id order by s.started_at, r.run) as before
    from lineage_nodes n join lineage_keys k on k.node = n.id and k.varied
    join lineage_statements s on s.key = k.id and s.started_at < :end and s.started_at >= coalesce(
        (select max(started_at) from lineage_statements where key = k.id and started_at < :start), :start)
    join lineage_runs r on r.id = s.run join lineage_values v on v.id = s.value
    where n.node = :node
)
select * from said where before <> after and started_at >= :start order by started_at, kind, name, key
"""
_LAST = """
select v.value from lineage_statements s join lineage_runs r on r.id = s.run join lineage_values v on v.id = s.value
where s.key = ? and s.started_at < ? order by s.started_at desc, r.run desc limit ?
"""


def _is_restless(db: Database, key: int, end: int) -> bool:
    values = [value for (value,) in db.conn.execute(_LAST, [key, end, LOOK_BACK + 1])]
    pairs = [*pairwise(values)]
    return len(pairs) >= _AT_LEAST and sum(one != other for one, other in pairs) > len(pairs) / 2


def _change(node: str, row: dict[str, Any]) -> Change:
    return Change(
        node=node,
        ts=from_microseconds(row["started_at"]),
        kind=row["kind"],
        before=row["before"],
        after=row["after"],
        url=row["url"],
        repository=row["repository"],
        pull_request=row["pull_request"],
    )
