"""The checks of published snapshots, in the store."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlite_utils import Database

from knowledge.snapshot_check import CheckState, SnapshotCheck
from knowledge.store import Store
from tools.records import Snapshot


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
        return self.checks([snapshot]).get(snapshot)

    def checks(self, snapshots: Sequence[str]) -> dict[str, SnapshotCheck]:
        """Snapshot → its check, of those that have one."""
        marks = ", ".join("?" * len(snapshots))
        rows = self._store.reader().execute(
            f"SELECT record FROM snapshot_checks WHERE snapshot IN ({marks})",  # noqa: S608  (question marks only)
            list(snapshots),
        )
        found = [SnapshotCheck.model_validate_json(row[0]) for row in rows]
        return {check.snapshot: check for check in found}

    def unfinished(self) -> list[str]:
        """The snapshots whose checks are not done, in the order in which they were asked for."""
        rows = self._store.reader().execute(
            "SELECT snapshot FROM snapshot_checks WHERE state != ? ORDER BY queued_at, rowid", [CheckState.done]
        )
        return [row[0] for row in rows]


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
