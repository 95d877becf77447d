"""OpenLineage events (RunEvent, JobEvent, DatasetEvent) as our records. Payload in, records out, no IO.

The terms are OpenLineage's own (https://openlineage.io/spec). Read of the facets: `dataQualityMetrics` and
`outputStatistics` (wherever the producer put them: facets, inputFacets or outputFacets), `columnLineage`, `schema`,
`ownership`, `sourceCodeLocation`, `sourceCode`, `sql`, `executionParameters`, and our own
`hawkeye_columnStatistics`: {"columns": {name: {"mean": m, "variance": v}}}. Facets that are not named here are ignored.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from knowledge.ingest import openlineage_event as wire
from tools.records import ChangeKind, ColumnStatistics, DatasetStatistics, LineageEdge, LineageNode

TEXT_LIMIT = 4000  # a longer query is cut and keeps its hash, so that a change behind the cut is still seen
NODE_LIMIT = 200


class MalformedEvent(ValueError):
    """The payload is not an OpenLineage event; the message says where and why."""


@dataclass(frozen=True)
class Statement:
    """What a run said about the state of `node` (its job, or a dataset): the version of its code, its SQL and so on."""

    node: str
    kind: ChangeKind
    value: str
    url: str | None = None


@dataclass(frozen=True)
class RunSeen:
    """One event of a run. A JobEvent or DatasetEvent counts as a run of its own, with the state OTHER."""

    run: str
    job: str
    state: wire.State
    at: datetime
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Translated:
    """What one event says, as records."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    statistics: tuple[DatasetStatistics, ...]
    run: RunSeen


def translate(event: Mapping[str, Any]) -> Translated:
    """The records of one event. Raises `MalformedEvent` naming each field that is wrong.

    A dataset or job is the node `namespace:name`. Data flows input → job → output, and from column to column where the
    event says so. Statistics carry the event's time and the run's id.
    """
    read = _validated(event)
    if read.run is not None and read.job is None:
        raise MalformedEvent("a run event needs its job: {'namespace': …, 'name': …}")
    if read.job is None and read.dataset is None:
        raise MalformedEvent(
            "not an OpenLineage event: it has neither a job nor a dataset. Send run, job and eventTime"
        )
    sides = [*_datasets(read)]
    job = _node(read.job) if read.job else None
    run = _run_id(read)
    return Translated(
        nodes=tuple(_nodes(read.job, sides)),
        edges=tuple(sorted(_edges(job, sides), key=lambda e: e.model_dump_json())),
        statistics=tuple(_statistics(read.event_time, run, sides)),
        run=RunSeen(
            run=run,
            job=job or _node(sides[0].dataset),
            state=read.event_type,
            at=read.event_time,
            statements=tuple(_statements(read, job, sides)),
        ),
    )


@dataclass(frozen=True)
class _Side:
    """A dataset of the event with its facets, and on which side of the job it stands."""

    dataset: wire.Dataset
    facets: wire.Facets
    role: Literal["input", "output", "alone"]


def _validated(payload: object) -> wire.Event:
    try:
        return wire.Event.model_validate(payload)
    except ValidationError as error:
        raise MalformedEvent(f"not an OpenLineage event: {_reasons(error)}") from None


def _reasons(error: ValidationError, where: str = "") -> str:
    first = error.errors(include_url=False, include_context=False)[:5]
    return "; ".join(f"{'.'.join([where, *map(str, e['loc'])]).strip('.') or 'the event'}: {e['msg']}" for e in first)


def _datasets(event: wire.Event) -> Iterator[_Side]:
    groups: tuple[tuple[Literal["input", "output", "alone"], list[wire.Dataset]], ...] = (
        ("input", event.inputs),
        ("output", event.outputs),
        ("alone", [event.dataset] if event.dataset else []),
    )
    for role, datasets in groups:
        for dataset in sorted(datasets, key=_node):
            merged = {**dataset.facets, **dataset.input_facets, **dataset.output_facets}
            try:
                yield _Side(dataset, wire.Facets.model_validate(merged), role)
            except ValidationError as error:
                raise MalformedEvent(f"a facet of {_node(dataset)} is wrong: {_reasons(error, 'facets')}") from None


def _node(named: wire.Dataset | wire.Job | wire.InputField) -> str:
    name = f"{named.namespace}:{named.name}"
    if len(name) > NODE_LIMIT:
        raise MalformedEvent(f"the name {name[:60]}… is {len(name)} characters long; {NODE_LIMIT} are allowed")
    return name


def _run_id(event: wire.Event) -> str:
    """Job and dataset events have no run: their time stands for one."""
    return event.run.run_id if event.run else f"@{event.event_time:%Y-%m-%dT%H:%M:%S}"


def _nodes(job: wire.Job | None, sides: list[_Side]) -> Iterator[LineageNode]:
    if job is not None:
        yield LineageNode(node=_node(job), kind="job", owner=_owner(job.facets.ownership))
    found: dict[str, LineageNode] = {}
    for side in sides:
        name, owner = _node(side.dataset), _owner(side.facets.ownership)
        if name not in found or owner:
            found[name] = LineageNode(node=name, kind="dataset", owner=owner)
        for _, source in _column_sources(side):
            found.setdefault(_node(source), LineageNode(node=_node(source), kind="dataset"))
    yield from (found[name] for name in sorted(found))


def _owner(ownership: wire.Ownership | None) -> str | None:
    return ownership.owners[0].name if ownership and ownership.owners else None


def _edges(job: str | None, sides: list[_Side]) -> Iterator[LineageEdge]:
    for side in sides:
        here = _node(side.dataset)
        if job and side.role == "input":
            yield LineageEdge(upstream=here, downstream=job)
        if job and side.role == "output":
            yield LineageEdge(upstream=job, downstream=here)
        for column, source in _column_sources(side):
            yield LineageEdge(
                upstream=_node(source), downstream=here, upstream_column=source.field, downstream_column=column
            )


def _column_sources(side: _Side) -> Iterator[tuple[str, wire.InputField]]:
    lineage = side.facets.column_lineage
    for column in sorted(lineage.fields) if lineage else ():
        assert lineage is not None
        for source in lineage.fields[column].input_fields:
            yield column, source


def _statistics(at: datetime, run: str, sides: list[_Side]) -> Iterator[DatasetStatistics]:
    """One per dataset; what its writer says of it goes before what its readers say."""
    found: dict[str, DatasetStatistics] = {}
    for side in sides:
        quality = side.facets.data_quality_metrics
        rows = quality.row_count if quality else None
        if rows is None and side.facets.output_statistics:
            rows = side.facets.output_statistics.row_count
        columns = _columns(side.facets)
        if rows is not None or columns:
            name = _node(side.dataset)
            found[name] = DatasetStatistics(node=name, ts=at, run=run, row_count=rows, columns=columns)
    yield from (found[name] for name in sorted(found))


def _columns(facets: wire.Facets) -> dict[str, ColumnStatistics]:
    metrics = facets.data_quality_metrics.column_metrics if facets.data_quality_metrics else {}
    moments = facets.hawkeye_column_statistics.columns if facets.hawkeye_column_statistics else {}
    return {
        name: _column(metrics.get(name, wire.ColumnMetrics()), moments.get(name, wire.Moments()))
        for name in sorted({*metrics, *moments})
    }


def _column(metrics: wire.ColumnMetrics, moments: wire.Moments) -> ColumnStatistics:
    mean = moments.mean
    if mean is None and metrics.sum is not None and metrics.count:
        mean = metrics.sum / metrics.count
    return ColumnStatistics(
        null_count=metrics.null_count,
        distinct_count=metrics.distinct_count,
        min=metrics.min,
        max=metrics.max,
        mean=mean,
        variance=moments.variance,
    )


def _statements(event: wire.Event, job: str | None, sides: list[_Side]) -> Iterator[Statement]:
    if event.job and job:
        yield from _of_the_job(event.job.facets, job)
    parameters = event.run.facets.execution_parameters if event.run else None
    if parameters and job:
        said = sorted(f"{p.key}={p.value}" for p in parameters.parameters)
        yield Statement(job, ChangeKind.parameters, _short("; ".join(said)))
    for side in sides:
        schema = side.facets.data_schema
        if schema and schema.fields and side.role != "input":  # a reader may see only some of the columns
            fields = sorted(f"{f.name}:{f.type or '?'}" for f in schema.fields)
            yield Statement(_node(side.dataset), ChangeKind.schema_, _short(", ".join(fields)))


def _of_the_job(facets: wire.JobFacets, job: str) -> Iterator[Statement]:
    location = facets.source_code_location
    version = (location.version or location.tag) if location else None
    if version:
        yield Statement(job, ChangeKind.code, version, location.url if location else None)
    elif facets.source_code:
        yield Statement(job, ChangeKind.code, f"sha256:{_digest(facets.source_code.source_code)}")
    if facets.sql:
        yield Statement(job, ChangeKind.sql, _short(" ".join(facets.sql.query.split())))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}… (sha256 {_digest(text)})"
