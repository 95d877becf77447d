"""Every published snapshot of a small but really trained model is checked: healthy days open nothing, bad ones do."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assistant.publishing.checker import Checker
from knowledge.ingest.alert import Alert
from knowledge.snapshot_check import CheckOutcome, CheckState, SnapshotCheck
from knowledge.workspace import Workspace
from tests.assistant.publishing.platform import MODEL, RATE, Day, Platform, broken_table
from tools.contract import Finding, Status
from tools.registry import all_tools

PATIENCE_S = 60.0


class Service:
    """A workspace whose published snapshots are checked, as the service does it; `opened` are the alerts that it had
    to open an investigation of."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace.open(folder)
        self.opened: list[Alert] = []
        self.checker = Checker(self.workspace, all_tools(), self._open, timedelta(days=14), lambda: datetime.now(UTC))
        self.checker.start()

    def send(self, day: Day) -> None:
        self.workspace.receiver.receive_training_run(day.run)
        self.workspace.receiver.receive_samples(day.samples)
        self.workspace.receiver.receive_snapshot(day.snapshot)

    def checked(self, snapshot: str) -> SnapshotCheck:
        """The check of a snapshot when it is done."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            check = self.workspace.checks.check(snapshot)
            if check is not None and check.state is CheckState.done:
                return check
            time.sleep(0.02)
        raise AssertionError(f"the check of {snapshot} is not done: {self.checker.failure(snapshot)}")

    def stop(self) -> None:
        self.checker.close()
        self.workspace.close()

    def _open(self, alert: Alert) -> str:
        if alert not in self.opened:
            self.opened.append(alert)
        return f"inv-{alert.alert}"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], Service]]:
    running: list[Service] = []

    def start() -> Service:
        running.append(Service(tmp_path / "data"))
        return running[-1]

    yield start
    for service in running:
        service.stop()


def finding(check: SnapshotCheck, tool: str) -> Finding:
    return next(found for found in check.findings if found.tool == tool)


def test_thirty_healthy_days_open_nothing_and_then_bad_ones_do(serve: Callable[[], Service], tmp_path: Path) -> None:
    service, platform = serve(), Platform(tmp_path / "data" / "snapshots")
    outcomes = []
    for _ in range(30):
        day = platform.day()
        service.send(day)
        outcomes.append(service.checked(day.snapshot["snapshot"]))
    assert service.opened == []
    assert {check.outcome for check in outcomes} <= {CheckOutcome.healthy, CheckOutcome.not_checked}
    assert outcomes[0].outcome is CheckOutcome.not_checked, "nothing to compare the first one with"
    assert any("first snapshot" in reason for reason in outcomes[0].reasons)
    assert finding(outcomes[-1], "snapshot_diff").status is Status.answered

    broken = platform.day(change=broken_table)
    service.send(broken)
    torn = service.checked(broken.snapshot["snapshot"])
    assert torn.outcome is CheckOutcome.suspicious, torn.reasons
    assert any(reason.startswith("graph_walk: ") for reason in torn.reasons)
    assert finding(torn, "graph_walk").facts["origin"] == "weight"

    day = platform.day(rate=60 * RATE)
    service.send(day)
    bad = service.checked(day.snapshot["snapshot"])
    assert bad.outcome is CheckOutcome.suspicious, bad.reasons
    assert any(reason.startswith("training_data: ") for reason in bad.reasons)
    assert [alert.snapshot for alert in service.opened] == [broken.snapshot["snapshot"], day.snapshot["snapshot"]]
    assert service.opened[0].product == MODEL, "a model of no known product stands for itself"
    assert bad.investigation == f"inv-{service.opened[1].alert}"
    record = service.workspace.ports.models.snapshot(day.snapshot["snapshot"])
    assert record is not None
    assert record.standing == "candidate", "nobody's standing is changed"


def test_a_snapshot_is_checked_once_however_often_it_is_sent(serve: Callable[[], Service], tmp_path: Path) -> None:
    service, platform = serve(), Platform(tmp_path / "data" / "snapshots")
    day = platform.day()
    service.workspace.receiver.receive_snapshot(day.snapshot)
    first = service.checked(day.snapshot["snapshot"])
    service.send(day)
    service.workspace.receiver.receive_snapshot({**day.snapshot, "standing": "stable"})
    assert service.workspace.checks.unfinished() == []
    assert service.workspace.checks.check(day.snapshot["snapshot"]) == first


def test_without_a_service_nothing_is_queued_and_old_snapshots_stay_unchecked(
    serve: Callable[[], Service], tmp_path: Path
) -> None:
    platform = Platform(tmp_path / "data" / "snapshots")
    workspace = Workspace.open(tmp_path / "data")
    old = platform.day()
    workspace.receiver.receive_snapshot(old.snapshot)
    assert workspace.checks.unfinished() == []
    workspace.close()
    service = serve()
    service.workspace.receiver.receive_snapshot({**old.snapshot, "standing": "stable"})
    assert service.workspace.checks.check(old.snapshot["snapshot"]) is None


def test_what_cannot_be_looked_at_is_not_checked_and_not_suspected(serve: Callable[[], Service]) -> None:
    service = serve()
    record = {"snapshot": "gone/1", "model": "gone", "published_at": "2013-05-04T09:00:00Z", "artifact": "gone/1.pt2"}
    service.workspace.receiver.receive_snapshot(record)
    check = service.checked("gone/1")
    assert check.outcome is CheckOutcome.not_checked
    assert {reason.split(":")[0] for reason in check.reasons} == {"snapshot_diff", "graph_walk", "training_data"}
    assert service.opened == []


def test_a_check_goes_on_with_the_tool_that_had_not_answered(serve: Callable[[], Service], tmp_path: Path) -> None:
    """What is in the store after a kill in the middle of the second tool, and the next start."""
    platform = Platform(tmp_path / "data" / "snapshots")
    workspace = Workspace.open(tmp_path / "data")
    day = platform.day()
    workspace.receiver.watch_snapshots(lambda _: None)
    workspace.receiver.receive_snapshot(day.snapshot)
    queued = workspace.checks.check(day.snapshot["snapshot"])
    assert queued is not None
    said = Finding(tool="snapshot_diff", status=Status.answered, headline="as it was said", facts={"unusual": False})
    half = queued.model_copy(update={"state": CheckState.running, "running": "graph_walk", "findings": (said,)})
    workspace.checks.save(half)
    workspace.close()
    check = serve().checked(day.snapshot["snapshot"])
    assert [found.tool for found in check.findings] == ["snapshot_diff", "graph_walk", "training_data"]
    assert finding(check, "snapshot_diff").headline == "as it was said"


def test_a_service_that_stops_in_the_middle_goes_on_where_it_was(serve: Callable[[], Service], tmp_path: Path) -> None:
    """Starting the process that runs a snapshot takes long enough to stop the service in it."""
    service, platform = serve(), Platform(tmp_path / "data" / "snapshots")
    day = platform.day()
    name = day.snapshot["snapshot"]
    service.send(day)
    while (check := service.workspace.checks.check(name)) is None or check.running != "graph_walk":
        time.sleep(0.005)
    service.stop()
    again = serve()
    done = again.checked(name)
    assert [found.tool for found in done.findings] == ["snapshot_diff", "graph_walk", "training_data"]
    assert "closed" not in finding(done, "graph_walk").headline, "what was stopped halfway is no answer"
