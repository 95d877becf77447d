"""A drill's platform publishes to a service, day by day: healthy days are never suspected, the incident's is."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assistant.cli.score import is_correct
from assistant.planner.driver import Driver
from assistant.planner.library import Library
from assistant.publishing import rules
from assistant.publishing.checker import Checker
from assistant.wire import Verdict
from knowledge.catalogue import load_catalogue
from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.drills.calendar import Period
from knowledge.drills.emission import Emission
from knowledge.drills.faults import fault as fault_named
from knowledge.drills.flights import load
from knowledge.drills.platform import Platform
from knowledge.drills.world import Scale
from knowledge.snapshot_check import CheckOutcome, SnapshotCheck
from knowledge.workspace import ORCHESTRATOR, SNAPSHOTS, Workspace
from tools.records import Snapshot
from tools.registry import all_tools

PATIENCE_S = 300.0


def published(fault: str, seed: int, folder: Path) -> tuple[list[tuple[Snapshot, SnapshotCheck]], list[Verdict | None]]:
    """Every published snapshot with its check, in order, and the verdicts of the investigations that were opened.

    A day is sent when the checks of the day before are done, as it is where a day lies between.
    """
    practice, scale = fault_named(fault)(seed), Scale()
    period = Period(practice.incident, scale.emitted_days, scale.bootstrap_days)
    workspace, library = Workspace.open(folder), Library(load_catalogue(), all_tools())
    driver = Driver(workspace.log, workspace.ports, library, all_tools(), _now)
    checker = Checker(workspace, all_tools(), lambda a: driver.open(a, rules.PLAYBOOK), timedelta(days=14), _now)
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
        verdicts = [driver.auto(investigation).verdict for investigation in workspace.log.ids()]
        return [(s, check) for s in snapshots if (check := workspace.checks.check(s.snapshot))], verdicts
    finally:
        checker.close()
        workspace.close()


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("fault", ["nothing", "learning_rate", "broken_table"])
def test_only_the_snapshot_of_the_incident_is_suspicious(fault: str, seed: int, tmp_path: Path) -> None:
    checks, verdicts = published(fault, seed, tmp_path)
    truth = fault_named(fault)(seed).truth()
    guilty = {target for target in truth.targets if fault != "nothing"}
    suspected = {s.snapshot: check.reasons for s, check in checks if check.outcome is CheckOutcome.suspicious}
    assert set(suspected) == guilty, suspected
    assert len(checks) > 2 * 20
    assert len(verdicts) == len(guilty)
    for verdict in verdicts:
        assert verdict is not None
        assert is_correct(truth, verdict), verdict
