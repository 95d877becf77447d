"""The snapshots of the models, as they are served and checked."""

from assistant.wire.common import Wire
from knowledge.snapshot_check import CheckOutcome, CheckState
from tools.contract import Finding
from tools.records import Snapshot, Standing, Utc


class ModelLine(Wire):
    """A model that is known, be it only by its snapshots: then it has no product and no title."""

    model: str
    product: str | None = None
    title: str | None = None


class Share(Wire):
    """From `ts` on, this share of an arm's traffic was served by a snapshot."""

    arm: str
    ts: Utc
    share: float


class SnapshotLine(Wire):
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


class SnapshotPage(Wire):
    """The snapshots of a model, newest first. `total` counts all of them."""

    model: str
    snapshots: tuple[SnapshotLine, ...]
    total: int
    offset: int
    limit: int


class SnapshotView(Wire):
    """A snapshot with its record, its line on the timeline, and what the tools of its check found."""

    record: Snapshot
    line: SnapshotLine
    findings: tuple[Finding, ...] = ()
