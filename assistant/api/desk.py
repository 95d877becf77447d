"""What may be done with investigations: the driver acts, the background walks, the bell wakes whoever waits."""

import asyncio
import threading
from importlib.metadata import version

from assistant.api import audit, views
from assistant.api.background import Background
from assistant.api.bell import Bell
from assistant.api.problems import not_found, unprocessable
from assistant.planner.driver import Driver
from assistant.wire import (
    Alert,
    AnswerBody,
    ApproveBody,
    AuditPage,
    Event,
    EventPage,
    Health,
    InvestigationPage,
    InvestigationSummary,
    InvestigationView,
    NoteBody,
    OpenBody,
    Opened,
    RefuseBody,
    Status,
    StepBackBody,
    UndoBody,
)
from knowledge.workspace import Workspace


class Desk:
    """The investigations of one workspace, as the API offers them. All but `follow` may block on the disk.

    `bell` is rung by the driver for every event. `playbook` is the one that alerts are walked with.
    """

    def __init__(
        self, workspace: Workspace, driver: Driver, bell: Bell, *, playbook: str, at_once: int, tools: int
    ) -> None:
        self._workspace, self._driver, self._bell = workspace, driver, bell
        self._playbook, self._tools = playbook, tools
        self._background = Background(driver.advance, bell.ring, at_once)
        self._opening = threading.Lock()
        self._by_alert = self._known_alerts()  # nobody else writes here: a data folder belongs to one process

    def resume(self) -> None:
        """Walk on, the oldest first, with everything that was unfinished when the last process ended."""
        for investigation in reversed(self._workspace.log.ids()):
            if self._summary(investigation).status is Status.running:
                self._background.wake(investigation)

    def close(self) -> None:
        """Send the waiting clients home, and let the workers finish."""
        self._bell.close()
        self._background.close()

    def health(self) -> Health:
        return Health(version=version("hawkeye"), tools=self._tools, running=self._background.running())

    def receive(self, payload: object) -> list[str]:
        """The investigations of a webhook's alerts, each opened now or, when the alert was sent before, earlier."""
        alerts = self._workspace.receiver.receive_alert(payload)
        return [self.open_once(alert, self._playbook) for alert in alerts]

    def open(self, body: OpenBody) -> InvestigationView:
        """Open an investigation, also of an alert that has one: it may be walked with another playbook."""
        self._workspace.receiver.check_known(body.alert)
        with self._opening:
            return self.view(self._open(body.alert, body.playbook or self._playbook))

    def open_once(self, alert: Alert, playbook: str) -> str:
        """The investigation of an alert: the one that it has, or a new one."""
        with self._opening:
            return self._by_alert.get(alert.alert) or self._open(alert, playbook)

    def page(self, limit: int, offset: int) -> InvestigationPage:
        ids = self._workspace.log.ids()
        shown = tuple(self._summary(investigation) for investigation in ids[offset : offset + limit])
        return InvestigationPage(investigations=shown, total=len(ids), offset=offset, limit=limit)

    def audit(self, limit: int, offset: int) -> AuditPage:
        rows, total = self._workspace.log.of_types(audit.DECIDED, limit, offset)
        found = {
            (entry.investigation, entry.seq): entry
            for investigation in {row["investigation"] for row in rows}
            for entry in audit.entries(self._driver.events(investigation))
        }
        shown = tuple(found[key] for row in rows if (key := (row["investigation"], row["seq"])) in found)
        return AuditPage(entries=shown, total=total, offset=offset, limit=limit)

    def view(self, investigation: str) -> InvestigationView:
        return views.view(self._events(investigation), self._background.failure(investigation))

    async def follow(self, investigation: str, after: int, wait_s: float) -> EventPage:
        """The events after `after`; without any, waits for the first, for a change of status, or for `wait_s`."""
        with self._bell.listening(investigation) as listener:
            page = await asyncio.to_thread(self._event_page, investigation, after)
            if page.events or wait_s <= 0:
                return page
            await listener.wait(wait_s)
        return await asyncio.to_thread(self._event_page, investigation, after)

    def answer(self, investigation: str, body: AnswerBody) -> InvestigationView:
        asked = self._driver.state(investigation).question
        choices = [choice.choice for choice in asked.choices] if asked is not None else []
        if asked is not None and asked.step == body.step and body.choice not in choices:
            raise unprocessable(f"{body.choice!r} is no answer to {body.step!r}; choose one of {', '.join(choices)}")
        self._driver.answer(investigation, body.step, body.choice, body.actor)
        return self._onward(investigation)

    def approve(self, investigation: str, body: ApproveBody) -> InvestigationView:
        self._driver.approve(investigation, body.plan_hash, body.actor, body.reason)
        return self._onward(investigation)

    def refuse(self, investigation: str, body: RefuseBody) -> InvestigationView:
        self._driver.refuse(investigation, body.plan_hash, body.actor, body.reason)
        return self._onward(investigation)

    def undo(self, investigation: str, body: UndoBody) -> InvestigationView:
        self._driver.undo(investigation, body.plan_hash, body.actor, body.reason)
        return self._onward(investigation)

    def step_back(self, investigation: str, body: StepBackBody) -> InvestigationView:
        self._driver.step_back(investigation, body.to_seq, body.actor)
        return self._onward(investigation)

    def note(self, investigation: str, body: NoteBody) -> InvestigationView:
        self._driver.note(investigation, body.text, body.actor)
        return self.view(investigation)

    def _onward(self, investigation: str) -> InvestigationView:
        self._background.wake(investigation)
        return self.view(investigation)

    def _open(self, alert: Alert, playbook: str) -> str:
        investigation = self._driver.open(alert, playbook)
        self._by_alert.setdefault(alert.alert, investigation)
        self._background.wake(investigation)
        return investigation

    def _known_alerts(self) -> dict[str, str]:
        """Alert → the first investigation that was opened of it."""
        found: dict[str, str] = {}
        for investigation in self._workspace.log.ids():
            first = self._driver.events(investigation)[0]
            if isinstance(first, Opened):
                found[first.alert.alert] = investigation  # the newest come first, so that the oldest one stands
        return found

    def _summary(self, investigation: str) -> InvestigationSummary:
        return views.summary(self._events(investigation), self._background.failure(investigation))

    def _events(self, investigation: str) -> list[Event]:
        events = self._driver.events(investigation)
        if not events:
            raise not_found(f"there is no investigation {investigation!r}; GET /api/v1/investigations lists them")
        return events

    def _event_page(self, investigation: str, after: int) -> EventPage:
        events = self._events(investigation)
        status = views.summary(events, self._background.failure(investigation)).status
        return EventPage(events=tuple(e for e in events if e.seq > after), last_seq=events[-1].seq, status=status)
