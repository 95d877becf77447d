"""The records that the platform sends and the tools read. Times are UTC; ids are chosen by the sender.

Every record can be sent twice without harm: its natural key is named in its docstring, and the later one wins.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tools.numbers import Num


def _as_utc(value: datetime) -> datetime:
    """A time without a zone is refused rather than guessed: an hour's error would move an onset."""
    if value.tzinfo is None:
        raise ValueError("a time needs its zone, for example 2013-05-04T10:00:00Z")
    return value.astimezone(UTC)


Utc = Annotated[datetime, AfterValidator(_as_utc)]
Id = Annotated[str, Field(min_length=1, max_length=200)]
NodeId = Annotated[str, Field(min_length=1, max_length=1000)]
"""A lineage node, `namespace:name`. Paths of tables are longer than what people choose as ids."""


class Record(BaseModel):
    """Immutable, and strict about unknown fields so that a misspelt one is refused and not lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(Record):
    """A half-open span of time, [start, end)."""

    start: Utc
    end: Utc

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if self.end <= self.start:
            raise ValueError(
                f"a window must end after it starts: {self.start:%Y-%m-%dT%H:%M} to {self.end:%Y-%m-%dT%H:%M}"
            )
        return self

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    def contains(self, ts: datetime) -> bool:
        return self.start <= ts < self.end

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


class MetricRole(StrEnum):
    """What a metric says: the product's own figure, or a figure of the models behind it."""

    topline = "topline"
    calibration = "calibration"  # Σ prediction / Σ label
    log_loss = "log_loss"  # Σ loss / n
    prediction_mean = "prediction_mean"  # Σ prediction / n; needs no label
    label_rate = "label_rate"  # Σ label / n


class Metric(Record):
    """A metric of a product; key (product, name). `better` says which direction is good for the product."""

    name: Id
    role: MetricRole
    better: Literal["higher", "lower", "neither"]
    title: str


class Product(Record):
    """A product with the metrics it is watched by; key `product`."""

    product: Id
    title: str
    metrics: tuple[Metric, ...]


class Model(Record):
    """A model that serves a product; key `model`. `pipeline` is the training pipeline that publishes its snapshots."""

    model: Id
    product: Id
    title: str
    pipeline: Id | None = None


class Standing(StrEnum):
    candidate = "candidate"
    stable = "stable"
    suspect = "suspect"
    bad = "bad"


class Snapshot(Record):
    """A published set of weights; key `snapshot`. `artifact` is a path below a configured snapshot root."""

    snapshot: Id
    model: Id
    published_at: Utc
    artifact: str | None = None
    training_run: Id | None = None
    standing: Standing = Standing.candidate


class RolloutPoint(Record):
    """From `ts` on, `share` of the arm's traffic is served by `snapshot`; key (model, snapshot, arm, ts)."""

    model: Id
    snapshot: Id
    arm: Id
    ts: Utc
    share: float = Field(ge=0, le=1)


class Feature(Record):
    """An input of a model; key (model, feature). `node` is the lineage dataset, `column` its column there."""

    model: Id
    feature: Id
    kind: Literal["dense", "categorical"]
    node: NodeId | None = None
    column: str | None = None


class Histogram(Record):
    """How many values lie from each edge up to the next one; one count fewer than edges, which rise."""

    edges: tuple[Num, ...]
    counts: tuple[int, ...]


class ColumnStatistics(Record):
    """Statistics of one column of a dataset over one run (OpenLineage dataQualityMetrics, variance and histogram).

    `quantiles` are by their share, "0.5" for the median.
    """

    null_count: int | None = None
    distinct_count: int | None = None
    min: Num | None = None
    max: Num | None = None
    mean: Num | None = None
    variance: Num | None = None
    quantiles: dict[str, Num] = {}
    histogram: Histogram | None = None


class Assertion(Record):
    """A check of the data that the platform made itself, and how it came out."""

    assertion: str
    column: str | None = None
    success: bool


class DatasetStatistics(Record):
    """Statistics of a dataset as one run of `job` told them; key (node, job, run).

    `last_updated` is when the rows were last written, where the run says so. `left_out` is column → why figures of it
    were not taken: they contradict the schema or the counts that came with them.
    """

    node: NodeId
    ts: Utc
    job: NodeId | None = None
    run: Id | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    file_count: int | None = None
    last_updated: Utc | None = None
    columns: dict[str, ColumnStatistics] = {}
    left_out: dict[str, str] = {}
    assertions: tuple[Assertion, ...] = ()


class ChangeKind(StrEnum):
    code = "code"
    sql = "sql"
    parameters = "parameters"
    schema_ = "schema"
    environment = "environment"


class Change(Record):
    """Something about a job or dataset that is not as it was in its previous run."""

    node: NodeId
    ts: Utc
    kind: ChangeKind
    before: str
    after: str
    url: str | None = None
    repository: str | None = None
    pull_request: str | None = None


class LineageNode(Record):
    """A dataset or a job, `namespace:name`; key `node`."""

    node: NodeId
    kind: Literal["dataset", "job"]
    owner: str | None = None


class LineageEdge(Record):
    """Data flows from `upstream` to `downstream`; with columns where column lineage is known.

    `seen_at` is the hour in which an event last said so: an input that a job gave up long ago is told by it.
    """

    upstream: NodeId
    downstream: NodeId
    upstream_column: str | None = None
    downstream_column: str | None = None
    seen_at: Utc | None = None


class JobRun(Record):
    """A run of a job as merged from its events; key (job, run).

    `state` is OpenLineage's. The nominal times are those that an orchestrator gave it to work on.
    """

    job: NodeId
    run: Id
    state: Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
    started_at: Utc
    ended_at: Utc | None = None
    nominal_start: Utc | None = None
    nominal_end: Utc | None = None


class PartitionRead(Record):
    """A partition that a training run read, with what was in it.

    `duplicates` is how many rows repeat another one. `columns` are the statistics of its columns (a null count there
    and in `null_counts` are the same figure), `label_correlations` column → correlation of its values with the label.
    `written_at` is when the partition was complete.
    """

    dataset: Id
    partition: str
    rows: int
    null_counts: dict[str, int] = {}
    label_counts: dict[str, int] = {}
    day: Window | None = None  # the event times of its rows, where the partition is one of time
    duplicates: int | None = None
    columns: dict[str, ColumnStatistics] = {}
    label_correlations: dict[str, Num] = {}
    written_at: Utc | None = None

    def nulls(self, column: str) -> int | None:
        """How many values of a column are null; None where nobody counted."""
        told = self.columns.get(column)
        return self.null_counts.get(column, told.null_count if told else None)


class MetricCurve(Record):
    """A training metric by step."""

    name: Id
    steps: tuple[int, ...]
    values: tuple[Num, ...]

    @model_validator(mode="after")
    def _same_length(self) -> "MetricCurve":
        if len(self.steps) != len(self.values):
            raise ValueError(f"curve {self.name!r} has {len(self.steps)} steps but {len(self.values)} values")
        return self


class Confusion(Record):
    """What a model answered on held-out rows: `counts[i][j]` of label i were given label j.

    Of two labels, the second is answered where the prediction is at least `threshold`; of more, the prediction is the
    answered label itself where all labels are numbers, else its place in `labels`, from 0.
    """

    labels: tuple[str, ...] = Field(min_length=2, max_length=50)
    counts: tuple[tuple[int, ...], ...]
    threshold: float = 0.5

    @model_validator(mode="after")
    def _square(self) -> "Confusion":
        if [len(row) for row in self.counts] != [len(self.labels)] * len(self.labels):
            raise ValueError(f"a confusion of {len(self.labels)} labels needs as many rows of as many counts")
        return self


class TrainingRun(Record):
    """The run that made a snapshot; key `run`."""

    run: Id
    model: Id
    snapshot: Id | None = None
    pipeline: Id | None = None
    started_at: Utc
    ended_at: Utc | None = None
    status: Literal["running", "finished", "failed", "killed"] | None = None
    parameters: dict[str, str] = {}
    partitions: tuple[PartitionRead, ...] = ()
    curves: tuple[MetricCurve, ...] = ()
    confusion: Confusion | None = None


class Pipeline(Record):
    """A scheduled job of an orchestrator; key `pipeline`. Its state is read from the orchestrator, never kept here.

    `orchestrator` is its name in the settings; `orchestrator_id` is what the pipeline is called there, where that is
    something else.
    """

    pipeline: Id
    orchestrator: str
    orchestrator_id: Id | None = None
    writes: tuple[Id, ...] = ()
    every_h: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    owner: str | None = None


class PipelineState(Record):
    """What the orchestrator says about a pipeline at this moment."""

    pipeline: Id
    paused: bool
    active_runs: tuple[str, ...] = ()
    next_run_at: Utc | None = None
    read_at: Utc | None = None


class Cube:
    """Metric points of one metric as columns, by time and then by dimensions, so that the bits are always the same.

    `ts` int64[n] unix seconds; `dims` name → str[n], "" where absent; `numerator` and `denominator` float64[n].
    """

    def __init__(
        self, ts: np.ndarray, dims: dict[str, np.ndarray], numerator: np.ndarray, denominator: np.ndarray
    ) -> None:
        self.ts, self.dims, self.numerator, self.denominator = ts, dims, numerator, denominator

    def __len__(self) -> int:
        return len(self.ts)

    def where(self, mask: np.ndarray) -> "Cube":
        """The rows where `mask` (bool[n]) holds."""
        dims = {name: values[mask] for name, values in self.dims.items()}
        return Cube(self.ts[mask], dims, self.numerator[mask], self.denominator[mask])

    def within(self, window: Window) -> "Cube":
        """The rows whose time lies in `window`."""
        return self.where((self.ts >= window.start.timestamp()) & (self.ts < window.end.timestamp()))


class Samples:
    """Sampled predictions of one model as columns, oldest first.

    `ts` int64[n] unix seconds; `snapshot` str[n]; `features` name → float64[n], NaN where null (a categorical one as
    its id), or float64[n, k] for a sequence or a bag, NaN behind its end; `prediction` and `label` float64[n],
    the label NaN where none has come.
    """

    def __init__(
        self,
        ts: np.ndarray,
        snapshot: np.ndarray,
        features: dict[str, np.ndarray],
        prediction: np.ndarray,
        label: np.ndarray | None = None,
    ) -> None:
        self.ts, self.snapshot, self.features, self.prediction = ts, snapshot, features, prediction
        self.label = np.full(len(ts), np.nan) if label is None else label

    def __len__(self) -> int:
        return len(self.ts)

    def where(self, mask: np.ndarray) -> "Samples":
        """The rows where `mask` (bool[n]) holds."""
        features = {name: values[mask] for name, values in self.features.items()}
        return Samples(self.ts[mask], self.snapshot[mask], features, self.prediction[mask], self.label[mask])

    @classmethod
    def none(cls) -> "Samples":
        """No sample at all."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=str), {}, np.empty(0))
