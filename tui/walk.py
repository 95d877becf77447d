"""What the screen shows, as a plain value: the investigation's view, its events, and how the two belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from assistant.wire import (
    ActionDone,
    ActionProposed,
    AnswerGiven,
    Event,
    EventPage,
    Finding,
    InvestigationView,
    Plan,
    QuestionAsked,
    SteppedBack,
    ToolAnswered,
    TrailStep,
    Verdict,
    VerdictReached,
)

E = TypeVar("E", ToolAnswered, QuestionAsked, AnswerGiven, ActionProposed, VerdictReached)


@dataclass(frozen=True)
class Walk:
    """An investigation as far as this client has read it; `events` in their order, those of abandoned steps included.

    `questions` are the questions that the server's tools answer, by tool.
    """

    view: InvestigationView
    events: tuple[Event, ...] = ()
    questions: Mapping[str, str] = field(default_factory=dict)

    def extended(self, page: EventPage, view: InvestigationView) -> "Walk":
        """This walk with a further page of events, and the view that was read after it."""
        return replace(self, view=view, events=self.events + page.events)

    def step(self, seq: int | None) -> TrailStep | None:
        """The step of the trail that began at event `seq`."""
        return next((step for step in self.view.trail if step.seq == seq), None)

    def title(self, step: TrailStep) -> str:
        """The question that a step answers."""
        finding = self.finding(step)
        return self.questions.get(step.title if finding is None else finding.tool, step.title)

    def finding(self, step: TrailStep) -> Finding | None:
        """The finding of a tool's step; None while the tool runs."""
        event = self._first(step, ToolAnswered)
        return None if event is None else event.finding

    def question(self, step: TrailStep) -> QuestionAsked | None:
        return self._first(step, QuestionAsked)

    def answer(self, step: TrailStep) -> AnswerGiven | None:
        return self._first(step, AnswerGiven)

    def plan(self, step: TrailStep) -> Plan | None:
        event = self._first(step, ActionProposed)
        return None if event is None else event.plan

    def done(self, step: TrailStep) -> ActionDone | None:
        """What a carried out action left, as read back; the newest, so that an undo replaces what it undid."""
        since = (e for e in reversed(self.events) if e.seq >= step.seq)
        return next((e for e in since if isinstance(e, ActionDone) and e.step == step.step), None)

    def verdict(self, step: TrailStep) -> Verdict | None:
        event = self._first(step, VerdictReached)
        return None if event is None else event.verdict

    def evidence_before(self, step: TrailStep) -> tuple[TrailStep, Finding] | None:
        """The last finding that was made before a step: what the reader had in front of them there."""
        for earlier in reversed(self.view.trail[: self.view.trail.index(step)]):
            finding = self.finding(earlier)
            if finding is not None:
                return earlier, finding
        return None

    @property
    def lineage(self) -> Sequence[Mapping[str, Any]]:
        """The places of the newest walk through the lineage, in its order; none where there was no such walk."""
        findings = (e.finding for e in reversed(self._standing) if isinstance(e, ToolAnswered))
        return next((f.result["walked"] for f in findings if f.result and f.result.get("walked")), ())

    @property
    def asked_at(self) -> int:
        """When the question that waits was last put, for the first time or again by a step back; -1 if never."""
        puts = (e.seq for e in reversed(self.events) if isinstance(e, QuestionAsked | SteppedBack))
        return next(puts, -1)

    def last_decision(self) -> TrailStep | None:
        """The newest question that was answered: where one step back leads to."""
        answered = (s for s in reversed(self.view.trail) if s.kind == "question" and s.outcome is not None)
        return next(answered, None)

    def _first(self, step: TrailStep, kind: type[E]) -> E | None:
        """The first event of a kind since a step began, of those that count."""
        since = (e for e in self._standing if e.seq >= step.seq)
        return next((e for e in since if isinstance(e, kind) and e.step == step.step), None)

    @cached_property
    def _standing(self) -> tuple[Event, ...]:
        """The events that no step back has put aside."""
        standing: list[Event] = []
        for event in self.events:
            if isinstance(event, SteppedBack):
                standing = [e for e in standing if e.seq <= event.to_seq]
            else:
                standing.append(event)
        return tuple(standing)
