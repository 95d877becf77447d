"""The events of an investigation. The log of them is the investigation: state is a fold over it, nothing else is kept.

Everything in an event but `investigation` and `at` is the same for two runs over the same data.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge.ingest.alert import Alert
from tools.contract import Finding, Scalar
from tools.records import Utc


class Because(BaseModel):
    """One reason for a branch: a fact or an answer, its value, and the condition that it met, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    fact: str
    value: Scalar
    test: str


class Choice(BaseModel):
    """A possible answer to a question."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    choice: str
    label: str


class Plan(BaseModel):
    """The dry-run plan of an action. `plan_hash` covers everything else here; an approval names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tool: str
    action: str
    target: str
    summary: str
    effects: tuple[str, ...]
    state_before: dict[str, Any]
    expires_at: Utc
    plan_hash: str


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    investigation: str
    seq: int
    at: Utc


class Opened(_Event):
    type: Literal["Opened"] = "Opened"
    alert: Alert
    playbook: str
    playbook_hash: str
    code_version: str


class ToolCalled(_Event):
    type: Literal["ToolCalled"] = "ToolCalled"
    step: str
    tool: str
    params: dict[str, Any]


class ToolAnswered(_Event):
    type: Literal["ToolAnswered"] = "ToolAnswered"
    step: str
    finding: Finding


class QuestionAsked(_Event):
    """`recommended_why` says in words why that answer is recommended; `because` holds the facts behind it."""

    type: Literal["QuestionAsked"] = "QuestionAsked"
    step: str
    question: str
    why: str
    choices: tuple[Choice, ...]
    recommended: str
    recommended_why: str = ""
    because: tuple[Because, ...]


class AnswerGiven(_Event):
    type: Literal["AnswerGiven"] = "AnswerGiven"
    step: str
    choice: str
    actor: str


class BranchTaken(_Event):
    type: Literal["BranchTaken"] = "BranchTaken"
    step: str
    to: str
    because: tuple[Because, ...]


class ActionProposed(_Event):
    type: Literal["ActionProposed"] = "ActionProposed"
    step: str
    plan: Plan


class ActionApproved(_Event):
    """`undo` marks the approval to undo an earlier action with the same plan hash."""

    type: Literal["ActionApproved"] = "ActionApproved"
    step: str
    plan_hash: str
    undo: bool = False
    actor: str
    reason: str


class ActionDone(_Event):
    """`undo` marks the undo of an earlier action with the same plan hash."""

    type: Literal["ActionDone"] = "ActionDone"
    step: str
    plan_hash: str
    undo: bool = False
    state_after: dict[str, Any]


class ActionRefused(_Event):
    type: Literal["ActionRefused"] = "ActionRefused"
    step: str
    plan_hash: str
    actor: str
    reason: str


class SteppedBack(_Event):
    """Everything after `to_seq` is as if it had not been said; the events stay in the log."""

    type: Literal["SteppedBack"] = "SteppedBack"
    to_seq: int
    actor: str


class NoteAdded(_Event):
    type: Literal["NoteAdded"] = "NoteAdded"
    text: str
    actor: str


class Verdict(BaseModel):
    """The end of an investigation: the cause, what it happened to, how sure, and what was seen on the way.

    `target` is for reading; `targets` are its parts as ids, for example a feature and the lineage node it broke at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    cause: str
    target: str
    targets: tuple[str, ...] = ()
    confidence: float
    explanation: str
    how_to_confirm: str
    mitigation: str
    chain: tuple[str, ...]
    ruled_out: tuple[str, ...]
    not_checked: tuple[str, ...]
    would_settle: tuple[str, ...]


class VerdictReached(_Event):
    type: Literal["VerdictReached"] = "VerdictReached"
    step: str
    verdict: Verdict


Event = Annotated[
    Opened
    | ToolCalled
    | ToolAnswered
    | QuestionAsked
    | AnswerGiven
    | BranchTaken
    | ActionProposed
    | ActionApproved
    | ActionDone
    | ActionRefused
    | SteppedBack
    | NoteAdded
    | VerdictReached,
    Field(discriminator="type"),
]
