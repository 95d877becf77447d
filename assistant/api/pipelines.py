"""The routes of pipelines: send the record of one, and see how it stands in its orchestrator."""

from http import HTTPStatus
from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from assistant.api.pipeline_desk import PipelineDesk
from assistant.api.problems import REFUSALS
from assistant.wire import Pipeline, PipelineLine, PipelinePage

_Pipelines = NamedDependency[PipelineDesk]
_Limit = Annotated[int, QueryParameter(ge=1, le=200, description="how many, at most")]
_Offset = Annotated[int, QueryParameter(ge=0, description="how many to leave out before")]


@post(
    "/pipelines",
    status_code=HTTPStatus.CREATED,
    sync_to_thread=True,
    summary="Send the record of a pipeline: where it runs and what it writes",
    responses=REFUSALS,
)
def send(pipelines: _Pipelines, data: JSONBody[Pipeline]) -> Response[PipelineLine]:
    line, is_new = pipelines.put(data)
    return Response(line, status_code=HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@get(
    "/pipelines",
    sync_to_thread=True,
    summary="The pipelines, each with its state as its orchestrator says it now",
    responses=REFUSALS,
)
def list_pipelines(pipelines: _Pipelines, limit: _Limit = 20, offset: _Offset = 0) -> PipelinePage:
    return pipelines.page(limit, offset)


@get(
    "/pipelines/{pipeline:path}",
    sync_to_thread=True,
    summary="A pipeline, with its state as its orchestrator says it now",
    responses=REFUSALS,
)
def show_pipeline(pipelines: _Pipelines, pipeline: FromPath[str]) -> PipelineLine:
    return pipelines.line(pipeline.removeprefix("/"))


ROUTES: list[HTTPRouteHandler] = [send, list_pipelines, show_pipeline]
