"""A small server of the API with one incident in it, to show the client situations that the real one is rarely in."""

import asyncio
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from assistant.api import views
from assistant.wire import (
    PREFIX,
    AnswerBody,
    ApproveBody,
    Event,
    EventPage,
    InvestigationPage,
    InvestigationView,
    NoteAdded,
    NoteBody,
    Problem,
    RefuseBody,
    StepBackBody,
    SteppedBack,
    ToolInfo,
)
from tests.tui import incident


class Incident:
    """The log of the incident, which grows by what is said to it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failure: str | None = None
        self.away = False
        self.refusal: str | None = None
        self._grown = asyncio.Condition()
        self.events += incident.numbered(incident.opening(), 0)

    async def say(self, *parts: dict[str, Any]) -> None:
        async with self._grown:
            self.events += incident.numbered(list(parts), len(self.events))
            self._grown.notify_all()

    async def after(self, seq: int, wait_s: float) -> tuple[Event, ...]:
        async with self._grown:
            try:
                await asyncio.wait_for(self._grown.wait_for(lambda: len(self.events) > seq + 1), wait_s)
            except TimeoutError:
                return ()
        return tuple(self.events[seq + 1 :])

    def view(self) -> InvestigationView:
        return views.view(self.events, self.failure)


def create(state: Incident) -> Litestar:
    """The API's routes over one incident."""
    base = "/investigations/{investigation:str}"

    @get("/investigations")
    async def listing() -> InvestigationPage:
        return InvestigationPage(investigations=(state.view().summary,), total=1, offset=0, limit=20)

    @get("/tools")
    async def tools() -> list[ToolInfo]:
        question = "Is one model worse than the others in the same hours?"
        return [
            ToolInfo(name="model_isolation", question=question, acts=False, unavailable=None, params={}, facts={}),
        ]

    @get(base)
    async def one(investigation: FromPath[str]) -> InvestigationView | Response[Problem]:
        if investigation != incident.ID:
            return _problem(HTTPStatus.NOT_FOUND, f"there is no investigation {investigation!r}")
        return state.view()

    @get(base + "/events")
    async def events(after: FromQuery[int], wait_s: FromQuery[float] = 0.0) -> EventPage | Response[Problem]:
        if state.away:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "the store is being repaired")
        page = await state.after(after, wait_s)
        return EventPage(events=page, last_seq=page[-1].seq if page else after, status=state.view().summary.status)

    @post(base + "/answers")
    async def answers(data: JSONBody[AnswerBody]) -> InvestigationView | Response[Problem]:
        if state.refusal is not None:
            return _problem(HTTPStatus.CONFLICT, state.refusal)
        await state.say(incident.answered(data.step, data.choice, data.actor), *incident.features())
        return state.view()

    @post(base + "/approvals")
    async def approvals(data: JSONBody[ApproveBody]) -> InvestigationView:
        assert data.plan_hash == incident.PLAN.plan_hash
        await state.say(*incident.approval(data.reason, data.actor))
        return state.view()

    @post(base + "/refusals")
    async def refusals(data: JSONBody[RefuseBody]) -> InvestigationView:
        await state.say(*incident.refusal(data.reason, data.actor))
        return state.view()

    @post(base + "/step-backs")
    async def step_backs(data: JSONBody[StepBackBody]) -> InvestigationView:
        await state.say({"type": SteppedBack, "to_seq": data.to_seq, "actor": data.actor})
        return state.view()

    @post(base + "/notes")
    async def notes(data: JSONBody[NoteBody]) -> InvestigationView:
        await state.say({"type": NoteAdded, "text": data.text, "actor": data.actor})
        return state.view()

    routes = [listing, tools, one, events, answers, approvals, refusals, step_backs, notes]
    return Litestar(path=PREFIX, route_handlers=routes, logging_config=None)


def _problem(status: HTTPStatus, detail: str) -> Response[Problem]:
    problem = Problem(title=status.phrase, status=status, detail=detail)
    return Response(problem, status_code=status, media_type="application/problem+json")
