"""The event log of investigations: append-only, key (investigation, seq), so that a concurrent write is refused."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlite_utils import Database

from knowledge.store import Store

Row = dict[str, Any]
"""An event as JSON: at least `investigation`, `seq`, `at` and `type`."""


class ConcurrentWrite(Exception):
    """Somebody else wrote to the investigation first; read its events again and decide anew."""


class InvestigationLog:
    """Rows of events. Their types belong to the planner; here they are JSON objects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(self, rows: Sequence[Row]) -> None:
        """Append events of one investigation, all or none. Raises `ConcurrentWrite` when a seq is taken or skipped."""
        try:
            self._store.write(lambda db: _insert(db, rows))
        except sqlite3.IntegrityError as error:
            raise ConcurrentWrite(f"{rows[0]['investigation']} has an event {rows[0]['seq']} already") from error

    def rows(self, investigation: str, after: int = -1) -> list[Row]:
        """The events with a seq above `after`, in order; empty for an unknown investigation."""
        found = self._store.reader().execute(
            "SELECT body FROM events WHERE investigation = ? AND seq > ? ORDER BY seq", [investigation, after]
        )
        return [json.loads(row[0]) for row in found]

    def of_types(self, types: Sequence[str], limit: int, offset: int = 0) -> tuple[list[Row], int]:
        """The events of these types in all investigations, the newest first, and how many there are altogether."""
        marks = ", ".join("?" * len(types))
        reader, where = self._store.reader(), f"FROM events WHERE type IN ({marks})"
        total = reader.execute(f"SELECT count(*) {where}", list(types)).fetchone()[0]
        found = reader.execute(
            f"SELECT body {where} ORDER BY at DESC, rowid DESC LIMIT ? OFFSET ?", [*types, limit, offset]
        )
        return [json.loads(row[0]) for row in found], total

    def ids(self) -> list[str]:
        """Every investigation, the newest first."""
        rows = self._store.reader().execute(
            "SELECT investigation FROM events WHERE seq = 0 ORDER BY at DESC, rowid DESC"
        )
        return [row[0] for row in rows]


def _insert(db: Database, rows: Sequence[Row]) -> None:
    first = rows[0]
    last = db.conn.execute(
        "SELECT coalesce(max(seq), -1) FROM events WHERE investigation = ?", [first["investigation"]]
    ).fetchone()[0]
    if first["seq"] != last + 1:
        raise ConcurrentWrite(f"{first['investigation']} is at event {last}; event {first['seq']} does not follow it")
    db.conn.executemany(
        "INSERT INTO events (investigation, seq, at, type, body) VALUES (?, ?, ?, ?, ?)",
        [(r["investigation"], r["seq"], r["at"], r["type"], json.dumps(r, ensure_ascii=False)) for r in rows],
    )
