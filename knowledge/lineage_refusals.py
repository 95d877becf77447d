"""What of OpenLineage events was not taken: how often, for which reason, and the last of each in full."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlite_utils import Database

from knowledge.ingest.openlineage_facets import LeftOut
from knowledge.lineage_times import from_microseconds

Part = Literal["event", "part"]
DETAIL_LIMIT = 2000


@dataclass(frozen=True)
class Refusal:
    """Events, or parts of events that were stored otherwise, which were refused for one reason."""

    part: Part
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    last_detail: str


def count_refusals(db: Database, part: Part, refused: Iterable[LeftOut], at: int) -> None:
    """Add to the counters; `at` is now, in microseconds."""
    told = [*refused]
    counts, details = Counter(one.reason for one in told), {one.reason: one.detail for one in told}
    db.conn.executemany(
        "insert into lineage_refusals values (?, ?, ?, ?, ?, ?) on conflict do update set "
        "count = count + excluded.count, last_at = excluded.last_at, last_detail = excluded.last_detail",
        [(part, reason, n, at, at, details[reason][:DETAIL_LIMIT]) for reason, n in counts.items()],
    )


def refusals(db: Database) -> Sequence[Refusal]:
    """The most recent first."""
    rows = db.query("select * from lineage_refusals order by last_at desc, part, reason")
    return [Refusal(**row | {name: from_microseconds(row[name]) for name in ("first_at", "last_at")}) for row in rows]
