"""A real Prefect with a deployment that trains: its server, and a process that serves the deployment's runs."""

import base64
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.servers.environments import environment
from tests.acceptance.servers.orchestrator import Seen
from tests.acceptance.servers.processes import free_port, running, until
from tests.environments import without_ours

DEPLOYMENT = "train_badge_dcn/nightly"
USER, PASSWORD = "hawkeye", "only-on-this-machine"
START_S = 180.0
EVERY_S = 15
# The process that serves a deployment is told of a cancellation by an event, and now and then misses it. Then the
# server ends the run after CANCELLED_S, and its process is still there and in the way of the next: it looks for itself.
CANCELLED_S = 60
_FLOW = f"""
import time
from datetime import timedelta

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run


@flow(name="train_badge_dcn")
def train():
    with get_client(sync_client=True) as client:
        for _ in range(180):
            time.sleep(5)
            if client.read_flow_run(flow_run.id).state.is_cancelled():
                return


if __name__ == "__main__":
    train.serve(name="nightly", interval=timedelta(seconds={EVERY_S}), limit=1, print_starting_message=False)
"""
_OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Prefect:
    """The server, and what it says itself about the deployment."""

    url: str
    http: httpx.Client
    pipeline: str = DEPLOYMENT
    kind: str = "prefect"
    user: str | None = USER
    secret: str | None = PASSWORD
    every_s: int = EVERY_S

    def paused(self) -> bool:
        return bool(self._deployment()["paused"])

    def runs(self) -> list[Seen]:
        """Those that have begun; what is only planned is none."""
        query = {"deployments": {"id": {"any_": [self._deployment()["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
        answer = self.http.post("/api/flow_runs/filter", json=query)
        answer.raise_for_status()
        begun = [run for run in answer.json() if run["state_type"] != "SCHEDULED"]
        return [Seen(run["id"], run["state_type"].lower(), run["state_type"] not in _OVER) for run in begun]

    def _deployment(self) -> dict[str, Any]:
        answer = self.http.get(f"/api/deployments/name/{DEPLOYMENT}")
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def prefect(folder: Path) -> Iterator[Prefect]:
    """Installed, started, and with a run in flight. Skips where it cannot be installed."""
    commands = environment("prefect", "prefect==3.8.8", "fastapi<0.150")
    (folder / "train.py").write_text(_FLOW)
    url = f"http://127.0.0.1:{(port := free_port())}"
    variables = without_ours(os.environ) | _settings(folder, url) | {"PATH": f"{commands}:{os.environ['PATH']}"}
    credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    with ExitStack() as stack:
        server: list[str | Path] = [
            commands / "prefect",
            "server",
            "start",
            "--no-ui",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        stack.enter_context(running(server, folder / "server.log", variables, folder))
        headers = {"Authorization": f"Basic {credentials}"}
        http = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
        until(lambda: _answers(http), "Prefect answers", START_S)
        serving = [commands / "python", folder / "train.py"]
        stack.enter_context(running(serving, folder / "flow.log", variables, folder))
        until(lambda: _answers(http, f"/api/deployments/name/{DEPLOYMENT}"), "the deployment is there", START_S)
        found = Prefect(url, http)
        until(lambda: any(run.status == "running" for run in found.runs()) or None, "a run is in flight", START_S)
        yield found


def _settings(folder: Path, url: str) -> dict[str, str]:
    return {
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_API_AUTH_STRING": f"{USER}:{PASSWORD}",
        "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{PASSWORD}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": str(CANCELLED_S),
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "DO_NOT_TRACK": "1",
    }


def _answers(http: httpx.Client, path: str = "/api/health") -> bool | None:
    try:
        return http.get(path).is_success or None
    except httpx.HTTPError:
        return None
