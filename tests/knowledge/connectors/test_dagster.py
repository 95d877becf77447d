"""Dagster's connector against a server that answers in the manner of its GraphQL API."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from knowledge.connectors.connection import Connection
from knowledge.connectors.dagster import Dagster
from tests.knowledge.connectors.servers import Answer, Asked, FakeServer, serving
from tools.ports import PortError

PIPELINE = "here/__repository__/nightly"
PLACE = {"repositoryLocationName": "here", "repositoryName": "__repository__"}


@dataclass
class FakeDagster:
    status: str = "RUNNING"
    runs: dict[str, str] = field(default_factory=lambda: {"r1": "here", "r2": "here", "other": "elsewhere"})
    faults: dict[str, Any] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Answer:
        assert asked.order == "POST /graphql"
        word = asked.body["query"].split("(")[0].split()[1]
        if word in self.faults:
            return Answer(body=self.faults[word])
        found = getattr(self, f"_{word.lower()}")(asked.body["variables"])
        return Answer(body={"data": {"found": found}})

    def _schedule(self, told: Any) -> Any:
        if told["selector"] != {**PLACE, "scheduleName": "nightly"}:
            return {"__typename": "ScheduleNotFoundError", "message": "Could not find schedule"}
        return {
            "__typename": "Schedule",
            "pipelineName": "train",
            "scheduleState": {"id": "s1", "selectorId": "x", "status": self.status},
            "futureTicks": {"results": [{"timestamp": 1795917600.0}]},
        }

    def _runs(self, told: Any) -> Any:
        assert told["filter"]["pipelineName"] == "train"
        origins = {run: {**PLACE, "repositoryLocationName": place} for run, place in self.runs.items()}
        return {"__typename": "Runs", "results": [{"runId": r, "repositoryOrigin": o} for r, o in origins.items()]}

    def _stop(self, told: Any) -> Any:
        assert told == {"id": "s1"}
        self.status = "STOPPED"
        return {"__typename": "ScheduleStateResult"}

    def _start(self, told: Any) -> Any:
        self.status = "RUNNING"
        return {"__typename": "ScheduleStateResult"}

    def _terminate(self, told: Any) -> Any:
        del self.runs[told["run"]]
        return {"__typename": "TerminateRunSuccess"}


@pytest.fixture
def there() -> FakeDagster:
    return FakeDagster()


@pytest.fixture
def fake(there: FakeDagster) -> Iterator[FakeServer]:
    with serving(there) as server:
        yield server


@pytest.fixture
def dagster(fake: FakeServer) -> Dagster:
    return Dagster("dag", Connection(kind="dagster", url=fake.url))


def test_the_state_is_read_without_the_runs_of_others(dagster: Dagster) -> None:
    state = dagster.state(PIPELINE)
    assert (state.paused, state.active_runs) == (False, ("r1", "r2"))
    assert state.next_run_at == datetime.fromtimestamp(1795917600, UTC)


def test_a_pause_lets_runs_be_and_is_read_back(dagster: Dagster) -> None:
    after = dagster.set_paused(PIPELINE, True)
    assert (after.paused, after.active_runs, after.next_run_at) == (True, ("r1", "r2"), None)
    assert not dagster.set_paused(PIPELINE, False).paused


def test_only_the_named_runs_are_ended(dagster: Dagster, there: FakeDagster) -> None:
    assert dagster.fail_runs(PIPELINE, ["r2"]).active_runs == ("r1",)
    assert there.status == "RUNNING"


@pytest.mark.parametrize(
    ("word", "fault", "says"),
    [
        ("Stop", {"data": {"found": {"__typename": "UnauthorizedError", "message": "not you"}}}, "not you"),
        ("Stop", {"errors": [{"message": "Unknown field"}]}, "did not understand the query: Unknown field"),
        ("Runs", {"data": {"found": {"__typename": "InvalidPipelineRunsFilterError"}}}, "no reason given"),
        ("Schedule", {"data": {"found": {"__typename": "Schedule"}}}, "something unexpected"),
    ],
)
def test_what_it_says_with_status_200_is_an_error(
    dagster: Dagster, there: FakeDagster, word: str, fault: Any, says: str
) -> None:
    there.faults[word] = fault
    with pytest.raises(PortError, match=says):
        dagster.set_paused(PIPELINE, True)


def test_names_that_are_none(dagster: Dagster, fake: FakeServer) -> None:
    with pytest.raises(PortError, match="name it as location/repository/schedule"):
        dagster.state("nightly")
    assert fake.asked == []
    with pytest.raises(PortError, match="Could not find schedule"):
        dagster.state("here/__repository__/weekly")
