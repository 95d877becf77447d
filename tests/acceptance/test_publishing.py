"""A drill's platform publishes to a service, day by day: healthy days are never suspected, the incident's is."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assistant.publishing.checker import Checker
from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.drills.calendar import Period
from knowledge.drills.emission import Emission
from knowledge.drills.faults import fault as fault_named
from knowledge.drills.flights import load
from knowledge.drills.platform import Platform
from knowledge.drills.world import Scale
from knowledge.ingest.alert import Alert
from knowledge.snapshot_check import CheckOutcome, SnapshotCheck
from knowledge.workspace import ORCHESTRATOR, SNAPSHOTS, Workspace
from tools.records import Snapshot
from tools.registry import all_tools

PATIENCE_S = 300.0


def published(fault: str, seed: int, folder: Path) -> tuple[list[tuple[Snapshot, SnapshotCheck]], list[str | None]]:
    """Every published snapshot with its check, in order, and the snapshots that an investigation was opened of.

    A day is sent when the checks of the day before are done, as it is where a day lies between.
    """
    practice, scale = fault_named(fault)(seed), Scale()
    period = Period(practice.incident, scale.emitted_days, scale.bootstrap_days)
    workspace, opened = Workspace.open(folder), list[str | None]()

    def investigate(alert: Alert) -> str:
        opened.append(alert.snapshot)
        return "inv"

    checker = Checker(workspace, all_tools(), investigate, timedelta(days=14), lambda: datetime.now(UTC))
    checker.start()
    try:
        platform = Platform(load(), practice, period, scale.pages_per_day, folder / SNAPSHOTS)
        emission = Emission(workspace.receiver, EmbeddedOrchestrator(folder / ORCHESTRATOR), platform, practice)
        emission.declare()
        for day in platform.days():
            emission.send(day)
            until = time.monotonic() + PATIENCE_S
            while workspace.checks.unfinished():
                assert time.monotonic() < until, [checker.failure(name) for name in workspace.checks.unfinished()]
                time.sleep(0.05)
        snapshots = [s for model in workspace.models.names() for s in workspace.ports.models.snapshots(model)]
        return [(s, check) for s in snapshots if (check := workspace.checks.check(s.snapshot))], opened
    finally:
        checker.close()
        workspace.close()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("fault", ["nothing", "learning_rate", "broken_table"])
def test_only_the_snapshot_of_the_incident_is_suspicious(fault: str, seed: int, tmp_path: Path) -> None:
    checks, opened = published(fault, seed, tmp_path)
    truth = fault_named(fault)(seed).truth()
    guilty = {target for target in truth.targets if fault != "nothing"}
    suspected = {s.snapshot: check.reasons for s, check in checks if check.outcome is CheckOutcome.suspicious}
    assert set(suspected) == guilty, suspected
    assert set(opened) == guilty
    assert len(checks) > 2 * 20
