"""MLflow's runs, model versions and webhooks → our records. No IO.

Webhooks are signed as the docs say (https://mlflow.org/docs/latest/ml/webhooks): HMAC-SHA256 over
`delivery id.timestamp.body`, in base64, behind "v1,".
"""

import base64
import binascii
import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from knowledge.ingest.alertmanager import reasons
from tools.numbers import Num
from tools.records import MetricCurve, PartitionRead, TrainingRun, Utc

MOST_AGE_S = 300
"""How old a webhook may be, as in MLflow's own example: an older one may be a replay."""
PARTITIONS_TAG, PIPELINE_TAG, ARTIFACT_TAG = "hawkeye.partitions", "hawkeye.pipeline", "hawkeye.artifact"
_STATUS: dict[str, Literal["running", "finished", "failed", "killed"]] = {
    "RUNNING": "running", "SCHEDULED": "running", "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed",
}  # fmt: skip


class MalformedMlflow(ValueError):
    """What MLflow sent is refused; the message says what is wrong with it."""


class UnsignedWebhook(Exception):
    """A webhook is refused because nothing proves that MLflow sent it; the message says what is missing."""


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Pair(_Read):
    key: str
    value: str = ""


class Point(_Read):
    """A value of a metric; `timestamp` in milliseconds."""

    key: str
    value: Num
    timestamp: int = 0
    step: int = 0


class _Info(_Read):
    run_id: str
    status: str = ""
    start_time: int = 0
    end_time: int | None = None


class _Data(_Read):
    metrics: list[Point] = []
    params: list[_Pair] = []
    tags: list[_Pair] = []


class Run(_Read):
    """A run as `runs/get` tells it; `data.metrics` holds the last value of each metric."""

    info: _Info
    data: _Data = _Data()


class Version(_Read):
    """A version of a registered model; `creation_timestamp` in milliseconds."""

    name: str
    version: str
    creation_timestamp: int = 0
    run_id: str | None = None
    source: str = ""
    tags: list[_Pair] = []

    def tag(self, key: str) -> str | None:
        return next((tag.value for tag in self.tags if tag.key == key and tag.value), None)


class _Created(_Read):
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)


class Event(_Read):
    """A webhook's body. `data` is read where the event is a new version."""

    entity: str
    action: str
    timestamp: Utc
    data: dict[str, Any] = {}

    def created(self) -> tuple[str, str] | None:
        """The registered model and its new version; None for other events. Raises `MalformedMlflow`."""
        if (self.entity, self.action) != ("model_version", "created"):
            return None
        try:
            told = _Created.model_validate(self.data)
        except ValidationError as error:
            raise MalformedMlflow(f"the new version cannot be read: {reasons(error)}") from None
        return told.name, told.version


def event_of(body: bytes) -> Event:
    """A webhook's body. Raises `MalformedMlflow`."""
    try:
        return Event.model_validate(json.loads(body))
    except ValidationError as error:
        raise MalformedMlflow(f"not a webhook of MLflow: {reasons(error)}") from None
    except (ValueError, RecursionError):
        raise MalformedMlflow("not a webhook of MLflow: the body is no JSON") from None


def check_signature(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Raises `UnsignedWebhook` unless the body was signed with this secret within the last five minutes.

    `headers` have lower-case names.
    """
    names = ("x-mlflow-signature", "x-mlflow-delivery-id", "x-mlflow-timestamp")
    missing = [name for name in names if not headers.get(name)]
    if missing:
        raise UnsignedWebhook(f"the webhook has no {', '.join(missing)}; give it a secret in MLflow")
    signature, delivery, timestamp = (headers[name] for name in names)
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now.timestamp() - int(timestamp)) > MOST_AGE_S:
        raise UnsignedWebhook("the webhook is older than five minutes, or the clocks differ")
    version, _, told = signature.partition(",")
    try:
        given = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    signed = f"{delivery}.{timestamp}.".encode() + body
    if version != "v1" or not hmac.compare_digest(given, hmac.new(secret.encode(), signed, hashlib.sha256).digest()):
        raise UnsignedWebhook("the signature is not that of our secret; give MLflow and us the same one")


def training_run(
    run: Run, history: Mapping[str, Sequence[Point]], model: str, snapshot: str | None = None
) -> TrainingRun:
    """A run of MLflow as ours. Raises `MalformedMlflow`.

    Metrics become curves under their own names, params become parameters. The tag `hawkeye.partitions` holds our
    partitions as JSON, and `hawkeye.pipeline` the pipeline.
    """
    tags = {tag.key: tag.value for tag in run.data.tags}
    try:
        return TrainingRun(
            run=run.info.run_id,
            model=model,
            snapshot=snapshot,
            pipeline=tags.get(PIPELINE_TAG),
            started_at=_time(run.info.start_time),
            ended_at=_time(run.info.end_time) if run.info.end_time else None,
            status=_STATUS.get(run.info.status),
            parameters={param.key: param.value for param in run.data.params},
            partitions=_partitions(tags.get(PARTITIONS_TAG)),
            curves=tuple(_curve(name, points) for name, points in sorted(history.items()) if points),
        )
    except ValidationError as error:
        raise MalformedMlflow(f"the run {run.info.run_id} is no training run: {reasons(error)}") from None


def _partitions(told: str | None) -> tuple[PartitionRead, ...]:
    if not told:
        return ()
    try:
        listed = json.loads(told)
        if not isinstance(listed, list):
            raise MalformedMlflow(f"the tag {PARTITIONS_TAG} must be a list of partitions")
        return tuple(PartitionRead.model_validate(one) for one in listed)
    except ValidationError as error:
        raise MalformedMlflow(f"the tag {PARTITIONS_TAG} holds no partitions: {reasons(error)}") from None
    except json.JSONDecodeError as error:
        raise MalformedMlflow(f"the tag {PARTITIONS_TAG} is no JSON: {error}") from None


def _curve(name: str, points: Sequence[Point]) -> MetricCurve:
    """By step; where a step was logged twice, the later value stands. Metrics without steps go by time."""
    without_steps = len(points) > 1 and all(point.step == 0 for point in points)
    if without_steps:
        ordered = sorted(points, key=lambda point: point.timestamp)
        return MetricCurve(name=name, steps=tuple(range(len(ordered))), values=tuple(p.value for p in ordered))
    by_step: dict[int, Point] = {}
    for point in sorted(points, key=lambda point: (point.step, point.timestamp)):
        by_step[point.step] = point
    return MetricCurve(name=name, steps=tuple(by_step), values=tuple(point.value for point in by_step.values()))


def created_at(version: Version) -> datetime:
    """When a version was registered. Raises `MalformedMlflow`."""
    return _time(version.creation_timestamp)


def _time(milliseconds: int) -> datetime:
    seconds = milliseconds / 1000
    if not math.isfinite(seconds) or not 0 <= seconds < 4e9:
        raise MalformedMlflow(f"{milliseconds} is no time in milliseconds")
    return datetime.fromtimestamp(seconds, UTC)
