"""The pipelines and their states, and the record of what was done to them."""

from typing import Any, Literal

from assistant.wire.common import Wire
from tools.records import Pipeline, PipelineState, Utc


class PipelineLine(Wire):
    """A pipeline with its record, and its state as its orchestrator says it at this moment; `detail` says why that
    cannot be read, where it cannot."""

    record: Pipeline
    state: PipelineState | None = None
    detail: str | None = None


class PipelinePage(Wire):
    """Pipelines in the order of their names. `total` counts all of them."""

    pipelines: tuple[PipelineLine, ...]
    total: int
    offset: int
    limit: int


class AuditEntry(Wire):
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


class AuditPage(Wire):
    """What was decided and done, the newest first. `total` counts all of it."""

    entries: tuple[AuditEntry, ...]
    total: int
    offset: int
    limit: int
