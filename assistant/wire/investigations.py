"""An investigation as a client sees it, and what a client may say to it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from assistant.planner.events import Because, Choice, Event, Plan, Verdict
from assistant.wire.common import Wire
from knowledge.ingest.alert import Alert
from tools.contract import Status as FindingStatus
from tools.records import Utc

_Text = Annotated[str, Field(min_length=1, max_length=4000)]
_Actor = Annotated[str, Field(min_length=1, max_length=200)]


class Status(StrEnum):
    """What an investigation is doing. `failed` means that it stopped on an error; `detail` of its view says which."""

    running = "running"
    waiting_for_answer = "waiting_for_answer"
    waiting_for_approval = "waiting_for_approval"
    done = "done"
    failed = "failed"


class InvestigationSummary(Wire):
    """One line of the list of investigations."""

    id: str
    title: str
    product: str
    metric: str
    opened_at: Utc
    status: Status
    playbook: str
    verdict: Verdict | None = None


class InvestigationPage(Wire):
    """Newest first. `total` counts all of them, of which this page holds those from `offset` on."""

    investigations: tuple[InvestigationSummary, ...]
    total: int
    offset: int
    limit: int


class Question(Wire):
    """The question that waits for an answer. `recommended_why` says in words why that answer is recommended, and
    `because` holds the facts behind it."""

    step: str
    question: str
    why: str
    choices: tuple[Choice, ...]
    recommended: str
    recommended_why: str = ""
    because: tuple[Because, ...]


class TrailStep(Wire):
    """A step that was walked, in its own order. `seq` is where the step began: stepping back to it asks it again.

    `outcome` is the finding's headline, the answer that was given, what became of the action, or the cause; None while
    it is not known yet. `status` is that of a tool's finding.
    """

    seq: int
    step: str
    kind: Literal["tool", "question", "action", "verdict"]
    title: str
    outcome: str | None = None
    status: FindingStatus | None = None
    interesting: bool = False
    actor: str | None = None


class InvestigationView(Wire):
    """An investigation as it stands: at most one of `question`, `plan` and `running_step` is set.

    `last_seq` is the last event that this view knows of: ask for the events after it. `can_undo` is the hash of a plan
    that was carried out and can be undone, or None. `detail` says what went wrong where the status is `failed`.
    """

    summary: InvestigationSummary
    alert: Alert
    last_seq: int
    question: Question | None = None
    plan: Plan | None = None
    running_step: str | None = None
    trail: tuple[TrailStep, ...] = ()
    can_undo: str | None = None
    detail: str | None = None


class EventPage(Wire):
    """Events after a sequence number, oldest first. `last_seq` is the number to ask after next.

    `status` is the investigation's at the moment of answering, so that a reader knows whether more can come by itself.
    """

    events: tuple[Event, ...]
    last_seq: int
    status: Status


class OpenBody(Wire):
    """Open an investigation of an alert, with a playbook of this name or the default one."""

    alert: Alert
    playbook: str | None = None


class OpenedPage(Wire):
    """The ids of the investigations that a webhook's alerts opened, or had opened before."""

    investigations: tuple[str, ...]


class AnswerBody(Wire):
    """An answer to the question of a step. A question that is no longer open is refused with 409."""

    step: str
    choice: str
    actor: _Actor


class ApproveBody(Wire):
    """An approval names the plan by its hash, so that nobody approves what they have not seen."""

    plan_hash: str
    actor: _Actor
    reason: _Text


class RefuseBody(Wire):
    """A refusal names the plan and says why, for the record."""

    plan_hash: str
    actor: _Actor
    reason: _Text


class UndoBody(Wire):
    """Undo the action that was carried out under this plan hash."""

    plan_hash: str
    actor: _Actor
    reason: _Text


class StepBackBody(Wire):
    """Go back to event `to_seq`: what came after it stays in the log but no longer counts.

    Going back to the event that asked a question asks it anew; an action that was carried out stays carried out.
    """

    to_seq: Annotated[int, Field(ge=0)]
    actor: _Actor


class NoteBody(Wire):
    """A remark for whoever reads the investigation later."""

    text: _Text
    actor: _Actor
