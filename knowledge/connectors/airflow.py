"""Airflow 3 over its REST API, version 2. A pipeline is a DAG, by its id.

Pausing a DAG stops the scheduler from making runs and leaves a run in flight alone; to fail that one is another request
(https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html).
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from knowledge.connectors.connection import Connection
from knowledge.connectors.http import HttpError, Server, understood
from tools.ports import PortError
from tools.records import PipelineState, Utc

IN_FLIGHT = ["queued", "running"]
PAGE = 100
MOST_PAGES = 10


class _Dag(BaseModel):
    is_paused: bool
    next_dagrun_run_after: Utc | None = None


class _Run(BaseModel):
    dag_run_id: str


class _Runs(BaseModel):
    dag_runs: list[_Run]
    total_entries: int | None = None


class _Token(BaseModel):
    access_token: str


class Airflow:
    """A connector. With a user the secret is exchanged for a token, again when the token has expired."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name, self._connection = name, connection
        self._server = Server(name, connection.url, connection.timeout_s)
        self._token: str | None = None
        self._lock = threading.Lock()

    def state(self, pipeline: str) -> PipelineState:
        """Paused or not, the runs that are queued or running, and the next one. Raises `PortError`."""
        dag = understood(self._name, _Dag, self._ask("GET", _path(pipeline)))
        return PipelineState(
            pipeline=pipeline,
            paused=dag.is_paused,
            active_runs=tuple(self._in_flight(pipeline)),
            next_run_at=dag.next_dagrun_run_after,
            read_at=datetime.now(UTC),
        )

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        """Pause or resume, then read back. Raises `PortError`."""
        self._ask("PATCH", _path(pipeline), query={"update_mask": "is_paused"}, body={"is_paused": paused})
        return self.state(pipeline)

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        """Mark these runs as failed, which ends their tasks, then read back. Raises `PortError`."""
        for run in runs:
            path = f"{_path(pipeline)}/dagRuns/{quote(run, safe='')}"
            self._ask("PATCH", path, query={"update_mask": "state"}, body={"state": "failed"})
        return self.state(pipeline)

    def _in_flight(self, pipeline: str) -> list[str]:
        found: list[str] = []
        for _ in range(MOST_PAGES):
            query: dict[str, Any] = {"state": IN_FLIGHT, "limit": PAGE, "offset": len(found), "order_by": "id"}
            page = understood(self._name, _Runs, self._ask("GET", f"{_path(pipeline)}/dagRuns", query=query))
            found += [run.dag_run_id for run in page.dag_runs]
            if not page.dag_runs or len(found) >= (page.total_entries or 0):
                return found
        raise PortError(f"{self._name} has more than {len(found)} runs of {pipeline!r} in flight; look at them there")

    def _ask(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: object = None) -> Any:
        """Every request here may be repeated: reads, and PATCHes that set a value."""
        headers = self._headers()
        try:
            return self._server.ask(method, path, headers=headers, query=query, body=body, repeat=True)
        except HttpError as error:
            # A token that has expired gets 401; one that a restarted server has not signed, or has revoked, gets 403.
            if error.status not in (401, 403) or not self._connection.user:
                raise
        with self._lock:
            self._token = None
        return self._server.ask(method, path, headers=self._headers(), query=query, body=body, repeat=True)

    def _headers(self) -> dict[str, str]:
        secret, user = self._connection.secret(), self._connection.user
        if secret is None:
            return {}
        if user is None:
            return {"Authorization": f"Bearer {secret}"}
        with self._lock:
            if self._token is None:
                login = {"username": user, "password": secret}
                answer = self._server.ask("POST", "/auth/token", headers={}, body=login, repeat=True)
                self._token = understood(self._name, _Token, answer).access_token
            return {"Authorization": f"Bearer {self._token}"}


def _path(pipeline: str) -> str:
    return f"/api/v2/dags/{quote(pipeline, safe='')}"
