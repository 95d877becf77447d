"""What may be done with snapshots: register one, look at it, and look at the timeline of a model."""

import threading
from collections.abc import Sequence
from urllib.parse import unquote

from assistant.api.problems import conflict, not_found, unprocessable
from assistant.publishing.checker import Checker
from assistant.publishing.rules import TOOLS
from assistant.wire import (
    CheckOutcome,
    CheckState,
    ModelLine,
    Share,
    Snapshot,
    SnapshotLine,
    SnapshotPage,
    SnapshotView,
)
from knowledge.snapshot_check import SnapshotCheck
from knowledge.workspace import Workspace
from tools.ports import UnreadableArtifact
from tools.records import RolloutPoint

NEVER = "it was registered while no service ran, so nothing checked it; publish it again to have it checked"


class SnapshotDesk:
    """The snapshots of one workspace, as the API offers them. Everything here may block on the disk."""

    def __init__(self, workspace: Workspace, checker: Checker) -> None:
        self._workspace, self._checker = workspace, checker
        self._models = workspace.ports.models
        self._registering = threading.Lock()

    def register(self, snapshot: Snapshot) -> tuple[SnapshotView, bool]:
        """The snapshot as it is now known, and whether it is new. Its check goes on in the background.

        The same record again changes nothing; a known snapshot may change its standing, but never its artifact.
        """
        with self._registering:
            known = self._models.snapshot(snapshot.snapshot)
            if known is not None:
                self._refuse_another(known, snapshot)
            elif snapshot.artifact is not None:
                self._refuse_missing(snapshot.artifact)
            self._workspace.receiver.receive_snapshot(snapshot)
        self._checker.ask(snapshot)  # a new one is queued by now; one that was never checked is from here on
        return self.view(snapshot.snapshot), known is None

    def view(self, snapshot: str) -> SnapshotView:
        record = self._models.snapshot(snapshot)
        if record is None:
            raise not_found(
                f"there is no snapshot {snapshot!r}; GET /api/v1/models/{{model}}/snapshots lists those of a model"
            )
        check = self._workspace.checks.check(snapshot)
        line = self._line(record, check, self._models.rollouts(record.model))
        return SnapshotView(record=record, line=line, findings=check.findings if check else ())

    def page(self, model: str, limit: int, offset: int) -> SnapshotPage:
        """The newest first. A model with a slash in its id may be named with the slash quoted once more."""
        name = model if self._models.snapshots(model) else unquote(model)
        newest_first = self._models.snapshots(name)[::-1]
        if not newest_first and self._models.model(name) is None:
            known = ", ".join(self._workspace.models.names()) or "none yet"
            raise not_found(f"there is no model {name!r}; known: {known}")
        shown = newest_first[offset : offset + limit]
        checks = self._workspace.checks.checks([record.snapshot for record in shown])
        rollouts = self._models.rollouts(name)
        lines = tuple(self._line(record, checks.get(record.snapshot), rollouts) for record in shown)
        return SnapshotPage(model=name, snapshots=lines, total=len(newest_first), offset=offset, limit=limit)

    def models(self) -> list[ModelLine]:
        """Every model that is known, in order."""
        found = [(name, self._models.model(name)) for name in self._workspace.models.names()]
        return [
            ModelLine(model=name, product=record.product, title=record.title) if record else ModelLine(model=name)
            for name, record in found
        ]

    def _refuse_another(self, known: Snapshot, sent: Snapshot) -> None:
        for name in ("model", "artifact"):
            before, now = getattr(known, name), getattr(sent, name)
            if before != now:
                raise conflict(
                    f"{known.snapshot} is known with the {name} {before!r}, and this record has {now!r}. "
                    "A snapshot is never changed: give another one an id of its own"
                )

    def _refuse_missing(self, artifact: str) -> None:
        try:
            self._workspace.artifacts.find(artifact)
        except UnreadableArtifact as refused:
            raise unprocessable(str(refused)) from None

    def _line(self, record: Snapshot, check: SnapshotCheck | None, rollouts: Sequence[RolloutPoint]) -> SnapshotLine:
        served = tuple(
            Share(arm=point.arm, ts=point.ts, share=point.share)
            for point in rollouts
            if point.snapshot == record.snapshot
        )
        told = {
            "snapshot": record.snapshot,
            "published_at": record.published_at,
            "standing": record.standing,
            "shares": served,
            "asked": len(TOOLS),
        }
        if check is None:
            never = {"check": CheckState.never, "outcome": CheckOutcome.not_checked, "reasons": (NEVER,)}
            return SnapshotLine.model_validate({**told, **never})
        return SnapshotLine.model_validate(
            {
                **told,
                "check": check.state,
                "running": check.running,
                "answered": len(check.findings),
                "outcome": check.outcome,
                "stopped": self._checker.failure(record.snapshot),
                "reasons": check.reasons,
                "investigation": check.investigation,
            }
        )
