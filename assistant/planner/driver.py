"""Walks investigations: asks the planner for the next move, does it, and records it before and after.

The driver keeps nothing between calls but locks; the log is the investigation. So it may be killed at any moment: a
tool that was called but has not answered is run again, and an approved action is read back before it is done.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from uuid import uuid4

from assistant.planner.actions import make_plan
from assistant.planner.approvals import Approvals
from assistant.planner.check import Tools
from assistant.planner.events import (
    ActionProposed,
    AnswerGiven,
    BranchTaken,
    Event,
    NoteAdded,
    Opened,
    QuestionAsked,
    SteppedBack,
    ToolAnswered,
    ToolCalled,
    VerdictReached,
)
from assistant.planner.flat import FlatPlaybook
from assistant.planner.investigation import State
from assistant.planner.journal import Draft, EventLog, Journal, draft
from assistant.planner.library import Library
from assistant.planner.moves import Ask, Conclude, Go, Move, Propose, Run
from assistant.planner.next_move import next_move
from assistant.planner.refusals import NotNow
from assistant.planner.tool_calls import call
from knowledge.ingest.alert import Alert
from tools.ports import Ports

AUTO = "auto"
NEVER_APPROVES = "an automatic walk never approves an action; a person can, until the plan expires"
STEPPING_STONES = ("Opened", "BranchTaken", "QuestionAsked", "ActionProposed")
"""The events after which the investigation stands between two steps, so that one can step back to there."""


class Driver:
    """The one who acts. Every method may be called from any thread; one investigation is walked by one at a time."""

    def __init__(
        self,
        log: EventLog,
        ports: Ports,
        library: Library,
        tools: Tools,
        clock: Callable[[], datetime],
        on_event: Callable[[Event], None] | None = None,
        plans_last: timedelta = timedelta(hours=1),
        new_id: Callable[[], str] = lambda: f"inv-{uuid4().hex[:12]}",
    ) -> None:
        self._journal = Journal(log, clock, on_event)
        self._ports = ports
        self._library = library
        self._tools = tools
        self._clock = clock
        self._plans_last = plans_last
        self._new_id = new_id
        self._approvals = Approvals(self._journal, ports, clock, self._follow)
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def open(self, alert: Alert, playbook: str = "topline_drop") -> str:
        """Begin an investigation and answer with its id. Raises `UnknownPlaybook` and `FaultyPlaybook`."""
        flat = self._library.playbook(playbook)
        investigation = self._new_id()
        event = draft(Opened, alert=alert, playbook=flat.id, playbook_hash=flat.hash, code_version=version("hawkeye"))
        self._journal.begin(investigation, event)
        return investigation

    def state(self, investigation: str) -> State:
        """The state now. Raises `UnknownInvestigation`."""
        return self._journal.state(investigation)

    def events(self, investigation: str, after: int = -1) -> list[Event]:
        """The events with a seq above `after`."""
        return self._journal.events(investigation, after)

    def advance(self, investigation: str) -> State:
        """Run tools until a question, the approval of an action, or the verdict."""
        with self._turns[investigation]:
            state = self._approvals.finish(investigation)
            while True:
                move = next_move(self._playbook(state), state)
                if move is None or _waits(move, state):
                    return state
                state = self._run(state, move) if isinstance(move, Run) else self._record(state, move)

    def auto(self, investigation: str) -> State:
        """Walk to the verdict with the recommended answers. No action is approved."""
        while True:
            state = self.advance(investigation)
            if state.question is not None:
                self.answer(investigation, state.question.step, state.question.recommended, AUTO)
            elif state.awaiting is not None:
                self.refuse(investigation, state.awaiting.plan.plan_hash, AUTO, NEVER_APPROVES)
            else:
                return state

    def answer(self, investigation: str, step: str, choice: str, actor: str) -> State:
        """Answer the question of a step. Giving the same answer again changes nothing. Raises `NotNow`."""

        def decide(state: State) -> Sequence[Draft]:
            given = state.answers.get(step)
            if given is not None and given.choice == choice:
                return ()
            asked = state.question
            if asked is None or asked.step != step:
                waiting = f"the question {asked.step!r} waits" if asked else "no question waits"
                raise NotNow(f"{step!r} does not wait for an answer; {waiting}")
            choices = [one.choice for one in asked.choices]
            if choice not in choices:
                raise NotNow(f"{choice!r} is not a choice of {step!r}; choose one of: {', '.join(choices)}")
            return (draft(AnswerGiven, step=step, choice=choice, actor=actor),)

        return self._append(investigation, decide)

    def approve(self, investigation: str, plan_hash: str, actor: str, reason: str) -> State:
        """Approve the plan of this hash and carry it out. Where it has expired or the world is not as it was when it
        was made, it is refused with the reason and nothing is done. Raises `NotNow` for an unknown plan."""
        with self._turns[investigation]:
            return self._approvals.approve(investigation, plan_hash, actor, reason)

    def refuse(self, investigation: str, plan_hash: str, actor: str, reason: str) -> State:
        """Refuse a plan; the walk goes on without it. Raises `NotNow` where it does not wait."""
        with self._turns[investigation]:
            return self._approvals.refuse(investigation, plan_hash, actor, reason)

    def undo(self, investigation: str, plan_hash: str, actor: str, reason: str) -> State:
        """Undo an action that was done. Raises `NotNow` where it was not."""
        with self._turns[investigation]:
            return self._approvals.undo(investigation, plan_hash, actor, reason)

    def step_back(self, investigation: str, to_seq: int, actor: str) -> State:
        """Go back to just after the event `to_seq`, as if nothing after it had been said. Raises `NotNow`."""

        def decide(state: State) -> Sequence[Draft]:
            stones = [event.seq for event in state.history if event.type in STEPPING_STONES]
            if to_seq not in stones:
                raise NotNow(
                    f"there is no way back to event {to_seq}; go back to one of: {', '.join(map(str, stones))}"
                )
            return (draft(SteppedBack, to_seq=to_seq, actor=actor),)

        with self._turns[investigation]:
            return self._journal.append(investigation, decide, lambda _: ())

    def note(self, investigation: str, text: str, actor: str) -> State:
        """Keep a person's remark. It does not wait for a running tool."""
        return self._journal.append(investigation, lambda _: (draft(NoteAdded, text=text, actor=actor),), lambda _: ())

    def _playbook(self, state: State) -> FlatPlaybook:
        flat = self._library.playbook(state.playbook)
        if flat.hash != state.playbook_hash:
            raise NotNow(
                f"the playbook {state.playbook!r} is not the one that {state.investigation} was opened with; "
                "open a new investigation for the alert"
            )
        return flat

    def _append(self, investigation: str, decide: Callable[[State], Sequence[Draft]]) -> State:
        with self._turns[investigation]:
            return self._journal.append(investigation, decide, self._follow)

    def _follow(self, state: State) -> Sequence[Draft]:
        """What belongs into the same write: the branch that a complete step takes, or the plan that a tool made."""
        move = next_move(self._playbook(state), state)
        if isinstance(move, Go) or (isinstance(move, Propose) and not _waits(move, state)):
            return (self._draft(move),)
        return ()

    def _run(self, state: State, move: Run) -> State:
        """Record the call, run the tool, record its finding. A call that is recorded already is not recorded again."""
        if state.call is None:
            called = draft(ToolCalled, step=move.step, tool=move.tool, params=move.params)
            state = self._journal.append(state.investigation, self._if_still(move, called), lambda _: ())
        finding = call(self._tools[move.tool], move.params, self._ports)
        answered = draft(ToolAnswered, step=move.step, finding=finding)
        return self._append(state.investigation, self._if_still(move, answered))

    def _record(self, state: State, move: Move) -> State:
        return self._append(state.investigation, self._if_still(move, self._draft(move)))

    def _if_still(self, move: Move, one: Draft) -> Callable[[State], Sequence[Draft]]:
        """The draft, as long as the planner would still make this move."""

        def decide(state: State) -> Sequence[Draft]:
            now = next_move(self._playbook(state), state)
            return (one,) if now is not None and (type(now), now.step) == (type(move), move.step) else ()

        return decide

    def _draft(self, move: Move) -> Draft:
        match move:
            case Go():
                return draft(BranchTaken, step=move.step, to=move.to, because=move.because)
            case Ask():
                return draft(QuestionAsked, **vars(move))
            case Propose():
                plan = make_plan(move.tool, move.plan, self._clock() + self._plans_last)
                return draft(ActionProposed, step=move.step, plan=plan)
            case Conclude():
                return draft(VerdictReached, step=move.step, verdict=move.verdict)
            case Run():
                return draft(ToolCalled, step=move.step, tool=move.tool, params=move.params)


def _waits(move: Move, state: State) -> bool:
    """Whether the move is recorded already and a person is to speak."""
    if isinstance(move, Ask):
        return state.question is not None
    return isinstance(move, Propose) and state.action_at(move.step) is not None
