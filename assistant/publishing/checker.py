"""Checks published snapshots, one at a time, in the background: each of the tools once, and then a judgement.

How far a check is stands in the store after every tool. So a process may be killed at any moment: the next one goes on
with the tool that had not answered, and a suspicion opens one investigation however often it is come to.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from assistant.api.background import Background
from assistant.planner.check import Tools
from assistant.planner.tool_calls import call
from assistant.publishing import rules
from knowledge.ingest.alert import Alert
from knowledge.snapshot_check import CheckOutcome, CheckState, SnapshotCheck
from knowledge.workspace import Workspace
from tools.records import Snapshot


class Checker:
    """The checks of one workspace. `investigate` opens an investigation of an alert, once, and answers with its id."""

    def __init__(
        self,
        workspace: Workspace,
        tools: Tools,
        investigate: Callable[[Alert], str],
        baseline: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._workspace, self._tools, self._investigate = workspace, tools, investigate
        self._baseline, self._clock = baseline, clock
        self._background = Background(self._work, lambda _: None, at_once=1, what="check")
        self._closing = threading.Event()

    def start(self) -> None:
        """From now on, check every new snapshot; and go on with the checks that were not done when a process ended."""
        self._workspace.receiver.watch_snapshots(lambda snapshot: self._background.wake(snapshot.snapshot))
        for snapshot in self._workspace.checks.unfinished():
            self._background.wake(snapshot)

    def ask(self, snapshot: Snapshot) -> None:
        """Check a snapshot that nobody asked to check before, or whose check has stopped."""
        if self._workspace.checks.queue(snapshot) or self.failure(snapshot.snapshot) is not None:
            self._background.wake(snapshot.snapshot)

    def failure(self, snapshot: str) -> str | None:
        """On what the check stopped, or None; it goes on when it is asked for again, and at the next start."""
        return self._background.failure(snapshot)

    def close(self) -> None:
        """Take nothing new, and stop what runs a snapshot now; it is run again at the next start."""
        self._workspace.receiver.watch_snapshots(None)
        self._closing.set()
        self._workspace.programs.close()
        self._background.close()

    def _work(self, name: str) -> None:
        check, snapshot = self._workspace.checks.check(name), self._workspace.ports.models.snapshot(name)
        if check is None or snapshot is None or check.state is CheckState.done:
            return
        alert = self._alert(snapshot)
        for tool, params in rules.questions(alert).items():
            if any(finding.tool == tool for finding in check.findings):
                continue
            check = self._kept(check, state=CheckState.running, running=tool)
            finding = call(self._tools[tool], params, self._workspace.ports)
            if self._closing.is_set():
                return  # it may have been stopped halfway, and is no answer
            check = self._kept(check, findings=(*check.findings, finding))
        self._conclude(check, alert)

    def _conclude(self, check: SnapshotCheck, alert: Alert) -> None:
        outcome, reasons = rules.judge(check.findings)
        investigation = self._investigate(alert) if outcome is CheckOutcome.suspicious else None
        self._kept(
            check,
            state=CheckState.done,
            running=None,
            outcome=outcome,
            reasons=reasons,
            investigation=investigation,
            finished_at=self._clock(),
        )

    def _alert(self, snapshot: Snapshot) -> Alert:
        ports = self._workspace.ports
        model = ports.models.model(snapshot.model)
        run = ports.training.run(snapshot.training_run) if snapshot.training_run else None
        return rules.alert_of(snapshot, model.product if model else None, run, self._baseline)

    def _kept(self, check: SnapshotCheck, **changes: object) -> SnapshotCheck:
        changed = check.model_copy(update=changes)
        self._workspace.checks.save(changed)
        return changed
