"""The routes of investigations: open, list, look, follow, and say something to one."""

from http import HTTPStatus
from typing import Annotated

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from assistant.api.desk import Desk
from assistant.wire import (
    AnswerBody,
    ApproveBody,
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
_ONE = "/investigations/{investigation:str}"
_Limit = Annotated[int, Parameter(ge=1, le=200, description="how many, at most")]
_Offset = Annotated[int, Parameter(ge=0, description="how many newer ones to leave out")]
_After = Annotated[int, Parameter(ge=-1, description="the last event that is known; -1 for none")]
_Wait = Annotated[float, Parameter(ge=0, le=LONGEST_WAIT_S, description="how long to wait for the first, in seconds")]


@get("/investigations", sync_to_thread=True, summary="Investigations, the newest first")
def list_investigations(desk: Desk, limit: _Limit = 20, offset: _Offset = 0) -> InvestigationPage:
    return desk.page(limit, offset)


@post(
    "/investigations", status_code=HTTPStatus.CREATED, sync_to_thread=True, summary="Open an investigation of an alert"
)
def open_investigation(desk: Desk, data: OpenBody) -> InvestigationView:
    return desk.open(data)


@get(_ONE, sync_to_thread=True, summary="An investigation as it stands")
def show_investigation(desk: Desk, investigation: str) -> InvestigationView:
    return desk.view(investigation)


@get(_ONE + "/events", summary="The events after one; waits for them when there are none yet")
async def follow(desk: Desk, investigation: str, after: _After = -1, wait_s: _Wait = 0.0) -> EventPage:
    return await desk.follow(investigation, after, wait_s)


@post(_ONE + "/answers", status_code=HTTPStatus.OK, sync_to_thread=True, summary="Answer the question that waits")
def answer(desk: Desk, investigation: str, data: AnswerBody) -> InvestigationView:
    return desk.answer(investigation, data)


@post(_ONE + "/approvals", status_code=HTTPStatus.OK, sync_to_thread=True, summary="Approve the plan that waits")
def approve(desk: Desk, investigation: str, data: ApproveBody) -> InvestigationView:
    return desk.approve(investigation, data)


@post(_ONE + "/refusals", status_code=HTTPStatus.OK, sync_to_thread=True, summary="Refuse the plan that waits")
def refuse(desk: Desk, investigation: str, data: RefuseBody) -> InvestigationView:
    return desk.refuse(investigation, data)


@post(_ONE + "/undo", status_code=HTTPStatus.OK, sync_to_thread=True, summary="Undo an action that was carried out")
def undo(desk: Desk, investigation: str, data: UndoBody) -> InvestigationView:
    return desk.undo(investigation, data)


@post(_ONE + "/step-backs", status_code=HTTPStatus.OK, sync_to_thread=True, summary="Go back to an earlier event")
def step_back(desk: Desk, investigation: str, data: StepBackBody) -> InvestigationView:
    return desk.step_back(investigation, data)


@post(_ONE + "/notes", status_code=HTTPStatus.OK, sync_to_thread=True, summary="Leave a note")
def add_note(desk: Desk, investigation: str, data: NoteBody) -> InvestigationView:
    return desk.note(investigation, data)


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
]
