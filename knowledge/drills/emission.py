"""What the platform tells: its records as payloads, sent through the same door that a real platform uses."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.drills import lineage_events
from knowledge.drills.calendar import (
    DAY_START_H,
    PARTITION_H,
    PUBLISH_H,
    TRAIN_H,
    TRAINED_H,
    at,
    iso,
    iso_time,
    snapshot_id,
    utc,
)
from knowledge.drills.feature_jobs import JobRun
from knowledge.drills.features import FEATURES, MODELS
from knowledge.drills.platform import Day, Platform, Published
from knowledge.drills.points import PRODUCT, metric_batches, product_record
from knowledge.drills.practice import JobCode, Practice
from knowledge.drills.randomness import stream
from knowledge.drills.rollout import first_points, rollout_points
from knowledge.drills.samples import samples
from knowledge.drills.training import RECIPES, Partition
from knowledge.receiver import Receiver

BASELINE_DAYS = 7
"""The bin edges of the profiles are fixed on the samples of the first week."""

_TITLES = {"badge_dcn": "Lateness with weather and crossed features", "badge_mlp": "Lateness from history alone"}


class Emission:
    """Sends what a platform did. Call `declare`, then `send` with every day in order, then `finish`."""

    def __init__(
        self, receiver: Receiver, orchestrator: EmbeddedOrchestrator, platform: Platform, practice: Practice
    ) -> None:
        self._receiver, self._orchestrator = receiver, orchestrator
        self._platform, self._practice, self._period = platform, practice, platform.period
        self._held: dict[str, list[pa.Table]] | None = {model: [] for model in MODELS}
        # A change that means nothing, on one of the days before: an investigation must not blame what merely changed.
        self._planes_changed = platform.period.incident - int(stream(practice.seed, "harmless change").integers(1, 7))

    def declare(self) -> None:
        """The product, the models with their features, and the pipelines."""
        self._receiver.receive_product(product_record())
        for model, features in FEATURES.items():
            title, pipeline = _TITLES[model], lineage_events.TRAINING_JOBS[model].pipeline
            self._receiver.receive_model({"model": model, "product": PRODUCT, "title": title, "pipeline": pipeline})
            node = lineage_events.node("serving_features")
            columns = [
                {"feature": name, "kind": features.kind(name), "node": node, "column": name} for name in features.names
            ]
            self._receiver.receive_features({"model": model, "features": columns})
        self._declare_pipelines()

    def _declare_pipelines(self) -> None:
        for job in lineage_events.TRAINING_JOBS.values():
            self._pipeline(job.pipeline, [job.writes], 24.0, at(self._period.incident + 1, TRAIN_H + 24), ())
        for pipeline in sorted({job.pipeline for job in lineage_events.FEATURE_JOBS}):
            writes = [job.writes for job in lineage_events.FEATURE_JOBS if job.pipeline == pipeline]
            started = self._period.now - self._period.now % (6 * 3600)
            self._pipeline(pipeline, writes, 6.0, started + 6 * 3600, (f"{pipeline} {iso_time(started)}",))

    def _pipeline(
        self, pipeline: str, writes: list[str], every_h: float, next_run: int, active: tuple[str, ...]
    ) -> None:
        nodes = [lineage_events.node(dataset) for dataset in writes]
        owner = "badge models" if pipeline.startswith("train_") else "flight data"
        record = {"pipeline": pipeline, "orchestrator": "embedded", "writes": nodes, "every_h": every_h, "owner": owner}
        self._receiver.receive_pipeline(record)
        self._orchestrator.register(pipeline, utc(next_run), active, every_h)

    def send(self, day: Day) -> None:
        """A day's snapshots with their training runs and partitions, its rollout, metric points and samples."""
        for published in day.published:
            self._send_snapshot(published)
        if day.impressions is None:
            return
        for batch in metric_batches(
            day.impressions, self._platform.flights, self._platform.vocabulary, self._period.now
        ):
            self._receiver.receive_metrics(batch)
        for model in MODELS:
            table = samples(
                model, day.impressions, self._platform.flights, self._platform.features.table, self._period.now
            )
            self._send_samples(model, table)
        if self._held is not None and day.day >= self._period.first_emitted + BASELINE_DAYS - 1:
            self._fix_baseline()

    def finish(self) -> None:
        """The lineage of the feature jobs over all emitted days."""
        if self._held is not None:
            self._fix_baseline()
        first = at(self._period.first_emitted, 0)
        for run in self._platform.runs:
            if run.start >= first:
                for event in lineage_events.feature_events(run, self._codes(run), self._period.now):
                    self._receiver.receive_openlineage(event)

    def _codes(self, run: JobRun) -> dict[str, JobCode]:
        codes = {job.name: _code(job.name, "1f6a9c3", 301) for job in lineage_events.FEATURE_JOBS}
        if run.start >= at(self._planes_changed, 18):
            codes["job.clean_planes"] = _code("job.clean_planes", "c70e5d8", 427)
        return codes | {"job.join_weather": run.weather_code}

    def _send_samples(self, model: str, table: pa.Table) -> None:
        if self._held is not None:
            self._held[model].append(table)
        elif len(table):
            self._receiver.receive_samples(table)

    def _fix_baseline(self) -> None:
        """Fix the bin edges on what was held back so far, and then send it."""
        held, self._held = self._held or {}, None
        for model, tables in held.items():
            self._receiver.fix_baseline(model, pa.concat_tables(tables))
            for table in tables:
                self._receiver.receive_samples(table)

    def _send_snapshot(self, published: Published) -> None:
        model, trained = published.model, published.trained
        self._receiver.receive_training_run(self._training_run(published))
        partition = self._partition_table(model, trained.newest)
        span = (at(trained.newest.day, DAY_START_H), at(trained.newest.day + 1, DAY_START_H))
        started, ended = at(trained.day, PARTITION_H), at(trained.day, TRAIN_H)
        code = _code(f"job.training_{model}", "1f6a9c3", 301)
        for event in lineage_events.partition_events(model, partition, started, ended, span, code):
            self._receiver.receive_openlineage(event)
        for record in self._snapshot_records(published):
            self._receiver.receive_snapshot(record)
        first = trained.day == self._period.first_snapshot
        points = first_points(model, trained.day) if first else rollout_points(model, trained.day)
        self._receiver.receive_rollout({"points": points})

    def _snapshot_records(self, published: Published) -> Iterator[dict[str, Any]]:
        """The snapshot before, which has stood for a day and is stable now; and the new one, a candidate."""
        day, first = published.trained.day, self._period.first_snapshot
        if day > first:
            yield _snapshot_record(published.model, day - 1, "stable")
        yield _snapshot_record(published.model, day, "candidate")

    def _partition_table(self, model: str, partition: Partition) -> dict[str, NDArray[Any]]:
        table = self._platform.features.table
        columns = {name: table[name][partition.rows] for name in FEATURES[model].names}
        return {**columns, "late": partition.late}

    def _training_run(self, published: Published) -> dict[str, Any]:
        model, trained = published.model, published.trained
        recipe = RECIPES[model]
        parameters = {
            "learning_rate": f"{trained.learning_rate:g}",
            "momentum": f"{recipe.momentum:g}",
            "batch": str(recipe.batch),
            "epochs": str(recipe.epochs),
            "replay": f"{recipe.replay:g}",
        }
        return {
            "run": run_id(model, trained.day),
            "model": model,
            "snapshot": snapshot_id(model, trained.day),
            "pipeline": lineage_events.TRAINING_JOBS[model].pipeline,
            "started_at": iso_time(at(trained.day, TRAIN_H)),
            "ended_at": iso_time(at(trained.day, TRAINED_H)),
            "parameters": parameters,
            "partitions": [self._partition_read(model, p) for p in (trained.newest, *trained.replayed[::-1])],
            "curves": list(_curves(trained.curves)),
        }

    def _partition_read(self, model: str, partition: Partition) -> dict[str, Any]:
        columns = self._partition_table(model, partition)
        late = int(partition.late.sum())
        nulls = {name: int(np.isnan(values).sum()) for name, values in columns.items() if values.dtype.kind == "f"}
        return {
            "dataset": lineage_events.node(f"training_{model}"),
            "partition": iso(partition.day),
            "rows": len(partition.rows),
            "null_counts": nulls,
            "label_counts": {"late": late, "on_time": len(partition.late) - late},
            "day": {
                "start": iso_time(at(partition.day, DAY_START_H)),
                "end": iso_time(at(partition.day + 1, DAY_START_H)),
            },
        }


def run_id(model: str, day: int) -> str:
    """The id of the training run that publishes the model's snapshot of a day."""
    return f"train_{model}/{iso(day)}"


def _snapshot_record(model: str, day: int, standing: str) -> dict[str, Any]:
    return {
        "snapshot": snapshot_id(model, day),
        "model": model,
        "published_at": iso_time(at(day, PUBLISH_H)),
        "artifact": f"{model}/{iso(day)}.pt2",
        "training_run": run_id(model, day),
        "standing": standing,
    }


def _curves(curves: Mapping[str, list[float]]) -> Iterator[dict[str, Any]]:
    """Every curve with its steps; what was measured before the training stands at step 0, what after, at the last."""
    last = len(curves["loss"])
    steps = {"eval.auc_before": [0], "eval.auc_after": [last]}
    for name, values in sorted(curves.items()):
        yield {"name": name, "steps": steps.get(name, list(range(1, last + 1))), "values": values}


def _code(job: str, version: str, pull_request: int) -> JobCode:
    return JobCode(version, f"features/{job.removeprefix('job.')}.py", pull_request)
