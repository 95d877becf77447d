"""What the platform sends comes in here: payload → records → store. The drills use the same door as a real platform.

Every method can be called twice with the same payload without harm. A payload that is not right is refused whole, with
every reason, before anything of it is stored.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, TypeAdapter, ValidationError

from knowledge.alerts import Alerts
from knowledge.ingest import alertmanager
from knowledge.ingest.alert import Alert
from knowledge.ingest.sample_rows import KnownModel, RefusedRows, models_of, sort_labels, sort_samples
from knowledge.ingest.samples import read_samples
from knowledge.lineage import Lineage
from knowledge.lineage_intake import LineageIntake
from knowledge.metrics import Metrics
from knowledge.models import Models
from knowledge.pipelines import Pipelines
from knowledge.profiles import ProfileStore
from knowledge.samples import RecentSamples
from knowledge.telemetry.batches import MalformedSamples
from knowledge.telemetry.collector import Collector
from knowledge.training_runs import TrainingRuns
from tools.records import Cube, Feature, Model, Pipeline, Product, RolloutPoint, Snapshot, Standing, TrainingRun, Window

M = TypeVar("M", bound=BaseModel)


class MalformedPayload(ValueError):
    """The payload is refused; the message says what is wrong with it."""


class Receiver:
    """The one door for telemetry. `baseline` is how far back an alert's baseline window reaches.

    `openlineage` takes OpenLineage events one by one or in batches, as their clients send them.
    """

    def __init__(
        self,
        *,
        metrics: Metrics,
        models: Models,
        lineage: Lineage,
        training: TrainingRuns,
        pipelines: Pipelines,
        profiles: ProfileStore,
        samples: RecentSamples,
        alerts: Alerts,
        baseline: timedelta,
        heavy: Executor | None = None,
    ) -> None:
        self._metrics, self._models, self.openlineage = metrics, models, LineageIntake(lineage)
        self._training, self._pipelines, self._alerts, self._baseline = training, pipelines, alerts, baseline
        self._samples = samples
        self._collector = Collector(profiles, samples, self._categorical, self._stable, heavy)
        self._on_new_snapshot: Callable[[Snapshot], None] | None = None

    def watch_snapshots(self, on_new: Callable[[Snapshot], None] | None) -> None:
        """From now on, queue the check of every new snapshot and tell `on_new` of it; None stops that."""
        self._on_new_snapshot = on_new

    def receive_product(self, payload: object) -> None:
        self._metrics.put_product(_read(Product, payload))

    def receive_model(self, payload: object) -> None:
        self._models.put_model(_read(Model, payload))

    def receive_features(self, payload: Mapping[str, Any]) -> None:
        """{"model": …, "features": [{"feature", "kind", "node", "column"}, …]}, in the order of the model's inputs."""
        rows = [{"model": payload.get("model"), **feature} for feature in payload.get("features", ())]
        self._models.put_features(_read_all(Feature, rows))

    def receive_snapshot(self, payload: object) -> bool:
        """Whether it is new. Nothing checks it unless somebody watches. A stable one settles the model's bin edges."""
        snapshot, on_new = _read(Snapshot, payload), self._on_new_snapshot
        is_new = self._models.put_snapshot(snapshot, queue_check=on_new is not None)
        if snapshot.standing is Standing.stable:
            self._collector.settle(snapshot.model)
        if is_new and on_new is not None:
            on_new(snapshot)
        return is_new

    def receive_rollout(self, payload: Mapping[str, Any]) -> None:
        self._models.put_rollouts(_read_all(RolloutPoint, payload.get("points", ())))

    def receive_training_run(self, payload: object) -> None:
        self._training.put(_read(TrainingRun, payload))

    def receive_pipeline(self, payload: object) -> None:
        self._pipelines.put(_read(Pipeline, payload))

    def receive_openlineage(self, payload: object, now: datetime | None = None) -> tuple[str, ...]:
        """An OpenLineage event; on disk when this returns with what of it was left out, and why.

        Raises `openlineage.MalformedEvent` with the reason where the event is refused; it is counted.
        """
        return self.openlineage.receive(payload, now)

    def receive_metrics(self, payload: Mapping[str, Any]) -> None:
        """A batch as columns: product, metric, ts (unix seconds), dimensions {name: values}, numerator, denominator."""
        product, metric = payload.get("product"), payload.get("metric")
        known = self._metrics.product(product) if isinstance(product, str) else None
        if known is None:
            raise MalformedPayload(f"product {product!r} is not known; send its product record first")
        if metric not in {m.name for m in known.metrics}:
            names = ", ".join(m.name for m in known.metrics)
            raise MalformedPayload(f"{product} has no metric {metric!r}; it has {names}. Add it to the product record")
        self._metrics.put(known.product, str(metric), _cube(payload))

    def fix_baseline(self, model: str, samples: pa.Table) -> None:
        """Fix the bin edges of a model's profiles from these samples; do it once, before others are folded."""
        self._collector.fix_baseline(model, samples)

    def receive_samples(self, samples: pa.Table) -> None:
        """A batch of prediction samples, folded into profiles; the newest of each model are kept as rows besides."""
        self._collector.fold(samples)

    def receive_sample_file(self, body: bytes, content_type: str) -> tuple[int, tuple[RefusedRows, ...]]:
        """The samples of a Parquet or Arrow body: how many rows were taken, and the others with the reason.

        On disk when this returns. Raises `UnreadableSamples` and `MalformedSamples` where the body is refused whole.
        """
        table = read_samples(body, content_type)
        taken, refused = sort_samples(table, self._known_models(table), datetime.now(UTC))
        _anything(taken, refused)
        self.receive_samples(taken)
        return len(taken), refused

    def receive_label_file(self, body: bytes, content_type: str) -> tuple[int, tuple[RefusedRows, ...]]:
        """The labels of a Parquet or Arrow body, joined to samples by request id, and otherwise as above."""
        table = read_samples(body, content_type)
        try:
            taken, refused = sort_labels(table, self._known_models(table))
        except ValueError as error:
            raise MalformedSamples(str(error)) from None
        _anything(taken, refused)
        self._samples.label(taken)
        return len(taken), refused

    def _known_models(self, table: pa.Table) -> dict[str, KnownModel]:
        """What is known of the models that a table names."""
        return {
            name: KnownModel(
                {one.snapshot for one in self._models.snapshots(name)}, {f.feature for f in self._models.features(name)}
            )
            for name in set(models_of(table)) & set(self._models.names())
        }

    def receive_alert(self, payload: object, now: datetime | None = None) -> list[Alert]:
        """The firing alerts of an Alertmanager webhook payload, stored. Their product and metric must be known.

        An alert that still fires ends with the newest point of its metric, or `now`, whichever is first.
        """
        now = now or datetime.now(UTC)
        alerts = [self._clamped(alert) for alert in alertmanager.translate(payload, now, self._baseline)]
        for alert in alerts:
            self._alerts.put(alert)
        return alerts

    def check_known(self, alert: Alert) -> None:
        """Raises `MalformedPayload` where the product or metric of an alert is not known."""
        product = self._metrics.product(alert.product)
        if product is None:
            known = ", ".join(self._metrics.products()) or "none yet"
            raise MalformedPayload(f"the alert's product {alert.product!r} is not known; known: {known}")
        if alert.metric not in {m.name for m in product.metrics}:
            names = ", ".join(m.name for m in product.metrics)
            raise MalformedPayload(f"{alert.product} has no metric {alert.metric!r}; it has {names}")

    def _categorical(self, model: str) -> set[str]:
        return {one.feature for one in self._models.features(model) if one.kind == "categorical"}

    def _stable(self, model: str) -> set[str]:
        return {one.snapshot for one in self._models.snapshots(model) if one.standing is Standing.stable}

    def _clamped(self, alert: Alert) -> Alert:
        self.check_known(alert)
        span = self._metrics.span(alert.product, alert.metric)
        if span is None or span.end <= alert.window.start or span.end >= alert.window.end:
            return alert
        # Points are stamped with the start of their hour: the last one speaks for the hour after it.
        end = min(alert.window.end, span.end.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
        return alert.model_copy(update={"window": Window(start=alert.window.start, end=end)})


def _anything(taken: pa.Table, refused: Sequence[RefusedRows]) -> None:
    """A body of which nothing is to be taken is refused whole."""
    if refused and not len(taken):
        raise MalformedSamples(f"every row is refused: {'; '.join(f'{one.reason} ({one.rows})' for one in refused)}")


def _read(kind: type[M], payload: object) -> M:
    try:
        return kind.model_validate(payload)
    except ValidationError as error:
        raise MalformedPayload(f"not a {kind.__name__.lower()}: {alertmanager.reasons(error)}") from None


def _read_all(kind: type[M], payload: Sequence[object]) -> list[M]:
    try:
        return TypeAdapter(list[kind]).validate_python(payload)  # type: ignore[valid-type]
    except ValidationError as error:
        raise MalformedPayload(f"not a list of {kind.__name__.lower()}s: {alertmanager.reasons(error)}") from None


def _cube(payload: Mapping[str, Any]) -> Cube:
    try:
        ts = np.asarray(payload["ts"], dtype=np.int64)
        dims = {str(name): np.asarray(values, dtype=str) for name, values in payload.get("dimensions", {}).items()}
        numerator = np.asarray(payload["numerator"], dtype=np.float64)
        denominator = np.asarray(payload["denominator"], dtype=np.float64)
    except KeyError as error:
        raise MalformedPayload(f"a metric batch needs the column {error}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise MalformedPayload(f"a column of the metric batch cannot be read: {error}") from None
    lengths = {"ts": len(ts), "numerator": len(numerator), "denominator": len(denominator)}
    lengths |= {name: len(values) for name, values in dims.items()}
    if len(set(lengths.values())) != 1:
        raise MalformedPayload(f"the columns of a metric batch must be equally long, and are {lengths}")
    return Cube(ts, dims, numerator, denominator)
