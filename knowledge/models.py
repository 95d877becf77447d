"""Models, their features, snapshots and rollouts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel
from sqlite_utils import Database

from knowledge.snapshot_checks import queue
from knowledge.store import Store
from tools.records import Feature, Model, RolloutPoint, Snapshot

R = TypeVar("R", bound=BaseModel)


class Models:
    """Implements `tools.ports.ModelsPort` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_model(self, model: Model) -> None:
        row = {"model": model.model, "product": model.product, "record": model.model_dump_json()}
        self._store.write(lambda db: db.table("models").upsert(row, pk="model"))

    def put_features(self, features: Sequence[Feature]) -> None:
        """Keeps the order given: it is the order of the model's inputs."""
        rows = [
            {"model": f.model, "feature": f.feature, "position": i, "record": f.model_dump_json()}
            for i, f in enumerate(features)
        ]
        self._store.write(lambda db: db.table("features").upsert_all(rows, pk=("model", "feature")))

    def put_snapshot(self, snapshot: Snapshot, queue_check: bool = False) -> bool:
        """Whether the snapshot is new. With `queue_check`, the check of a new one is queued in the same write, so that
        neither is ever there without the other."""
        row = {
            "snapshot": snapshot.snapshot,
            "model": snapshot.model,
            "published_at": int(snapshot.published_at.timestamp()),
            "record": snapshot.model_dump_json(),
        }

        def write(db: Database) -> bool:
            known = db.conn.execute("SELECT 1 FROM snapshots WHERE snapshot = ?", [snapshot.snapshot]).fetchone()
            db.table("snapshots").upsert(row, pk="snapshot")
            if queue_check and not known:
                queue(db, snapshot)
            return not known

        return self._store.write(write)

    def put_rollouts(self, points: Sequence[RolloutPoint]) -> None:
        rows = [{**point.model_dump(), "ts": int(point.ts.timestamp())} for point in points]
        self._store.write(lambda db: db.table("rollouts").upsert_all(rows, pk=("model", "snapshot", "arm", "ts")))

    def names(self) -> list[str]:
        """Every model that is known, be it only by a snapshot, in order."""
        rows = self._store.reader().execute("SELECT model FROM models UNION SELECT model FROM snapshots ORDER BY 1")
        return [row[0] for row in rows]

    def models(self, product: str) -> list[Model]:
        return self._all(Model, "SELECT record FROM models WHERE product = ? ORDER BY model", product)

    def model(self, model: str) -> Model | None:
        return next(iter(self._all(Model, "SELECT record FROM models WHERE model = ?", model)), None)

    def snapshots(self, model: str) -> list[Snapshot]:
        query = "SELECT record FROM snapshots WHERE model = ? ORDER BY published_at, snapshot"
        return self._all(Snapshot, query, model)

    def snapshot(self, snapshot: str) -> Snapshot | None:
        return next(iter(self._all(Snapshot, "SELECT record FROM snapshots WHERE snapshot = ?", snapshot)), None)

    def features(self, model: str) -> list[Feature]:
        return self._all(Feature, "SELECT record FROM features WHERE model = ? ORDER BY position, feature", model)

    def rollouts(self, model: str) -> list[RolloutPoint]:
        rows = self._store.reader().execute(
            "SELECT model, snapshot, arm, ts, share FROM rollouts WHERE model = ? ORDER BY ts, arm, snapshot", [model]
        )
        return [
            RolloutPoint(model=m, snapshot=s, arm=arm, ts=datetime.fromtimestamp(ts, UTC), share=share)
            for m, s, arm, ts, share in rows
        ]

    def _all(self, kind: type[R], query: str, key: str) -> list[R]:
        rows = self._store.reader().execute(query, [key])
        return [kind.model_validate_json(row[0]) for row in rows]
