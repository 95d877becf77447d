"""Which way data flows, as an OpenLineage event says: its inputs and outputs, column lineage, and the lineage facet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from knowledge.ingest import openlineage_event as wire
from knowledge.ingest.openlineage_facets import Read

NODE_LIMIT = 1000
Kind = Literal["dataset", "job"]
_KINDS: dict[str, Kind] = {"DATASET": "dataset", "JOB": "job"}


class MalformedName(ValueError):
    """A dataset or job cannot be a node by its name."""

    def __init__(self, detail: str, reason: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Edge(NamedTuple):
    """Data flows from `upstream` to `downstream`; columns are "" where only the datasets are known.

    The kinds of its ends are part of it, since an event may name a node nowhere else.
    """

    upstream: str
    downstream: str
    upstream_column: str = ""
    downstream_column: str = ""
    kinds: tuple[Kind, Kind] = ("dataset", "dataset")


@dataclass(frozen=True)
class Side:
    """A dataset of the event with its facets, and on which side of the job it stands."""

    node: str
    dataset: wire.Dataset
    read: Read[wire.Facets]
    role: Literal["input", "output", "alone"]


def node_of(named: wire.Dataset | wire.Job | wire.InputField) -> str:
    """`namespace:name`. Raises `MalformedName` where it is too long."""
    return _node(named.namespace, named.name)


def flow(
    job: str | None, of_job: wire.JobFacets | None, of_run: wire.RunFacets | None, sides: Iterable[Side]
) -> Iterator[Edge]:
    """The edges of an event, some of them perhaps twice."""
    for side in sides:
        if job and side.role == "input":
            yield Edge(side.node, job, kinds=("dataset", "job"))
        if job and side.role == "output":
            yield Edge(job, side.node, kinds=("job", "dataset"))
        facets = side.read.facets
        if facets.column_lineage is not None:
            yield from _of_columns(side.node, facets.column_lineage)
        if facets.lineage is not None:
            yield from _of_entry(facets.lineage, side.node, "dataset", job)
    for facet in (of_job and of_job.lineage, of_run and of_run.lineage):
        for entry in facet.entries if facet and job else ():
            assert job is not None
            yield from _of_entry(entry, job, "job", job)


def nodes_of(edges: Iterable[Edge]) -> Iterator[tuple[str, Kind]]:
    """The ends of the edges, with their kinds."""
    for edge in edges:
        yield edge.upstream, edge.kinds[0]
        yield edge.downstream, edge.kinds[1]


def _of_columns(node: str, lineage: wire.ColumnLineage) -> Iterator[Edge]:
    for column, field in lineage.fields.items():
        for source in field.input_fields:
            yield Edge(node_of(source), node, source.field, column)
    for source in lineage.dataset:
        yield Edge(node_of(source), node)


def _of_entry(entry: wire.LineageEntry, here: str, kind: Kind, job: str | None) -> Iterator[Edge]:
    """An entry without a name speaks of the node that it stands at."""
    if entry.namespace and entry.name:
        here, kind = _node(entry.namespace, entry.name), _KINDS[entry.type or "DATASET"]
    for source in entry.inputs:
        found = _input(source, job)
        if found is not None and found[0] != here:
            yield Edge(found[0], here, kinds=(found[1], kind))
    for column, field in entry.fields.items():
        for source in field.inputs:
            found = _input(source, job)
            if found is not None and found[0] != here:
                columns = (source.field, column) if source.field else ("", "")
                yield Edge(found[0], here, *columns, kinds=(found[1], kind))


def _input(source: wire.LineageInput, job: str | None) -> tuple[str, Kind] | None:
    if source.namespace and source.name:
        return _node(source.namespace, source.name), _KINDS[source.type]
    return (job, "job") if job and source.type == "JOB" else None


def _node(namespace: str, name: str) -> str:
    node = f"{namespace}:{name}"
    if len(node) > NODE_LIMIT:
        raise MalformedName(
            f"the name {node[:60]}… is {len(node)} characters long; {NODE_LIMIT} are allowed",
            f"a name of more than {NODE_LIMIT} characters",
        )
    return node
