"""The one screen: the trail, the evidence of a step, and what happens now. It alone talks to the client."""

import asyncio
from collections.abc import Awaitable
from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from assistant.wire import AnswerBody, ApproveBody, NoteBody, Plan, RefuseBody, StepBackBody, UndoBody
from tui.client import POLL_S, Client, ClientError
from tui.messages import ChoiceMade, StepSelected
from tui.screens.dialogs import ConfirmDialog, HelpDialog, ReasonDialog
from tui.screens.lineage import LineageDialog
from tui.screens.snapshots import SnapshotsDialog
from tui.walk import Walk
from tui.widgets.banner import Banner
from tui.widgets.now import Now
from tui.widgets.step import StepPanel
from tui.widgets.trail import Trail

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
_FROM_THE_START = -1


class InvestigationScreen(Screen[None]):
    """Reads one investigation for as long as it is open, and sends what the reader decides."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "why", "Why"),
        Binding("b", "step_back", "Back"),
        Binding("a", "approve", "Approve"),
        Binding("r", "refuse", "Refuse"),
        Binding("u", "undo", "Undo"),
        Binding("k", "look(-1)", "Earlier"),
        Binding("j", "look(1)", "Later"),
        Binding("s", "snapshots", "Snapshots"),
        Binding("l", "lineage", "Lineage"),
        Binding("n", "note", "Note", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
        *(Binding(str(digit), f"choose({digit - 1})", show=False) for digit in range(1, 10)),
    ]

    def __init__(self, client: Client, investigation: str, actor: str) -> None:
        super().__init__()
        self._client, self._investigation, self._actor = client, investigation, actor
        self._walk: Walk | None = None

    def compose(self) -> ComposeResult:
        yield Banner()
        with Horizontal(id="body"):
            yield Trail()
            with Vertical(id="right"):
                yield StepPanel()
                yield Now()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._read()

    # What comes in.

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        """Follow the events until the screen closes. A server that is away is asked again, ever more rarely."""
        pause_s = FIRST_PAUSE_S
        wait_s = POLL_S
        while True:
            try:
                await self._read_on(wait_s)
            except ClientError as error:
                if not error.passes:
                    self.query_one(Banner).trouble(f"{error}. Press q to leave")
                    return
                self.query_one(Banner).trouble(f"{error}. Trying again every few seconds")
                await asyncio.sleep(pause_s)
                pause_s, wait_s = min(2 * pause_s, LONGEST_PAUSE_S), 0.0
                continue
            if wait_s == 0:  # it is back: say so at once, and not when the next event comes
                self.query_one(Banner).trouble(None)
                self.query_one(Now).tell(None)
            pause_s, wait_s = FIRST_PAUSE_S, POLL_S

    async def _read_on(self, wait_s: float) -> None:
        """Take in the next events, waiting for them up to `wait_s`, and the investigation as it stands after them."""
        if self._walk is None:
            view = await self._client.investigation(self._investigation)
            tools = await self._client.tools()
            self._take_in(Walk(view=view, questions={tool.name: tool.question for tool in tools}))
            return
        after = self._walk.events[-1].seq if self._walk.events else _FROM_THE_START
        asked_at = monotonic()
        page = await self._client.events(self._investigation, after, wait_s)
        if page.events or page.status is not self._walk.view.summary.status:
            self._take_in(self._walk.extended(page, await self._client.investigation(self._investigation)))
        elif wait_s > 0 and monotonic() - asked_at < FIRST_PAUSE_S:
            await asyncio.sleep(FIRST_PAUSE_S)  # a server that does not hold the request is not to be flooded

    def _take_in(self, walk: Walk) -> None:
        self._walk = walk
        trail = self.query_one(Trail)
        trail.show(walk.view.trail)
        self.query_one(Banner).show(walk.view)
        self.query_one(StepPanel).show(walk, trail.selected)
        self.query_one(Now).show(walk)
        self.refresh_bindings()

    @on(StepSelected)
    def _look_at(self, message: StepSelected) -> None:
        if self._walk is not None:
            self.query_one(StepPanel).show(self._walk, message.seq)

    # What goes out.

    @on(ChoiceMade)
    def _answer(self, message: ChoiceMade) -> None:
        body = AnswerBody(step=message.step, choice=message.choice, actor=self._actor)
        self._decide(self._client.answer(self._investigation, body))

    def _decide(self, request: Awaitable[None]) -> None:
        """Send what lets the walk go on, and look at where it goes."""
        self.query_one(Trail).follow()
        self._send(request)

    @work(group="send")
    async def _send(self, request: Awaitable[None]) -> None:
        """Send a decision. What became of it comes back as events; a refusal is shown in the server's words."""
        self.query_one(Now).tell(None)
        try:
            await request
        except ClientError as error:
            self.query_one(Now).tell(f"Not accepted: {error}")
            self.query_one(Now).question.reopen()

    def action_choose(self, index: int) -> None:
        if self._walk is not None and self._walk.view.question is not None:
            self.query_one(Now).question.choose(index)

    def action_why(self) -> None:
        self.query_one(Now).question.toggle_why()

    def action_look(self, by: int) -> None:
        self.query_one(Trail).move(by)

    def action_page(self, by: int) -> None:
        panel = self.query_one(StepPanel)
        panel.scroll_relative(y=by * max(panel.size.height - 1, 1), animate=False)

    def action_snapshots(self) -> None:
        if self._walk is not None:
            self.app.push_screen(SnapshotsDialog(self._client, self._walk.view.alert))

    def action_lineage(self) -> None:
        if self._walk is not None and self._walk.lineage:
            self.app.push_screen(LineageDialog(self._walk.lineage))

    def action_help(self) -> None:
        self.app.push_screen(HelpDialog())

    @work
    async def action_approve(self) -> None:
        plan = self._plan()
        lines = [plan.summary, *(f"- {effect}" for effect in plan.effects)]
        title = f"Approve: {plan.action} {plan.target}"
        reason = await self.app.push_screen_wait(ReasonDialog(title, lines, "Why do you approve it?"))
        if reason is not None:
            body = ApproveBody(plan_hash=plan.plan_hash, actor=self._actor, reason=reason)
            self._decide(self._client.approve(self._investigation, body))

    @work
    async def action_refuse(self) -> None:
        plan = self._plan()
        title = f"Refuse: {plan.action} {plan.target}"
        reason = await self.app.push_screen_wait(ReasonDialog(title, [plan.summary], "Why do you refuse it?"))
        if reason is not None:
            body = RefuseBody(plan_hash=plan.plan_hash, actor=self._actor, reason=reason)
            self._decide(self._client.refuse(self._investigation, body))

    @work
    async def action_undo(self) -> None:
        plan_hash = self._walk.view.can_undo if self._walk else None
        if plan_hash is None:
            return
        lines = ["The state from before the action is restored."]
        reason = await self.app.push_screen_wait(ReasonDialog("Undo the action", lines, "Why do you undo it?"))
        if reason is not None:
            body = UndoBody(plan_hash=plan_hash, actor=self._actor, reason=reason)
            self._send(self._client.undo(self._investigation, body))

    @work
    async def action_note(self) -> None:
        text = await self.app.push_screen_wait(ReasonDialog("Note", [], "What should a later reader know?"))
        if text is not None:
            self._send(self._client.add_note(self._investigation, NoteBody(text=text, actor=self._actor)))

    @work
    async def action_step_back(self) -> None:
        """To the step that the reader went back to look at; from the newest step, to the last answer."""
        trail = self.query_one(Trail)
        if self._walk is None:
            return
        step = self._walk.last_decision() if trail.follows else self._walk.step(trail.selected)
        if step is None:
            self.query_one(Now).tell("There is no answer yet to step back to.")
            return
        lines = [step.title, "What was said since stays in the record, but no longer counts."]
        if await self.app.push_screen_wait(ConfirmDialog("Step back to this step?", lines)):
            body = StepBackBody(to_seq=step.seq, actor=self._actor)
            self._send(self._client.step_back(self._investigation, body))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Only the keys that do something now are offered."""
        view = self._walk.view if self._walk else None
        if action in ("approve", "refuse"):
            return view is not None and view.plan is not None
        if action == "why":
            return view is not None and view.question is not None
        if action == "lineage":
            return self._walk is not None and bool(self._walk.lineage)
        if action == "undo":
            return view is not None and view.can_undo is not None
        return True

    def _plan(self) -> Plan:
        """The plan that waits; its keys are off where there is none."""
        assert self._walk is not None
        assert self._walk.view.plan is not None
        return self._walk.view.plan
