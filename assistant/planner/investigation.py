"""The state of an investigation: a fold over its events, and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from assistant.planner.events import (
    ActionApproved,
    ActionDone,
    ActionProposed,
    ActionRefused,
    AnswerGiven,
    BranchTaken,
    Event,
    NoteAdded,
    Opened,
    Plan,
    QuestionAsked,
    SteppedBack,
    ToolAnswered,
    ToolCalled,
    Verdict,
    VerdictReached,
)
from assistant.planner.expressions import Ref
from knowledge.ingest.alert import Alert
from tools.contract import Finding


class Stage(StrEnum):
    """How far the plan of an action has come. `approved` and `undoing` wait for the orchestrator."""

    proposed = "proposed"
    approved = "approved"
    done = "done"
    refused = "refused"
    undoing = "undoing"
    undone = "undone"


@dataclass(frozen=True)
class Action:
    """A plan, the step that proposed it, and how far it has come. `reason` is that of a refusal.

    `sent` says that it was approved once, so that the orchestrator may have been told, whatever came of it.
    """

    step: str
    plan: Plan
    stage: Stage
    reason: str = ""
    sent: bool = False


@dataclass(frozen=True)
class State:
    """What is known. `step` is the current step, None at the playbook's start. `path` holds the steps behind it.

    `history` are the events that count: those after a step back are gone from it, while `actions` keeps what was done.
    """

    investigation: str
    alert: Alert
    playbook: str
    playbook_hash: str
    seq: int
    step: str | None = None
    path: tuple[str, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)
    questions: Mapping[str, QuestionAsked] = field(default_factory=dict)
    answers: Mapping[str, AnswerGiven] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    proposed: Mapping[str, str] = field(default_factory=dict)  # step → the plan hash that it proposed
    call: ToolCalled | None = None
    notes: tuple[NoteAdded, ...] = ()
    verdict: Verdict | None = None
    history: tuple[Event, ...] = ()

    @property
    def question(self) -> QuestionAsked | None:
        """The question that waits for an answer at the current step."""
        asked = None if self.step is None else self.questions.get(self.step)
        return asked if asked is not None and self.step not in self.answers else None

    @property
    def awaiting(self) -> Action | None:
        """The action that waits for a person's word at the current step."""
        action = self.action_at(self.step)
        return action if action is not None and action.stage is Stage.proposed else None

    def action_at(self, step: str | None) -> Action | None:
        """The action that a step proposed on this path."""
        return self.actions.get(self.proposed.get(step or "", ""))

    @property
    def unfinished(self) -> tuple[Action, ...]:
        """Actions that were approved but of which the log does not say that they were carried out."""
        return tuple(a for a in self.actions.values() if a.stage in (Stage.approved, Stage.undoing))


def opened(event: Opened) -> State:
    """The state after the first event."""
    return State(
        investigation=event.investigation,
        alert=event.alert,
        playbook=event.playbook,
        playbook_hash=event.playbook_hash,
        seq=event.seq,
        history=(event,),
    )


def fold(events: Iterable[Event]) -> State:
    """The state after all events. Raises ValueError where they do not begin with `Opened`."""
    rest = iter(events)
    first = next(rest, None)
    if not isinstance(first, Opened):
        raise ValueError("an investigation begins with the event Opened; its log is damaged")
    state = opened(first)
    for event in rest:
        state = apply(state, event)
    return state


def apply(state: State, event: Event) -> State:
    """The state after one more event."""
    if isinstance(event, SteppedBack):
        return _stepped_back(state, event)
    state = replace(state, seq=event.seq, history=(*state.history, event))
    if isinstance(event, ActionProposed | ActionApproved | ActionDone | ActionRefused):
        return _with_action(state, event)
    return _walked(state, event)


def _stepped_back(state: State, event: SteppedBack) -> State:
    """The state as it was, but with what was done in the world and noted by people since: that cannot be unsaid."""
    then = fold(old for old in state.history if old.seq <= event.to_seq)
    return replace(then, seq=event.seq, actions=state.actions, notes=state.notes)


def _walked(state: State, event: Event) -> State:
    match event:
        case ToolCalled():
            return replace(state, step=event.step, call=event)
        case ToolAnswered():
            findings = {**state.findings, event.step: event.finding}
            return replace(state, step=event.step, call=None, findings=findings)
        case QuestionAsked():
            return replace(state, step=event.step, questions={**state.questions, event.step: event})
        case AnswerGiven():
            return replace(state, answers={**state.answers, event.step: event})
        case BranchTaken():
            return replace(state, step=event.to, path=(*state.path, event.step))
        case NoteAdded():
            return replace(state, notes=(*state.notes, event))
        case VerdictReached():
            return replace(state, step=event.step, verdict=event.verdict)
        case _:
            return state


def _with_action(state: State, event: ActionProposed | ActionApproved | ActionDone | ActionRefused) -> State:
    if isinstance(event, ActionProposed):
        action = Action(event.step, event.plan, Stage.proposed)
        proposed = {**state.proposed, event.step: event.plan.plan_hash}
        return replace(state, actions={**state.actions, event.plan.plan_hash: action}, proposed=proposed)
    before = state.actions.get(event.plan_hash)
    if before is None:
        return state
    sent = before.sent or isinstance(event, ActionApproved)
    after = replace(before, stage=_stage(before, event), reason=getattr(event, "reason", ""), sent=sent)
    return replace(state, actions={**state.actions, event.plan_hash: after})


def _stage(before: Action, event: ActionApproved | ActionDone | ActionRefused) -> Stage:
    if isinstance(event, ActionApproved):
        return Stage.undoing if event.undo else Stage.approved
    if isinstance(event, ActionDone):
        return Stage.undone if event.undo else Stage.done
    # A refused undo leaves what was done as it is.
    return Stage.done if before.stage in (Stage.done, Stage.undoing) else Stage.refused


def look_up(state: State, ref: Ref) -> Any:
    """The value of a reference now, as JSON has it; None where it is not known."""
    if ref.source == "alert":
        return state.alert.model_dump(mode="json")[ref.name]
    if ref.source == "answers":
        given = state.answers.get(ref.step)
        return None if given is None else given.choice
    finding = state.findings.get(ref.step)
    return None if finding is None else finding.facts.get(ref.name)
