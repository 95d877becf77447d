"""Prefect 3 over its REST API. A pipeline is a deployment, as `flow/deployment` or by its id (a UUID).

Pausing a deployment deletes the runs that its schedules have planned and leaves a run in flight alone. A run in flight
is stopped by moving it to Cancelling: its worker then ends the process. Marking it failed would leave the process
running (https://docs.prefect.io/v3/concepts/states).
"""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, RootModel

from knowledge.connectors.connection import Connection
from knowledge.connectors.http import Server, understood
from tools.ports import PortError
from tools.records import PipelineState, Utc

ALIVE = ["RUNNING", "PENDING", "PAUSED", "SCHEDULED"]
PAGE = 200
MOST_PAGES = 10


class _Deployment(BaseModel):
    id: UUID
    paused: bool


class _Run(BaseModel):
    id: UUID
    state_type: str | None = None
    run_count: int = 0
    auto_scheduled: bool = False
    expected_start_time: Utc | None = None

    def in_flight(self, now: datetime) -> bool:
        """A planned run is in flight when it waits to be tried again, or was asked for by hand and is due."""
        if self.state_type != "SCHEDULED":
            return True
        due = self.expected_start_time is not None and self.expected_start_time <= now
        return self.run_count > 0 or (due and not self.auto_scheduled)


class _Runs(RootModel[list[_Run]]):
    pass


class _Moved(BaseModel):
    """`status` is ACCEPT, REJECT (another state was set), ABORT or WAIT."""

    status: str


class Prefect:
    """A connector. With a user the secret is the password of the server's basic authentication, else an API key."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name, self._connection = name, connection
        self._server = Server(name, connection.url, connection.timeout_s)

    def state(self, pipeline: str) -> PipelineState:
        """Paused or not, the runs in flight, and the next planned one. Raises `PortError`."""
        deployment = self._deployment(pipeline)
        now, runs = datetime.now(UTC), self._runs(deployment.id)
        active = [run for run in runs if run.in_flight(now)]
        planned = [run.expected_start_time for run in runs if run not in active and run.expected_start_time]
        return PipelineState(
            pipeline=pipeline,
            paused=deployment.paused,
            active_runs=tuple(sorted(str(run.id) for run in active)),
            next_run_at=min(planned, default=None),
            read_at=now,
        )

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Pause or resume, then read back. Raises `PortError`."""
        what = "pause_deployment" if paused else "resume_deployment"
        self._ask("POST", f"/api/deployments/{self._deployment(pipeline).id}/{what}", repeat=False)
        return self.state(pipeline)

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        """Cancel these runs, then read back. Raises `PortError`, also where Prefect does not let one be cancelled."""
        for run in runs:
            body = {"state": {"type": "CANCELLING", "message": "stopped by HawkEye after an approval"}}
            answer = self._ask("POST", f"/api/flow_runs/{quote(run, safe='')}/set_state", body=body, repeat=False)
            moved = understood(self._name, _Moved, answer)
            if moved.status not in ("ACCEPT", "REJECT"):
                raise PortError(f"{self._name} does not cancel the run {run} now ({moved.status}); try again later")
        return self.state(pipeline)

    def _deployment(self, pipeline: str) -> _Deployment:
        parts = pipeline.split("/")
        if len(parts) == 2:
            path = "/".join(["/api/deployments/name", *(quote(part, safe="") for part in parts)])
        elif _is_uuid(pipeline):
            path = f"/api/deployments/{pipeline}"
        else:
            raise PortError(f"{pipeline!r} is no deployment of {self._name}; name it as flow/deployment, or by its id")
        return understood(self._name, _Deployment, self._ask("GET", path, repeat=True))

    def _runs(self, deployment: UUID) -> list[_Run]:
        found: list[_Run] = []
        for _ in range(MOST_PAGES):
            body = {
                "deployments": {"id": {"any_": [str(deployment)]}},
                "flow_runs": {"state": {"type": {"any_": ALIVE}}},
                "sort": "EXPECTED_START_TIME_ASC",
                "limit": PAGE,
                "offset": len(found),
            }
            # A read, although it is a POST.
            page = understood(self._name, _Runs, self._ask("POST", "/api/flow_runs/filter", body=body, repeat=True))
            found += page.root
            if len(page.root) < PAGE:
                return found
        raise PortError(f"{self._name} has more than {len(found)} runs of the deployment; look at them there")

    def _ask(self, method: str, path: str, *, body: object = None, repeat: bool) -> Any:
        return self._server.ask(method, path, headers=self._headers(), body=body, repeat=repeat)

    def _headers(self) -> dict[str, str]:
        secret, user = self._connection.secret(), self._connection.user
        if secret is None:
            return {}
        if user is None:
            return {"Authorization": f"Bearer {secret}"}
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
