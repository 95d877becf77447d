"""The routes of investigations: open, list, look, follow, say something to one, and the audit log of all."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from assistant.api.desk import Desk
from assistant.api.problems import REFUSALS
from assistant.wire import (
    AnswerBody,
    ApproveBody,
    AuditPage,
    EventPage,
    InvestigationPage,
    InvestigationView,
    NoteBody,
    OpenBody,
    RefuseBody,
    StepBackBody,
    UndoBody,
)

LONGEST_WAIT_S = 30.0
_Desk = NamedDependency[Desk]
_Id = FromPath[str]
_ONE = "/investigations/{investigation:str}"
_say = partial(post, status_code=HTTPStatus.OK, sync_to_thread=True, responses=REFUSALS)
_Limit = Annotated[int, QueryParameter(ge=1, le=200, description="how many, at most")]
_Offset = Annotated[int, QueryParameter(ge=0, description="how many newer ones to leave out")]
_After = Annotated[int, QueryParameter(ge=-1, description="the last event that is known; -1 for none")]
_Wait = Annotated[
    float, QueryParameter(ge=0, le=LONGEST_WAIT_S, description="how long to wait for the first, in seconds")
]


@get("/investigations", sync_to_thread=True, summary="Investigations, the newest first", responses=REFUSALS)
def list_investigations(desk: _Desk, limit: _Limit = 20, offset: _Offset = 0) -> InvestigationPage:
    return desk.page(limit, offset)


@post(
    "/investigations",
    status_code=HTTPStatus.CREATED,
    sync_to_thread=True,
    summary="Open an investigation of an alert",
    responses=REFUSALS,
)
def open_investigation(desk: _Desk, data: JSONBody[OpenBody]) -> InvestigationView:
    return desk.open(data)


@get(_ONE, sync_to_thread=True, summary="An investigation as it stands", responses=REFUSALS)
def show_investigation(desk: _Desk, investigation: _Id) -> InvestigationView:
    return desk.view(investigation)


@get(_ONE + "/events", summary="The events after one; waits for them when there are none yet", responses=REFUSALS)
async def follow(desk: _Desk, investigation: _Id, after: _After = -1, wait_s: _Wait = 0.0) -> EventPage:
    return await desk.follow(investigation, after, wait_s)


@_say(_ONE + "/answers", summary="Answer the question that waits")
def answer(desk: _Desk, investigation: _Id, data: JSONBody[AnswerBody]) -> InvestigationView:
    return desk.answer(investigation, data)


@_say(_ONE + "/approvals", summary="Approve the plan that waits")
def approve(desk: _Desk, investigation: _Id, data: JSONBody[ApproveBody]) -> InvestigationView:
    return desk.approve(investigation, data)


@_say(_ONE + "/refusals", summary="Refuse the plan that waits")
def refuse(desk: _Desk, investigation: _Id, data: JSONBody[RefuseBody]) -> InvestigationView:
    return desk.refuse(investigation, data)


@_say(_ONE + "/undo", summary="Undo an action that was carried out")
def undo(desk: _Desk, investigation: _Id, data: JSONBody[UndoBody]) -> InvestigationView:
    return desk.undo(investigation, data)


@_say(_ONE + "/step-backs", summary="Go back to an earlier event")
def step_back(desk: _Desk, investigation: _Id, data: JSONBody[StepBackBody]) -> InvestigationView:
    return desk.step_back(investigation, data)


@_say(_ONE + "/notes", summary="Leave a note")
def add_note(desk: _Desk, investigation: _Id, data: JSONBody[NoteBody]) -> InvestigationView:
    return desk.note(investigation, data)


@get(
    "/audit",
    sync_to_thread=True,
    summary="What was decided about actions, by whom and why, and what came of it; the newest first",
    responses=REFUSALS,
)
def audit_log(desk: _Desk, limit: _Limit = 20, offset: _Offset = 0) -> AuditPage:
    return desk.audit(limit, offset)


ROUTES: list[HTTPRouteHandler] = [
    list_investigations,
    open_investigation,
    show_investigation,
    follow,
    answer,
    approve,
    refuse,
    undo,
    step_back,
    add_note,
    audit_log,
]
