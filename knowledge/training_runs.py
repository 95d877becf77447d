"""Training runs: what a snapshot was made from, and how its training went."""

from collections.abc import Sequence
from datetime import datetime

from knowledge.store import Store
from tools.records import TrainingRun


class TrainingRuns:
    """Implements `tools.ports.TrainingPort` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, run: TrainingRun) -> None:
        row = {
            "run": run.run,
            "model": run.model,
            "started_at": int(run.started_at.timestamp()),
            "record": run.model_dump_json(),
        }
        self._store.write(lambda db: db.table("training_runs").upsert(row, pk="run"))

    def run(self, run: str) -> TrainingRun | None:
        row = self._store.reader().execute("SELECT record FROM training_runs WHERE run = ?", [run]).fetchone()
        return TrainingRun.model_validate_json(row[0]) if row else None

    def runs(self, model: str, before: datetime) -> Sequence[TrainingRun]:
        rows = self._store.reader().execute(
            "SELECT record FROM training_runs WHERE model = ? AND started_at < ? ORDER BY started_at, run",
            [model, int(before.timestamp())],
        )
        return [TrainingRun.model_validate_json(row[0]) for row in rows]
