"""OpenLineage events of the platform's jobs: what each run read and wrote, with statistics and the version of its code.

A run of a feature job keeps its tables current for six hours: it starts with them and completes after them, and its
statistics are those of the rows of these hours.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import iso_time
from knowledge.drills.feature_jobs import JobRun
from knowledge.drills.features import FEATURES
from knowledge.drills.flights import Columns, rows_of
from knowledge.drills.practice import JobCode

NAMESPACE = "flights"
_PRODUCER = "https://example.invalid/flights/platform"
_SCHEMAS = "https://openlineage.io/spec/facets"
_REPOSITORY = "https://example.invalid/flights/platform.git"
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, _PRODUCER)


@dataclass(frozen=True)
class Job:
    """A job of the platform: what it reads and writes, and the pipeline that it belongs to."""

    name: str
    reads: tuple[str, ...]
    writes: str
    pipeline: str


FEATURE_JOBS = (
    Job("job.clean_flights", ("raw_flights",), "clean_flights", "clean_tables"),
    Job("job.clean_weather", ("raw_weather",), "clean_weather", "clean_tables"),
    Job("job.clean_planes", ("raw_planes",), "clean_planes", "clean_tables"),
    Job("job.join_weather", ("clean_flights", "clean_weather"), "weather_joined", "weather_features"),
    Job("job.join_aircraft", ("clean_flights", "clean_planes"), "aircraft_joined", "aircraft_features"),
    Job("job.build_history", ("clean_flights", "aircraft_joined"), "history", "history_features"),
    Job(
        "job.assemble_features",
        ("clean_flights", "weather_joined", "aircraft_joined", "history"),
        "serving_features",
        "serving_features",
    ),
)
TRAINING_JOBS = {
    model: Job(f"job.training_{model}", ("serving_features", "clean_flights"), f"training_{model}", f"train_{model}")
    for model in FEATURES
}
_OUR_NAMES = frozenset({"label_at", "departed_at", "departure_known_at", "route_id", "number_id"})


def node(dataset: str) -> str:
    """The lineage node of a dataset or job."""
    return f"{NAMESPACE}:{dataset}"


def feature_events(run: JobRun, codes: Mapping[str, JobCode], now: int) -> Iterator[dict[str, Any]]:
    """The events of one six-hourly run of all feature jobs, as far as they lie before `now`."""
    described = {name: _quality(table) for name, table in run.tables.items()} if run.end <= now else {}
    for job in FEATURE_JOBS:
        code = codes[job.name]
        if run.start <= now:
            yield _event("START", job, run.start, run.start, run.end, code, {})
        if run.end <= now:
            # A job describes what it writes, and of what it reads only the sources, which no job of ours writes.
            told = [name for name in job.reads if name.startswith("raw_")]
            facets = {name: _described(name, run.tables, described) for name in (*told, job.writes)}
            facets[job.writes] |= _columns_from(job, run.tables)
            yield _event("COMPLETE", job, run.end, run.start, run.end, code, facets)


def partition_events(
    model: str, table: Columns, started: int, ended: int, partition: tuple[int, int], code: JobCode
) -> Iterator[dict[str, Any]]:
    """The events of the daily run that writes a training partition, `partition` being the span of its rows (unix s)."""
    job = TRAINING_JOBS[model]
    facets: dict[str, dict[str, Any]] = {name: {} for name in (*job.reads, job.writes)}
    facets[job.writes] = {"schema": _schema(table)} | _quality(table)
    sources = {name: ("serving_features", name) for name in FEATURES[model].names} | {"late": ("clean_flights", "late")}
    facets[job.writes]["columnLineage"] = _column_lineage(sources)
    yield _event("START", job, started, *partition, code, {})
    yield _event("COMPLETE", job, ended, *partition, code, facets)


def _event(
    kind: str, job: Job, at: int, start: int, end: int, code: JobCode, facets: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    nominal = {"nominalStartTime": iso_time(start), "nominalEndTime": iso_time(end)}
    location = {
        "type": "git",
        "url": f"{_REPOSITORY.removesuffix('.git')}/blob/{code.version}/{code.path}",
        "repoUrl": _REPOSITORY,
        "path": code.path,
        "version": code.version,
        "pullRequestNumber": str(code.pull_request),
    }
    return {
        "eventTime": iso_time(at),
        "eventType": kind,
        "producer": _PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": str(uuid.uuid5(_IDS, f"{job.name} {start}")),
            "facets": {"nominalTime": _facet("NominalTimeRunFacet", nominal)},
        },
        "job": {
            "namespace": NAMESPACE,
            "name": job.name,
            "facets": {"sourceCodeLocation": _facet("SourceCodeLocationJobFacet", location)},
        },
        "inputs": [_dataset(name, facets) for name in job.reads],
        "outputs": [_dataset(job.writes, facets)],
    }


def _facet(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SCHEMAS}/1-0-0/{kind}.json", **content}


def _dataset(name: str, facets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"namespace": NAMESPACE, "name": name, "facets": dict(facets.get(name, {}))}


def _described(name: str, tables: Mapping[str, Columns], described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"schema": _schema(tables[name]), **described[name]}


def _schema(table: Columns) -> dict[str, Any]:
    kinds = {"f": "double", "i": "long", "b": "boolean", "U": "string"}
    fields = [{"name": name, "type": kinds[values.dtype.kind]} for name, values in _shown(table)]
    return _facet("SchemaDatasetFacet", {"fields": fields})


def _shown(table: Columns) -> Iterator[tuple[str, NDArray[Any]]]:
    return ((name, values) for name, values in table.items() if name not in _OUR_NAMES)


def _quality(table: Columns) -> dict[str, Any]:
    """The facets with the statistics of a table's columns."""
    metrics, moments = {}, {}
    for name, values in _shown(table):
        metrics[name], moment = _column(values)
        if moment is not None:
            moments[name] = moment
    quality = {"rowCount": rows_of(table), "columnMetrics": metrics}
    return {
        "dataQualityMetrics": _facet("DataQualityMetricsDatasetFacet", quality),
        "hawkeye_columnStatistics": _facet("HawkeyeColumnStatisticsDatasetFacet", {"columns": moments}),
    }


def _column(values: NDArray[Any]) -> tuple[dict[str, Any], dict[str, float] | None]:
    """Counts of a column, and of numbers also their extremes, sum, mean and variance."""
    if values.dtype.kind == "U":
        there = values[values != ""]
    else:
        values = values.astype(np.float64)
        there = values[np.isfinite(values)]
    count = {
        "nullCount": len(values) - len(there),
        "count": len(there),
        "distinctCount": len(np.unique(there)),
    }
    if values.dtype.kind == "U" or not len(there):
        return count, None
    extremes = {"min": float(there.min()), "max": float(there.max()), "sum": float(there.sum())}
    return count | extremes, {"mean": float(there.mean()), "variance": float(there.var())}


_HISTORY_SOURCES = ("dep_delay", "arr_delay", "sched_dep")


def _columns_from(job: Job, tables: Mapping[str, Columns]) -> dict[str, Any]:
    """Each column written comes from the columns of the same name; history comes from the delays."""
    sources: dict[str, tuple[str, str]] = {}
    for name, _ in _shown(tables[job.writes]):
        for dataset in reversed(job.reads):
            if name in tables[dataset]:
                sources[name] = (dataset, name)
    derived = {"clean_flights": {"late": ("raw_flights", "arr_delay"), "dep_late": ("raw_flights", "dep_delay")}}
    derived["aircraft_joined"] = {"plane_age": ("clean_planes", "year")}
    derived["history"] = {
        name: ("clean_flights", "dep_delay" if name.endswith(("_3h", "_4h", "delay")) else "late")
        for name in tables["history"]
        if name not in ("flight", "hour", "origin")
    }
    own = derived.get(job.writes, {})
    return {"columnLineage": _column_lineage(sources | own)}


def _column_lineage(sources: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    fields = {
        column: {"inputFields": [{"namespace": NAMESPACE, "name": dataset, "field": field}]}
        for column, (dataset, field) in sources.items()
    }
    return _facet("ColumnLineageDatasetFacet", {"fields": fields})
