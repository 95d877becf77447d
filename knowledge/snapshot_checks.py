"""The checks of published snapshots: what was asked for, how far it is, and what came of it."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlite_utils import Database

from knowledge.store import Store
from tools.contract import Finding
from tools.records import Id, Record, Snapshot, Utc


class CheckState(StrEnum):
    """How far a check is. `never` is that of a snapshot whose check nobody asked for."""

    never = "never"
    queued = "queued"
    running = "running"
    done = "done"


class CheckOutcome(StrEnum):
    """What came of a check. A snapshot is only called healthy where every part of its check could be made."""

    healthy = "healthy"
    suspicious = "suspicious"
    not_checked = "not_checked"


class SnapshotCheck(Record):
    """The check of a snapshot; key `snapshot`.

    `running` is the tool that runs now, `findings` are those of the tools that are through, in their order. `reasons`
    say in a sentence each why the outcome is what it is. `investigation` is the one that a suspicion has opened.
    """

    snapshot: Id
    model: Id
    state: CheckState
    queued_at: Utc
    finished_at: Utc | None = None
    running: str | None = None
    findings: tuple[Finding, ...] = ()
    outcome: CheckOutcome | None = None
    reasons: tuple[str, ...] = ()
    investigation: str | None = None


class SnapshotChecks:
    """Checks by snapshot."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def queue(self, snapshot: Snapshot) -> bool:
        """Ask for the check of a snapshot. False where it was asked for before: a snapshot is checked once."""
        return self._store.write(lambda db: queue(db, snapshot))

    def save(self, check: SnapshotCheck) -> None:
        """Keep how far a check is."""
        self._store.write(lambda db: db.table("snapshot_checks").upsert(_row(check), pk="snapshot"))

    def check(self, snapshot: str) -> SnapshotCheck | None:
        found = self._records("SELECT record FROM snapshot_checks WHERE snapshot = ?", snapshot)
        return found[0] if found else None

    def of_model(self, model: str) -> dict[str, SnapshotCheck]:
        """Snapshot → its check."""
        found = self._records("SELECT record FROM snapshot_checks WHERE model = ?", model)
        return {check.snapshot: check for check in found}

    def unfinished(self) -> list[str]:
        """The snapshots whose checks are not done, in the order in which they were asked for."""
        rows = self._store.reader().execute(
            "SELECT snapshot FROM snapshot_checks WHERE state != ? ORDER BY queued_at, rowid", [CheckState.done]
        )
        return [row[0] for row in rows]

    def _records(self, query: str, key: str) -> list[SnapshotCheck]:
        return [SnapshotCheck.model_validate_json(row[0]) for row in self._store.reader().execute(query, [key])]


def queue(db: Database, snapshot: Snapshot) -> bool:
    """Queue a check within a write of the store; False where there is one already."""
    check = SnapshotCheck(
        snapshot=snapshot.snapshot, model=snapshot.model, state=CheckState.queued, queued_at=datetime.now(UTC)
    )
    done = db.conn.execute(
        "INSERT OR IGNORE INTO snapshot_checks (snapshot, model, state, queued_at, record) "
        "VALUES (:snapshot, :model, :state, :queued_at, :record)",
        _row(check),
    )
    return done.rowcount == 1


def _row(check: SnapshotCheck) -> dict[str, str]:
    return {
        "snapshot": check.snapshot,
        "model": check.model,
        "state": check.state.value,
        "queued_at": check.queued_at.isoformat(),
        "record": check.model_dump_json(),
    }
