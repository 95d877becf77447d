"""OpenLineage events (RunEvent, JobEvent, DatasetEvent) as our records. Payload in, records out, no IO.

The terms are OpenLineage's own (https://openlineage.io/spec). Which facets are read stands in
`knowledge.ingest.openlineage_event`: statistics become records in `openlineage_statistics`, what is said of versions,
queries and settings in `openlineage_statements`, the flow of data in `openlineage_flow`. Others are kept as they came.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from knowledge.ingest import openlineage_event as wire
from knowledge.ingest import openlineage_statistics as statistics
from knowledge.ingest.openlineage_facets import Kept, LeftOut, Place, Read, faults_of, kept, read
from knowledge.ingest.openlineage_flow import Edge, MalformedName, Side, flow, node_of, nodes_of
from knowledge.ingest.openlineage_statements import Statement, made

CLOCKS_DIFFER = timedelta(days=1)
"""How far ahead of ours a sender's clock may be."""


class MalformedEvent(ValueError):
    """The payload is no OpenLineage event; the message says where and why. `reason` is the same for alike faults."""

    def __init__(self, detail: str, reason: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason or detail


class Node(NamedTuple):
    """A dataset or job, with its owner where the event names one."""

    node: str
    kind: Literal["dataset", "job"]
    owner: str | None = None


@dataclass(frozen=True)
class RunSeen:
    """One event of a run. A JobEvent or DatasetEvent counts as a run of its own, with the state OTHER."""

    run: str
    job: str
    state: wire.State
    at: datetime
    statements: tuple[Statement, ...]
    nominal: wire.NominalTime | None = None


@dataclass(frozen=True)
class Translated:
    """What one event says, as records; which facets are only kept; and what was wrong in it and is left out."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    statistics: tuple[statistics.Told, ...]
    run: RunSeen
    kept: tuple[Kept, ...]
    left_out: tuple[LeftOut, ...]


def translate(event: object, now: datetime | None = None) -> Translated:
    """The records of one event. Raises `MalformedEvent` naming each field that is wrong.

    A dataset or job is the node `namespace:name`. Data flows input → job → output, and from column to column where the
    event says so. Statistics carry the event's time and the run's id. An event from more than a day after `now` is
    refused: it would count as the newest until then.
    """
    try:
        seen = _validated(_as_text(event))
    except RecursionError:
        raise MalformedEvent("not an OpenLineage event: it is nested too deeply") from None
    _check_time(seen.event_time, now or datetime.now(UTC))
    if seen.run is not None and seen.job is None:
        raise MalformedEvent("a run event needs its job: {'namespace': …, 'name': …}")
    if seen.job is None and seen.dataset is None:
        raise MalformedEvent(
            "not an OpenLineage event: it has neither a job nor a dataset. Send run, job and eventTime"
        )
    try:
        return _translated(seen)
    except MalformedName as error:
        raise MalformedEvent(str(error), error.reason) from None


def _as_text(value: object) -> object:
    """The payload with what JSON may escape and a database cannot hold, NUL and half a surrogate pair, replaced."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode(errors="replace").decode().replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {_as_text(name): _as_text(held) for name, held in value.items()}
    return [_as_text(held) for held in value] if isinstance(value, list) else value


def _validated(payload: object) -> wire.Event:
    try:
        return wire.Event.model_validate(payload)
    except ValidationError as error:
        told = f"not an OpenLineage event: {faults_of(error)}"
        raise MalformedEvent(told, re.sub(r"\d+", "N", told)) from None


def _check_time(at: datetime, now: datetime) -> None:
    if at > now + CLOCKS_DIFFER:
        raise MalformedEvent(
            f"the event is from the future: its eventTime is {at:%Y-%m-%dT%H:%M:%SZ}, and here it is "
            f"{now:%Y-%m-%dT%H:%M:%SZ}. Set the clock or the time zone of the sender",
            "the event is from the future",
        )


def _translated(seen: wire.Event) -> Translated:
    job = node_of(seen.job) if seen.job else None
    sides = [*_sides(seen)]
    of_job = read(wire.JobFacets, seen.job.facets, job) if seen.job and job else None
    of_run = read(wire.RunFacets, seen.run.facets, job) if seen.run and job else None
    edges = [*flow(job, of_job.facets if of_job else None, of_run.facets if of_run else None, sides)]
    told = [found for side in sides for found in statistics.told(side.node, side.role != "input", side.read.facets)]
    put_away = [*_put_away(seen, job, of_job, of_run, sides)]
    faults = [fault for part in (of_run, of_job, *(side.read for side in sides)) if part for fault in part.faults]
    written = [(side.node, side.read.facets) for side in sides if side.role != "input"]
    return Translated(
        nodes=tuple(_nodes(job, of_job, sides, edges)),
        edges=tuple(dict.fromkeys(edges)),
        statistics=statistics.in_one(found for found in told if isinstance(found, statistics.Told)),
        run=RunSeen(
            run=_run_id(seen),
            job=job or sides[0].node,
            state=seen.event_type,
            at=seen.event_time,
            statements=tuple(
                made(job, of_job.facets if of_job else None, of_run.facets if of_run else None, written),
            ),
            nominal=of_run.facets.nominal_time if of_run else None,
        ),
        kept=tuple(found for found in put_away if isinstance(found, Kept)),
        left_out=(*faults, *(found for found in (*told, *put_away) if isinstance(found, LeftOut))),
    )


def _sides(event: wire.Event) -> Iterator[Side]:
    groups: tuple[tuple[Literal["input", "output", "alone"], list[wire.Dataset]], ...] = (
        ("input", event.inputs or []),
        ("output", event.outputs or []),
        ("alone", [event.dataset] if event.dataset else []),
    )
    for role, datasets in groups:
        for node, dataset in sorted(((node_of(dataset), dataset) for dataset in datasets), key=lambda pair: pair[0]):
            merged = {**dataset.facets, **dataset.input_facets, **dataset.output_facets}
            yield Side(node, dataset, read(wire.Facets, merged, node), role)


def _run_id(event: wire.Event) -> str:
    """Job and dataset events have no run: their time stands for one."""
    return event.run.run_id if event.run else f"@{event.event_time:%Y-%m-%dT%H:%M:%S.%f}"


def _nodes(job: str | None, of_job: Read[wire.JobFacets] | None, sides: list[Side], edges: list[Edge]) -> list[Node]:
    """The datasets and jobs that the event speaks of, sorted. What is both is a dataset, which has statistics."""
    found: dict[str, Node] = {}
    if job is not None:
        found[job] = Node(job, "job", _owner(of_job.facets.ownership if of_job else None))
    for side in sides:
        owner = _owner(side.read.facets.ownership)
        if side.node not in found or owner or side.node == job:
            found[side.node] = Node(side.node, "dataset", owner)
    for node, kind in nodes_of(edges):
        found.setdefault(node, Node(node, kind))
    return sorted(found.values())


def _owner(ownership: wire.Ownership | None) -> str | None:
    return ownership.owners[0].name if ownership and ownership.owners else None


def _put_away(
    event: wire.Event,
    job: str | None,
    of_job: Read[wire.JobFacets] | None,
    of_run: Read[wire.RunFacets] | None,
    sides: list[Side],
) -> Iterator[Kept | LeftOut]:
    """The facets that are not read, each where the producer put it."""
    if event.run and job and of_run:
        yield from kept(job, "run", event.run.facets, of_run.others)
    if event.job and job and of_job:
        yield from kept(job, "job", event.job.facets, of_job.others)
    for side in sides:
        others = set(side.read.others)
        places: tuple[tuple[Place, Mapping[str, Any]], ...] = (
            ("dataset", side.dataset.facets),
            ("input", side.dataset.input_facets),
            ("output", side.dataset.output_facets),
        )
        for place, raw in places:
            yield from kept(side.node, place, raw, tuple(name for name in raw if name in others))
