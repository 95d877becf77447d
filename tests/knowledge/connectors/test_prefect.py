"""Prefect's connector against a server that behaves as Prefect 3.8.8 was seen to."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from knowledge.connectors.connection import Connection
from knowledge.connectors.prefect import Prefect
from tests.knowledge.connectors.servers import Answer, Asked, FakeServer, serving
from tools.ports import PortError

SECRET = "PREFECT_SECRET"
DEPLOYMENT, RUNNING, RETRYING, BY_HAND, PLANNED, LATE = (str(UUID(int=n)) for n in range(1, 7))
NOW = datetime.now(UTC)


def run(kind: str, minutes: float, **told: Any) -> dict[str, Any]:
    expected = (NOW + timedelta(minutes=minutes)).isoformat()
    return {"state_type": kind, "expected_start_time": expected, "run_count": 0, "auto_scheduled": True, **told}


@dataclass
class FakePrefect:
    paused: bool = False
    status: str = "ACCEPT"
    refuses: dict[str, Answer] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            RUNNING: run("RUNNING", -5, run_count=1),
            RETRYING: run("SCHEDULED", 1, run_count=1),
            BY_HAND: run("SCHEDULED", -1, auto_scheduled=False),
            PLANNED: run("SCHEDULED", 60),
            LATE: run("SCHEDULED", -1),
        }
    )

    def __call__(self, asked: Asked) -> Answer:
        if asked.order in self.refuses:
            return self.refuses[asked.order]
        if asked.path in ("/api/deployments/name/train/nightly é", f"/api/deployments/{DEPLOYMENT}"):
            return Answer(body={"id": DEPLOYMENT, "paused": self.paused})
        if asked.path == "/api/flow_runs/filter":
            assert asked.body["deployments"] == {"id": {"any_": [DEPLOYMENT]}}
            alive = asked.body["flow_runs"]["state"]["type"]["any_"]
            found = [{"id": name, **told} for name, told in self.runs.items() if told["state_type"] in alive]
            return Answer(body=found[asked.body["offset"] :][: asked.body["limit"]])
        if asked.path == f"/api/deployments/{DEPLOYMENT}/pause_deployment":
            self.paused = True
            self.runs = {name: told for name, told in self.runs.items() if name not in (PLANNED, LATE)}
            return Answer(body=b"null")
        if asked.path == f"/api/deployments/{DEPLOYMENT}/resume_deployment":
            self.paused = False
            return Answer(body=b"null")
        if asked.path.endswith("/set_state"):
            name = asked.path.split("/")[3]
            if self.status == "ACCEPT":
                self.runs[name]["state_type"] = asked.body["state"]["type"]
            return Answer(201, {"status": self.status})
        return Answer(404, {"detail": "Deployment not found"})


@pytest.fixture
def there() -> FakePrefect:
    return FakePrefect()


@pytest.fixture
def fake(there: FakePrefect) -> Iterator[FakeServer]:
    with serving(there) as server:
        yield server


@pytest.fixture
def prefect(fake: FakeServer) -> Prefect:
    return Prefect("pre", Connection(kind="prefect", url=fake.url))


@pytest.mark.parametrize("name", ["train/nightly é", DEPLOYMENT])
def test_what_is_in_flight_and_what_is_only_planned(prefect: Prefect, name: str) -> None:
    state = prefect.state(name)
    assert state.active_runs == (RUNNING, RETRYING, BY_HAND)
    assert state.next_run_at == NOW - timedelta(minutes=1)


def test_a_pause_takes_the_planned_runs_and_lets_the_others_be(prefect: Prefect, there: FakePrefect) -> None:
    after = prefect.set_paused("train/nightly é", True)
    assert (after.paused, after.active_runs, after.next_run_at) == (True, (RUNNING, RETRYING, BY_HAND), None)
    assert not prefect.set_paused("train/nightly é", False).paused


def test_only_the_named_runs_are_cancelled(prefect: Prefect, there: FakePrefect) -> None:
    assert prefect.fail_runs("train/nightly é", [RUNNING]).active_runs == (RETRYING, BY_HAND)
    assert not there.paused


@pytest.mark.parametrize(("status", "ends"), [("REJECT", True), ("ABORT", False), ("WAIT", False)])
def test_a_run_that_is_not_let_be_cancelled(prefect: Prefect, there: FakePrefect, status: str, ends: bool) -> None:
    """REJECT means that another state was set, for example that it is over; the state that is read back decides."""
    there.status = status
    if ends:
        assert RUNNING in prefect.fail_runs("train/nightly é", [RUNNING]).active_runs
    else:
        with pytest.raises(PortError, match=rf"does not cancel the run {RUNNING} now \({status}\)"):
            prefect.fail_runs("train/nightly é", [RUNNING])


@pytest.mark.parametrize("status", [409, 500])
def test_an_order_is_given_once(prefect: Prefect, there: FakePrefect, fake: FakeServer, status: int) -> None:
    order = f"POST /api/deployments/{DEPLOYMENT}/pause_deployment"
    there.refuses[order] = Answer(status, {"exception_message": "no"})
    with pytest.raises(PortError, match=f"answers {status}: no"):
        prefect.set_paused("train/nightly é", True)
    assert fake.orders().count(order) == 1


def test_names_that_are_none(prefect: Prefect, fake: FakeServer) -> None:
    for name in ("nightly", "a/b/c", ""):
        with pytest.raises(PortError, match="name it as flow/deployment, or by its id"):
            prefect.state(name)
    assert fake.asked == []
    with pytest.raises(PortError, match="answers 404: Deployment not found"):
        prefect.state("train/weekly")


@pytest.mark.parametrize(
    ("user", "sent"),
    [("kim", "Basic " + base64.b64encode(b"kim:hush").decode()), (None, "Bearer hush")],
)
def test_a_password_or_a_key(fake: FakeServer, monkeypatch: pytest.MonkeyPatch, user: str | None, sent: str) -> None:
    monkeypatch.setenv(SECRET, "hush")
    Prefect("pre", Connection(kind="prefect", url=fake.url, user=user, secret_variable=SECRET)).state(DEPLOYMENT)
    assert {one.headers["Authorization"] for one in fake.asked} == {sent}
