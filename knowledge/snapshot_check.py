"""The check of a published snapshot as a record: what was asked for, how far it is, and what came of it."""

from enum import StrEnum

from tools.contract import Finding
from tools.records import Id, Record, Utc


class CheckState(StrEnum):
    """How far a check is. `never` is that of a snapshot whose check nobody asked for."""

    never = "never"
    queued = "queued"
    running = "running"
    done = "done"


class CheckOutcome(StrEnum):
    """What came of a check. A snapshot is only called healthy where every part of its check could be made."""

    healthy = "healthy"
    suspicious = "suspicious"
    not_checked = "not_checked"


class SnapshotCheck(Record):
    """The check of a snapshot; key `snapshot`.

    `running` is the tool that runs now, `findings` are those of the tools that are through, in their order. `reasons`
    say in a sentence each why the outcome is what it is. `investigation` is the one that a suspicion has opened.
    """

    snapshot: Id
    model: Id
    state: CheckState
    queued_at: Utc
    finished_at: Utc | None = None
    running: str | None = None
    findings: tuple[Finding, ...] = ()
    outcome: CheckOutcome | None = None
    reasons: tuple[str, ...] = ()
    investigation: str | None = None
