"""Follows one investigation to its end, over the API: shows every event, and answers what is asked."""

from collections.abc import Callable
from http import HTTPStatus

from assistant.cli.answers import Answers
from assistant.cli.failures import Failure
from assistant.cli.service import Refused, Service
from assistant.wire import ApproveBody, Event, EventPage, InvestigationView, Status

POLL_S = 20.0


def walk(session: Service, investigation: str, answers: Answers, show: Callable[[Event], None]) -> InvestigationView:
    """From the first event to the verdict. Raises `Failure` where the walk stops on an error."""
    path, after = f"/investigations/{investigation}", -1
    while True:
        page = session.get(EventPage, f"{path}/events", after=after, wait_s=POLL_S)
        for event in page.events:
            show(event)
        after = page.last_seq
        if page.status is Status.done:
            return session.get(InvestigationView, path)
        if page.status is not Status.running:
            _respond(session, session.get(InvestigationView, path), answers)


def _respond(session: Service, view: InvestigationView, answers: Answers) -> None:
    if view.detail is not None:
        raise Failure(f"the investigation {view.summary.id} stopped: {view.detail}. Nothing of it is lost: resume it")
    path = f"/investigations/{view.summary.id}"
    try:
        if view.question is not None:
            session.post(InvestigationView, f"{path}/answers", answers.answer(view.question))
        elif view.plan is not None:
            body = answers.decide(view.plan)
            kind = "approvals" if isinstance(body, ApproveBody) else "refusals"
            session.post(InvestigationView, f"{path}/{kind}", body)
    except Refused as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
        # Somebody else was faster; the next events say what they said.
