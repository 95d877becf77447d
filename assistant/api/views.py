"""What a client is shown of an investigation: the planner's state as a line, a question and a trail. Pure functions."""

from collections.abc import Sequence

from assistant.planner.actions import no_undo
from assistant.planner.investigation import Stage, State, fold
from assistant.wire import (
    ActionProposed,
    Event,
    InvestigationSummary,
    InvestigationView,
    Question,
    QuestionAsked,
    Status,
    ToolCalled,
    TrailStep,
    VerdictReached,
)

_Beginning = ToolCalled | QuestionAsked | ActionProposed | VerdictReached


def summary(events: Sequence[Event], failure: str | None) -> InvestigationSummary:
    """One line about an investigation. `events` is its whole log, `failure` why its walk stopped, or None."""
    return _summary(events[0], fold(events), failure)


def view(events: Sequence[Event], failure: str | None) -> InvestigationView:
    """An investigation as it stands now."""
    state = fold(events)
    line = _summary(events[0], state, failure)
    waiting = state.awaiting
    return InvestigationView(
        summary=line,
        alert=state.alert,
        last_seq=state.seq,
        question=_question(state) if line.status is Status.waiting_for_answer else None,
        plan=waiting.plan if waiting is not None and line.status is Status.waiting_for_approval else None,
        running_step=state.call.step if state.call is not None and line.status is Status.running else None,
        trail=tuple(trail(state)),
        can_undo=_can_undo(state),
        detail=failure,
    )


def trail(state: State) -> list[TrailStep]:
    """The steps that were walked, oldest first, each with what became of it."""
    steps = [_step(event, state) for event in state.history if isinstance(event, _Beginning)]
    # A tool that was called and called again after a crash began twice, and is one step.
    return sorted({(step.kind, step.step): step for step in steps}.values(), key=lambda step: step.seq)


def status(state: State, failure: str | None) -> Status:
    """What the investigation is doing. A verdict that waits for nothing else is the end."""
    if failure is not None:
        return Status.failed
    if state.question is not None:
        return Status.waiting_for_answer
    if state.awaiting is not None:
        return Status.waiting_for_approval
    return Status.running if state.verdict is None or state.unfinished else Status.done


def _summary(first: Event, state: State, failure: str | None) -> InvestigationSummary:
    return InvestigationSummary(
        id=state.investigation,
        title=state.alert.title,
        product=state.alert.product,
        metric=state.alert.metric,
        opened_at=first.at,
        status=status(state, failure),
        playbook=state.playbook,
        verdict=state.verdict,
    )


def _question(state: State) -> Question | None:
    asked = state.question
    if asked is None:
        return None
    return Question(**{name: getattr(asked, name) for name in Question.model_fields})


def _step(event: _Beginning, state: State) -> TrailStep:
    return _begun(event).model_copy(update=_outcome(event, state))


def _begun(event: _Beginning) -> TrailStep:
    match event:
        case ToolCalled():
            return TrailStep(seq=event.seq, step=event.step, kind="tool", title=event.tool)
        case QuestionAsked():
            return TrailStep(seq=event.seq, step=event.step, kind="question", title=event.question)
        case ActionProposed():
            return TrailStep(seq=event.seq, step=event.step, kind="action", title=event.plan.summary)
        case VerdictReached():
            return TrailStep(
                seq=event.seq,
                step=event.step,
                kind="verdict",
                title=f"{event.verdict.cause} {event.verdict.target}".strip(),
                outcome=event.verdict.explanation,
            )


def _outcome(event: _Beginning, state: State) -> dict[str, object]:
    match event:
        case ToolCalled() if found := state.findings.get(event.step):
            return {"outcome": found.headline, "status": found.status, "interesting": found.interesting}
        case QuestionAsked() if given := state.answers.get(event.step):
            label = next((c.label for c in event.choices if c.choice == given.choice), given.choice)
            return {"outcome": label, "actor": given.actor}
        case ActionProposed() if (action := state.actions.get(event.plan.plan_hash)) and action.stage != Stage.proposed:
            return {"outcome": action.stage.value + (f": {action.reason}" if action.reason else "")}
    return {}


def _can_undo(state: State) -> str | None:
    """The newest action that was done, not undone, and can be; stepping back does not undo it."""
    done = [
        plan_hash
        for plan_hash, action in state.actions.items()
        if action.stage is Stage.done and no_undo(action.plan) is None
    ]
    return done[-1] if done else None
