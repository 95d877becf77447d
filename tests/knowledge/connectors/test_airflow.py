"""Airflow's connector against a server that behaves as Airflow 3.3.2 was seen to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from knowledge.connectors.airflow import Airflow
from knowledge.connectors.connection import Connection
from tests.knowledge.connectors.servers import Answer, Asked, FakeServer, serving
from tools.ports import PortError

DAG = "train/../nightly é"
SECRET = "AIRFLOW_SECRET"
NEXT = "2026-11-29T02:00:00Z"


@dataclass
class FakeAirflow:
    """A DAG with runs, and a login. `invalid` is what it answers to a token that it has not given."""

    paused: bool = False
    runs: dict[str, str] = field(default_factory=lambda: {"r1": "running", "r2": "queued", "r0": "success"})
    valid: str = "token-1"
    invalid: Answer = field(default_factory=lambda: Answer(401, {"detail": "Token Expired"}))
    refuses: dict[str, Answer] = field(default_factory=dict)
    page: int = 100

    def __call__(self, asked: Asked) -> Answer:
        if asked.path == "/auth/token":
            right = asked.body == {"username": "hawk", "password": "right"}
            return (
                Answer(201, {"access_token": self.valid}) if right else Answer(401, {"detail": "Invalid credentials"})
            )
        if asked.headers.get("Authorization") != f"Bearer {self.valid}":
            return self.invalid
        if asked.order in self.refuses:
            return self.refuses[asked.order]
        dag = f"/api/v2/dags/{DAG}"
        if asked.path == dag:
            if asked.method == "PATCH":
                assert asked.query == [("update_mask", "is_paused")]
                self.paused = asked.body["is_paused"]
            return Answer(body={"dag_id": DAG, "is_paused": self.paused, "next_dagrun_run_after": NEXT})
        if asked.path == f"{dag}/dagRuns":
            wanted = {value for name, value in asked.query if name == "state"}
            offset = int(dict(asked.query)["offset"])
            found = [{"dag_run_id": run} for run, state in sorted(self.runs.items()) if state in wanted]
            return Answer(body={"dag_runs": found[offset : offset + self.page], "total_entries": len(found)})
        run = asked.path.removeprefix(f"{dag}/dagRuns/")
        if run in self.runs and asked.method == "PATCH":
            self.runs[run] = asked.body["state"]
            return Answer(body={"dag_run_id": run})
        return Answer(404, {"detail": f"The Dag with ID: `{asked.path.split('/')[4]}` was not found"})


@pytest.fixture
def there() -> FakeAirflow:
    return FakeAirflow()


@pytest.fixture
def fake(there: FakeAirflow) -> Iterator[FakeServer]:
    with serving(there) as server:
        yield server


@pytest.fixture
def airflow(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    monkeypatch.setenv(SECRET, "right")
    return Airflow("air", Connection(kind="airflow", url=fake.url, user="hawk", secret_variable=SECRET))


def logins(fake: FakeServer) -> int:
    return fake.orders().count("POST /auth/token")


def test_the_state_is_read(airflow: Airflow) -> None:
    state = airflow.state(DAG)
    assert (state.paused, state.active_runs) == (False, ("r1", "r2"))
    assert state.next_run_at == datetime(2026, 11, 29, 2, tzinfo=UTC)


def test_a_pause_lets_runs_be_and_is_read_back(airflow: Airflow, there: FakeAirflow) -> None:
    after = airflow.set_paused(DAG, True)
    assert (after.paused, after.active_runs, there.paused) == (True, ("r1", "r2"), True)
    assert not airflow.set_paused(DAG, False).paused


def test_only_the_named_runs_are_ended(airflow: Airflow, there: FakeAirflow) -> None:
    assert airflow.fail_runs(DAG, ["r1"]).active_runs == ("r2",)
    assert there.runs == {"r1": "failed", "r2": "queued", "r0": "success"}
    assert not there.paused


def test_runs_on_several_pages(airflow: Airflow, there: FakeAirflow) -> None:
    there.page, there.runs = 2, {f"r{i}": "running" for i in range(5)}
    assert airflow.state(DAG).active_runs == ("r0", "r1", "r2", "r3", "r4")
    there.page, there.runs = 1, {f"r{i:02}": "running" for i in range(12)}
    with pytest.raises(PortError, match="more than 10 runs"):
        airflow.state(DAG)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_no_longer_counts_is_renewed_once(
    airflow: Airflow, there: FakeAirflow, fake: FakeServer, status: int
) -> None:
    """401 where it has expired; 403, as seen on 3.3.2, where the server was restarted with another signing key."""
    airflow.state(DAG)
    there.valid, there.invalid = "token-2", Answer(status, {"detail": "Invalid JWT token"})
    assert airflow.set_paused(DAG, True).paused
    assert logins(fake) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_what_is_still_refused_with_a_new_token_is_an_error(
    airflow: Airflow, there: FakeAirflow, fake: FakeServer, status: int
) -> None:
    there.refuses[f"GET /api/v2/dags/{DAG}"] = Answer(status, {"detail": "Forbidden"})
    with pytest.raises(PortError, match=rf"refuses us \({status}\)"):
        airflow.state(DAG)
    assert logins(fake) == 2


def test_a_wrong_password_is_tried_once(airflow: Airflow, fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "wrong")
    with pytest.raises(PortError, match="check the user, password or token: Invalid credentials") as error:
        airflow.state(DAG)
    assert logins(fake) == len(fake.asked) == 1
    assert "wrong" not in str(error.value)


def test_a_token_of_the_settings_is_sent_as_it_is(
    fake: FakeServer, there: FakeAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "token-1")
    airflow = Airflow("air", Connection(kind="airflow", url=fake.url, secret_variable=SECRET))
    assert not airflow.state(DAG).paused
    there.valid = "another"
    with pytest.raises(PortError, match="401"):
        airflow.state(DAG)
    assert logins(fake) == 0


def test_an_unknown_dag_is_named_by_airflow(airflow: Airflow) -> None:
    with pytest.raises(PortError, match=r"air at .* answers 404: The Dag with ID: `other` was not found"):
        airflow.state("other")


def test_a_run_that_is_refused_leaves_a_word_of_it(airflow: Airflow, there: FakeAirflow, fake: FakeServer) -> None:
    there.refuses[f"PATCH /api/v2/dags/{DAG}/dagRuns/r2"] = Answer(409, {"detail": "it is being cleared"})
    with pytest.raises(PortError, match="answers 409: it is being cleared"):
        airflow.fail_runs(DAG, ["r1", "r2"])
    assert there.runs["r1"] == "failed"
    assert sum("r2" in order for order in fake.orders()) == 1, "a conflict is not tried again"


def test_an_answer_of_another_version(airflow: Airflow, there: FakeAirflow) -> None:
    there.refuses[f"GET /api/v2/dags/{DAG}"] = Answer(body={"paused": "maybe"})
    with pytest.raises(
        PortError, match=r"something unexpected \(is_paused: Field required\); is its version supported"
    ):
        airflow.state(DAG)
