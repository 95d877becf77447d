"""Dagster over the GraphQL API of its web server. A pipeline is a schedule, as `location/repository/schedule`.

Stopping a schedule leaves a run in flight alone; a run is terminated by a mutation of its own, after which Dagster says
that it is being cancelled (https://docs.dagster.io/api/graphql).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from knowledge.connectors.connection import Connection
from knowledge.connectors.http import Server, understood
from tools.ports import PortError
from tools.records import PipelineState

IN_FLIGHT = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "SUSPENDED"]
PAGE = 200

_SCHEDULE = """query Schedule($selector: ScheduleSelector!) { found: scheduleOrError(scheduleSelector: $selector) {
  __typename
  ... on Schedule { pipelineName scheduleState { id selectorId status }
    futureTicks(limit: 1) { results { timestamp } } }
  ... on Error { message } } }"""
_RUNS = """query Runs($filter: RunsFilter, $limit: Int) { found: runsOrError(filter: $filter, limit: $limit) {
  __typename
  ... on Runs { results { runId repositoryOrigin { repositoryName repositoryLocationName } } }
  ... on Error { message } } }"""
_START = """mutation Start($selector: ScheduleSelector!) { found: startSchedule(scheduleSelector: $selector) {
  __typename ... on Error { message } } }"""
_STOP = """mutation Stop($id: String!) { found: stopRunningSchedule(id: $id) {
  __typename ... on Error { message } } }"""
_TERMINATE = """mutation Terminate($run: String!) { found: terminateRun(runId: $run) {
  __typename ... on TerminateRunFailure { message } ... on Error { message } } }"""


class _Fault(BaseModel):
    message: str


class _Data(BaseModel):
    found: dict[str, Any] | None = None


class _Answer(BaseModel):
    """GraphQL's envelope: a query that makes no sense has errors and no data."""

    data: _Data | None = None
    errors: list[_Fault] = []


class _Status(BaseModel):
    id: str
    status: str


class _Tick(BaseModel):
    timestamp: float | None = None


class _Ticks(BaseModel):
    results: list[_Tick] = []


class _Schedule(BaseModel):
    pipelineName: str  # noqa: N815  (their names)
    scheduleState: _Status  # noqa: N815
    futureTicks: _Ticks = _Ticks()  # noqa: N815


class _Origin(BaseModel):
    repositoryName: str  # noqa: N815
    repositoryLocationName: str  # noqa: N815


class _Run(BaseModel):
    runId: str  # noqa: N815
    repositoryOrigin: _Origin | None = None  # noqa: N815


class _Runs(BaseModel):
    results: list[_Run]


class Dagster:
    """A connector. The secret, where there is one, is sent as the token of Dagster Cloud."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name, self._connection = name, connection
        self._server = Server(name, connection.url, connection.timeout_s)

    def state(self, pipeline: str) -> PipelineState:
        """Whether the schedule runs, the runs of its job in flight, and the next one. Raises `PortError`."""
        schedule = self._schedule(pipeline)
        paused = schedule.scheduleState.status != "RUNNING"
        ticks = [tick.timestamp for tick in schedule.futureTicks.results if tick.timestamp is not None]
        return PipelineState(
            pipeline=pipeline,
            paused=paused,
            active_runs=tuple(self._in_flight(pipeline, schedule.pipelineName)),
            next_run_at=datetime.fromtimestamp(ticks[0], UTC) if ticks and not paused else None,
            read_at=datetime.now(UTC),
        )

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Stop or start the schedule, then read back. Raises `PortError`."""
        if paused:
            self._ask(_STOP, {"id": self._schedule(pipeline).scheduleState.id}, repeat=False)
        else:
            self._ask(_START, {"selector": self._selector(pipeline)}, repeat=False)
        return self.state(pipeline)

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        """Terminate these runs, then read back. Raises `PortError`."""
        for run in runs:
            self._ask(_TERMINATE, {"run": run}, repeat=False)
        return self.state(pipeline)

    def _schedule(self, pipeline: str) -> _Schedule:
        found = self._ask(_SCHEDULE, {"selector": self._selector(pipeline)}, repeat=True)
        return understood(self._name, _Schedule, found)

    def _in_flight(self, pipeline: str, job: str) -> list[str]:
        """The runs of the job, without those of a job of the same name elsewhere."""
        place = self._selector(pipeline)
        variables = {"filter": {"pipelineName": job, "statuses": IN_FLIGHT}, "limit": PAGE}
        runs = understood(self._name, _Runs, self._ask(_RUNS, variables, repeat=True)).results
        if len(runs) == PAGE:
            raise PortError(f"{self._name} has {PAGE} or more runs of {job!r} in flight; look at them there")
        mine = (place["repositoryName"], place["repositoryLocationName"])
        origins = [(run.repositoryOrigin, run.runId) for run in runs]
        return sorted(name for o, name in origins if o is None or (o.repositoryName, o.repositoryLocationName) == mine)

    def _selector(self, pipeline: str) -> dict[str, str]:
        parts = pipeline.rsplit("/", 2)
        if len(parts) != 3 or not all(parts):
            raise PortError(
                f"{pipeline!r} is no schedule of {self._name}; name it as location/repository/schedule, "
                "where a repository without a name is called __repository__"
            )
        return dict(zip(("repositoryLocationName", "repositoryName", "scheduleName"), parts, strict=True))

    def _ask(self, query: str, variables: Mapping[str, Any], *, repeat: bool) -> Any:
        """The field `found` of the answer. Dagster says what went wrong with status 200, too."""
        secret = self._connection.secret()
        headers = {} if secret is None else {"Dagster-Cloud-Api-Token": secret}
        body = {"query": query, "variables": dict(variables)}
        answer = self._server.ask("POST", "/graphql", headers=headers, body=body, repeat=repeat)
        told = understood(self._name, _Answer, answer)
        if told.data is None or told.data.found is None:
            reason = told.errors[0].message if told.errors else "it gives no reason"
            raise PortError(f"{self._name} did not understand the query: {reason[:200]}")
        kind, message = str(told.data.found.get("__typename")), str(told.data.found.get("message") or "no reason given")
        if kind.endswith(("Error", "Failure")):
            raise PortError(f"{self._name} answers {kind}: {message.strip().splitlines()[0][:200]}")
        return told.data.found
