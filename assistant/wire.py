"""The only types that a client may see. Everything that crosses the API, in either direction, is one of these.

The events, findings and evidence are the log's own types, under their own names: what a client shows is what was
recorded, and nothing is translated on the way. Floats that may be NaN are `Num`.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.planner.events import (
    ActionApproved,
    ActionDone,
    ActionProposed,
    ActionRefused,
    AnswerGiven,
    Because,
    BranchTaken,
    Choice,
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
from knowledge.ingest.alert import Alert
from knowledge.snapshot_check import CheckOutcome, CheckState
from tools.contract import Finding
from tools.contract import Status as FindingStatus
from tools.evidence import Chart, Estimate, Evidence, Source
from tools.numbers import Num
from tools.records import (
    Change,
    DatasetStatistics,
    JobRun,
    LineageEdge,
    LineageNode,
    Pipeline,
    PipelineState,
    Snapshot,
    Standing,
    TrainingRun,
    Utc,
    Window,
)

__all__ = [
    "PREFIX",
    "ActionApproved",
    "ActionDone",
    "ActionProposed",
    "ActionRefused",
    "Alert",
    "Announced",
    "AnswerBody",
    "AnswerGiven",
    "ApproveBody",
    "AuditEntry",
    "AuditPage",
    "Because",
    "BranchTaken",
    "Change",
    "Chart",
    "CheckOutcome",
    "CheckState",
    "Choice",
    "DatasetStatistics",
    "Estimate",
    "Event",
    "EventPage",
    "EventTaken",
    "EventsTaken",
    "Evidence",
    "Figure",
    "Finding",
    "FindingStatus",
    "Health",
    "InvestigationPage",
    "InvestigationSummary",
    "InvestigationView",
    "JobRun",
    "KeptFacet",
    "LineageChanges",
    "LineageEdge",
    "LineageFacets",
    "LineageNode",
    "LineageNodes",
    "LineageRefusals",
    "LineageRuns",
    "LineageSeries",
    "LineageStatistics",
    "MlflowRun",
    "ModelLine",
    "Neighbourhood",
    "NotTaken",
    "NoteAdded",
    "NoteBody",
    "Num",
    "OpenBody",
    "Opened",
    "OpenedPage",
    "Pipeline",
    "PipelineLine",
    "PipelinePage",
    "PipelineState",
    "Plan",
    "Problem",
    "Question",
    "QuestionAsked",
    "RefuseBody",
    "RefusedEvents",
    "RefusedRows",
    "RunStored",
    "SamplesTaken",
    "Share",
    "Snapshot",
    "SnapshotLine",
    "SnapshotPage",
    "SnapshotView",
    "Source",
    "Standing",
    "Status",
    "StepBackBody",
    "SteppedBack",
    "ToolAnswered",
    "ToolCalled",
    "ToolInfo",
    "TrailStep",
    "TrainingRun",
    "UndoBody",
    "Utc",
    "Verdict",
    "VerdictReached",
    "Window",
]

PREFIX = "/api/v1"
"""Where the API begins."""

_Text = Annotated[str, Field(min_length=1, max_length=4000)]
_Actor = Annotated[str, Field(min_length=1, max_length=200)]


class _Wire(BaseModel):
    """Immutable, and strict about names so that a misspelt field is refused rather than lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RefusedRows(_Wire):
    """Rows of a batch that were not taken, and why; `first` are the places of the first of them, from 0."""

    reason: str
    rows: int
    first: tuple[int, ...]


class SamplesTaken(_Wire):
    """What became of a batch of samples or labels: `taken` rows are on disk, those `refused` are for good."""

    taken: int
    refused: tuple[RefusedRows, ...]


class Health(_Wire):
    """That the service answers, which version it is, and how many investigations it is working on at this moment."""

    status: Literal["ok"] = "ok"
    version: str
    tools: int
    running: int


class ToolInfo(_Wire):
    """A tool, with the JSON schemas of its parameters and facts. `unavailable` says why it cannot run, or is None."""

    name: str
    question: str
    acts: bool
    unavailable: str | None
    params: dict[str, Any]
    facts: dict[str, Any]


class Status(StrEnum):
    """What an investigation is doing. `failed` means that it stopped on an error; `detail` of its view says which."""

    running = "running"
    waiting_for_answer = "waiting_for_answer"
    waiting_for_approval = "waiting_for_approval"
    done = "done"
    failed = "failed"


class InvestigationSummary(_Wire):
    """One line of the list of investigations."""

    id: str
    title: str
    product: str
    metric: str
    opened_at: Utc
    status: Status
    playbook: str
    verdict: Verdict | None = None


class InvestigationPage(_Wire):
    """Newest first. `total` counts all of them, of which this page holds those from `offset` on."""

    investigations: tuple[InvestigationSummary, ...]
    total: int
    offset: int
    limit: int


class Question(_Wire):
    """The question that waits for an answer. `recommended_why` says in words why that answer is recommended, and
    `because` holds the facts behind it."""

    step: str
    question: str
    why: str
    choices: tuple[Choice, ...]
    recommended: str
    recommended_why: str = ""
    because: tuple[Because, ...]


class TrailStep(_Wire):
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


class InvestigationView(_Wire):
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


class EventPage(_Wire):
    """Events after a sequence number, oldest first. `last_seq` is the number to ask after next.

    `status` is the investigation's at the moment of answering, so that a reader knows whether more can come by itself.
    """

    events: tuple[Event, ...]
    last_seq: int
    status: Status


class ModelLine(_Wire):
    """A model that is known, be it only by its snapshots: then it has no product and no title."""

    model: str
    product: str | None = None
    title: str | None = None


class Share(_Wire):
    """From `ts` on, this share of an arm's traffic was served by a snapshot."""

    arm: str
    ts: Utc
    share: float


class SnapshotLine(_Wire):
    """A snapshot on the timeline of its model: its standing, where it served, and how far its check is.

    `running` is the tool that runs now, `answered` counts those that are through of `asked`, and `stopped` says on
    which error the check stopped. `reasons` say why the outcome is what it is; `investigation` is the one that a
    suspicion has opened.
    """

    snapshot: str
    published_at: Utc
    standing: Standing
    shares: tuple[Share, ...]
    check: CheckState
    running: str | None = None
    stopped: str | None = None
    answered: int = 0
    asked: int = 0
    outcome: CheckOutcome | None = None
    reasons: tuple[str, ...] = ()
    investigation: str | None = None


class SnapshotPage(_Wire):
    """The snapshots of a model, newest first. `total` counts all of them."""

    model: str
    snapshots: tuple[SnapshotLine, ...]
    total: int
    offset: int
    limit: int


class SnapshotView(_Wire):
    """A snapshot with its record, its line on the timeline, and what the tools of its check found."""

    record: Snapshot
    line: SnapshotLine
    findings: tuple[Finding, ...] = ()


class PipelineLine(_Wire):
    """A pipeline with its record, and its state as its orchestrator says it at this moment; `detail` says why that
    cannot be read, where it cannot."""

    record: Pipeline
    state: PipelineState | None = None
    detail: str | None = None


class PipelinePage(_Wire):
    """Pipelines in the order of their names. `total` counts all of them."""

    pipelines: tuple[PipelineLine, ...]
    total: int
    offset: int
    limit: int


class AuditEntry(_Wire):
    """Something that was decided about an action, or that came of it.

    `outcome` is `approved` and `refused` by a person or by an automatic walk, `done` with the state that was read back,
    or `not_done` with what stood against it. `actor` is who said so; of what came of an approval, who approved.
    `undo` marks the undo of an earlier action. `plan_hash` is the key under which an action is done only once.
    """

    at: Utc
    investigation: str
    seq: int
    title: str
    action: str
    target: str
    plan_hash: str
    undo: bool
    outcome: Literal["approved", "refused", "done", "not_done"]
    actor: str
    reason: str
    state: dict[str, Any] | None = None


class AuditPage(_Wire):
    """What was decided and done, the newest first. `total` counts all of it."""

    entries: tuple[AuditEntry, ...]
    total: int
    offset: int
    limit: int


class RunStored(_Wire):
    """A training run that is kept now, and how much of it there is."""

    run: str
    model: str
    curves: int
    partitions: int


class MlflowRun(_Wire):
    """A run of the MLflow server by its id there, the model that it trained, and the snapshot that it made."""

    run: Annotated[str, Field(min_length=1, max_length=200)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    snapshot: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Announced(_Wire):
    """What a registry's webhook led to: the snapshot that is registered now, or why none is."""

    snapshot: str | None = None
    detail: str


class OpenBody(_Wire):
    """Open an investigation of an alert, with a playbook of this name or the default one."""

    alert: Alert
    playbook: str | None = None


class OpenedPage(_Wire):
    """The ids of the investigations that a webhook's alerts opened, or had opened before."""

    investigations: tuple[str, ...]


class AnswerBody(_Wire):
    """An answer to the question of a step. A question that is no longer open is refused with 409."""

    step: str
    choice: str
    actor: _Actor


class ApproveBody(_Wire):
    """An approval names the plan by its hash, so that nobody approves what they have not seen."""

    plan_hash: str
    actor: _Actor
    reason: _Text


class RefuseBody(_Wire):
    """A refusal names the plan and says why, for the record."""

    plan_hash: str
    actor: _Actor
    reason: _Text


class UndoBody(_Wire):
    """Undo the action that was carried out under this plan hash."""

    plan_hash: str
    actor: _Actor
    reason: _Text


class StepBackBody(_Wire):
    """Go back to event `to_seq`: what came after it stays in the log but no longer counts.

    Going back to the event that asked a question asks it anew; an action that was carried out stays carried out.
    """

    to_seq: Annotated[int, Field(ge=0)]
    actor: _Actor


class NoteBody(_Wire):
    """A remark for whoever reads the investigation later."""

    text: _Text
    actor: _Actor


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it. `detail` says what to do; `errors` lists each fault of the input."""

    model_config = ConfigDict(frozen=True)
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[str, ...] = ()


class EventTaken(_Wire):
    """An OpenLineage event is on disk, but for the parts of it that were left out, each with the reason."""

    left_out: tuple[str, ...]


class NotTaken(_Wire):
    """An event of a batch, or a part of it, that was not taken: its place in the batch, from 0, and why."""

    index: int
    reason: str


class EventsTaken(_Wire):
    """What became of a batch: `stored` events are on disk; those refused will never be taken as they are."""

    received: int
    stored: int
    refused: tuple[NotTaken, ...]
    left_out: tuple[NotTaken, ...]


class RefusedEvents(_Wire):
    """Events that were refused for one reason, or parts of events that were left out for it; the last one in full."""

    part: Literal["event", "part"]
    reason: str
    count: int
    first_at: Utc
    last_at: Utc
    last_detail: str


class LineageRefusals(_Wire):
    """How many events were refused and how many parts of others left out, by reason, the most recent first."""

    events: int
    parts: int
    refusals: tuple[RefusedEvents, ...]


class LineageNodes(_Wire):
    """A page of the datasets and jobs that are known, by name."""

    nodes: tuple[LineageNode, ...]
    total: int
    offset: int
    limit: int


class Neighbourhood(_Wire):
    """The nodes around a node, itself first and then by distance, and all edges on the ways to them.

    `left_out` is how many further nodes are as near, beyond the limit of the question.
    """

    node: str
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    left_out: int


class LineageStatistics(_Wire):
    """How a dataset looked after each run in a window, oldest first."""

    node: str
    window: Window
    statistics: tuple[DatasetStatistics, ...]


class Figure(StrEnum):
    """A figure that is drawn over time; the first three are of a dataset, the others of a column."""

    row_count = "row_count"
    size_bytes = "size_bytes"
    file_count = "file_count"
    null_share = "null_share"
    distinct_count = "distinct_count"
    mean = "mean"
    min = "min"
    max = "max"
    standard_deviation = "standard_deviation"


class LineageSeries(_Wire):
    """A figure by time, one point for each run that told it, oldest first."""

    node: str
    column: str | None
    figure: Figure
    ts: tuple[Utc, ...]
    values: tuple[Num, ...]
    runs: tuple[str, ...]


class LineageChanges(_Wire):
    """What changed at a node in a window, oldest first."""

    node: str
    window: Window
    changes: tuple[Change, ...]


class LineageRuns(_Wire):
    """The runs of a job that started in a window, oldest first."""

    node: str
    window: Window
    runs: tuple[JobRun, ...]


class KeptFacet(_Wire):
    """A facet that is kept as it came: where it stood, and when it was last said."""

    place: Literal["run", "job", "dataset", "input", "output"]
    name: str
    at: Utc
    body: Any


class LineageFacets(_Wire):
    """The facets of a node, or of one of its runs, that are not read otherwise."""

    node: str
    run: str | None
    facets: tuple[KeptFacet, ...]
