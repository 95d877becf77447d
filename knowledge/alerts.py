"""Alerts as they came in; the same alert sent twice is one alert."""

from knowledge.ingest.alert import Alert
from knowledge.store import Store


class Alerts:
    """The alerts of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, alert: Alert) -> bool:
        """Keep an alert. False when it was there already: the first one stands, so that a repeat changes nothing."""
        row = [alert.alert, alert.started_at.isoformat(), alert.model_dump_json()]
        return self._store.write(
            lambda db: (
                db.conn.execute(
                    "INSERT OR IGNORE INTO alerts (alert, started_at, record) VALUES (?, ?, ?)", row
                ).rowcount
                == 1
            )
        )
