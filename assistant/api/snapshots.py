"""The routes of snapshots: register one, look at one, and the timeline of a model."""

from http import HTTPStatus
from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from assistant.api.problems import REFUSALS
from assistant.api.snapshot_desk import SnapshotDesk
from assistant.wire import ModelLine, Snapshot, SnapshotPage, SnapshotView

_Snapshots = NamedDependency[SnapshotDesk]
_Limit = Annotated[int, QueryParameter(ge=1, le=200, description="how many, at most")]
_Offset = Annotated[int, QueryParameter(ge=0, description="how many newer ones to leave out")]


@post(
    "/snapshots",
    status_code=HTTPStatus.CREATED,
    sync_to_thread=True,
    summary="Register a snapshot whose artifact lies below a snapshot root; its check goes on in the background",
    responses=REFUSALS,
)
def register(snapshots: _Snapshots, data: JSONBody[Snapshot]) -> Response[SnapshotView]:
    view, is_new = snapshots.register(data)
    return Response(view, status_code=HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@get(
    "/snapshots/{snapshot:path}",
    sync_to_thread=True,
    summary="A snapshot, and what its check found",
    responses=REFUSALS,
)
def show(snapshots: _Snapshots, snapshot: FromPath[str]) -> SnapshotView:
    return snapshots.view(snapshot.removeprefix("/"))


@get("/models", sync_to_thread=True, summary="The models that are known", responses=REFUSALS)
def models(snapshots: _Snapshots) -> list[ModelLine]:
    return snapshots.models()


@get(
    "/models/{model:str}/snapshots",
    sync_to_thread=True,
    summary="The rollout timeline of a model: its snapshots, the newest first, with their checks and shares",
    responses=REFUSALS,
)
def timeline(snapshots: _Snapshots, model: FromPath[str], limit: _Limit = 20, offset: _Offset = 0) -> SnapshotPage:
    return snapshots.page(model, limit, offset)


ROUTES: list[HTTPRouteHandler] = [register, show, models, timeline]
