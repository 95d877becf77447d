"""The routes of the lineage: OpenLineage events come in, and the graph is walked by hand."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from pydantic import SecretStr

from assistant.api.keys import keyed
from assistant.api.lineage_desk import LineageDesk
from assistant.api.problems import REFUSALS
from assistant.wire import (
    EventsTaken,
    EventTaken,
    Figure,
    LineageChanges,
    LineageFacets,
    LineageNodes,
    LineageRefusals,
    LineageRuns,
    LineageSeries,
    LineageStatistics,
    Neighbourhood,
)
from knowledge.lineage_intake import LARGEST

_Lineage = NamedDependency[LineageDesk]
_Node = Annotated[str, QueryParameter(description="a dataset or job, `namespace:name`", min_length=1)]
_Start = Annotated[datetime | None, QueryParameter(description="from when; 30 days before the last one by default")]
_End = Annotated[datetime | None, QueryParameter(description="until when; all there is by default")]
_Direction = Literal["upstream", "downstream", "both"]


def lineage_routes(keys: tuple[SecretStr, ...]) -> list[HTTPRouteHandler]:
    """All of them. Those that events are sent to are guarded by the keys."""
    guards = [keyed(keys)]

    @post(
        "/lineage",
        status_code=HTTPStatus.OK,
        guards=guards,
        request_max_body_size=LARGEST,
        summary="An OpenLineage event, plain or gzip; on disk when this answers",
        responses=REFUSALS,
    )
    async def event(lineage: _Lineage, request: Request[Any, Any, Any]) -> EventTaken:
        body, encoding = await request.body(), request.headers.get("content-encoding", "")
        return await asyncio.to_thread(lineage.receive, body, encoding)

    @post(
        "/lineage/batch",
        status_code=HTTPStatus.OK,
        guards=guards,
        request_max_body_size=LARGEST,
        summary="A list of OpenLineage events, each stored or refused by itself; on disk when this answers",
        responses=REFUSALS,
    )
    async def batch(lineage: _Lineage, request: Request[Any, Any, Any]) -> EventsTaken:
        body, encoding = await request.body(), request.headers.get("content-encoding", "")
        return await asyncio.to_thread(lineage.receive_batch, body, encoding)

    return [event, batch, refused, nodes, neighbours, statistics, series, changes, runs, facets]


@get(
    "/lineage/refusals",
    sync_to_thread=True,
    summary="What of the events that were sent was not taken: how often and why",
    responses=REFUSALS,
)
def refused(lineage: _Lineage) -> LineageRefusals:
    return lineage.refusals()


@get(
    "/lineage/nodes",
    sync_to_thread=True,
    summary="The datasets and jobs whose name contains a text, by name",
    responses=REFUSALS,
)
def nodes(
    lineage: _Lineage,
    contains: Annotated[str, QueryParameter(description="a part of the name; all by default")] = "",
    kind: Annotated[Literal["dataset", "job"] | None, QueryParameter(description="only these")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="how many, at most")] = 50,
    offset: Annotated[int, QueryParameter(ge=0, description="how many to leave out")] = 0,
) -> LineageNodes:
    return lineage.nodes(contains, kind, limit, offset)


@get(
    "/lineage/neighbours",
    sync_to_thread=True,
    summary="The nodes and edges around a dataset or job",
    responses=REFUSALS,
)
def neighbours(
    lineage: _Lineage,
    node: _Node,
    direction: Annotated[_Direction, QueryParameter(description="against the flow of data, with it, or both")] = "both",
    hops: Annotated[int, QueryParameter(ge=1, le=50, description="how many edges far")] = 2,
    limit: Annotated[int, QueryParameter(ge=1, le=5000, description="how many nodes at most, the nearest first")] = 200,
) -> Neighbourhood:
    return lineage.neighbours(node, direction, hops, limit)


@get(
    "/lineage/statistics",
    sync_to_thread=True,
    summary="How a dataset looked after each run, oldest first",
    responses=REFUSALS,
)
def statistics(lineage: _Lineage, node: _Node, start: _Start = None, end: _End = None) -> LineageStatistics:
    return lineage.statistics(node, start, end)


@get(
    "/lineage/series",
    sync_to_thread=True,
    summary="One figure of a dataset or of a column of it over time",
    responses=REFUSALS,
)
def series(
    lineage: _Lineage,
    node: _Node,
    figure: Annotated[Figure, QueryParameter(description="which figure; all but the first three are of a column")],
    column: Annotated[str | None, QueryParameter(description="the column that the figure is of")] = None,
    start: _Start = None,
    end: _End = None,
) -> LineageSeries:
    return lineage.series(node, figure, column, start, end)


@get(
    "/lineage/changes",
    sync_to_thread=True,
    summary="What changed at a job or dataset: code, SQL, parameters, schema, environment; oldest first",
    responses=REFUSALS,
)
def changes(lineage: _Lineage, node: _Node, start: _Start = None, end: _End = None) -> LineageChanges:
    return lineage.changes(node, start, end)


@get(
    "/lineage/runs",
    sync_to_thread=True,
    summary="The runs of a job as merged from their events, oldest first",
    responses=REFUSALS,
)
def runs(lineage: _Lineage, node: _Node, start: _Start = None, end: _End = None) -> LineageRuns:
    return lineage.runs(node, start, end)


@get(
    "/lineage/facets",
    sync_to_thread=True,
    summary="The facets that are kept as they came: of a node, or of one run of a job",
    responses=REFUSALS,
)
def facets(
    lineage: _Lineage,
    node: _Node,
    run: Annotated[str | None, QueryParameter(description="the run, where its facets are meant")] = None,
) -> LineageFacets:
    return lineage.facets(node, run)
