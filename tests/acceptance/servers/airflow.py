"""A real Airflow with a DAG that trains: its API server, DAG processor, scheduler and tasks."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.acceptance.servers.environments import environment
from tests.acceptance.servers.orchestrator import Seen
from tests.acceptance.servers.processes import free_port, running, until
from tests.environments import without_ours

DAG = "train_badge_dcn_nightly"
USER, PASSWORD = "hawkeye", "only-on-this-machine"
START_S = 180.0
EVERY_S = 15
_LINEAGE = "openlineage.yml"
_DAG = f'''
from datetime import datetime, timedelta

from airflow.sdk import dag, task


@dag(
    dag_id="{DAG}", schedule=timedelta(seconds={EVERY_S}), start_date=datetime(2026, 1, 1), catchup=False,
    max_active_runs=1, is_paused_upon_creation=False,
)
def train():
    @task
    def fit():
        import time
        time.sleep(900)

    fit()


train()
'''


@dataclass(frozen=True)
class Airflow:
    """The server, and what it says itself about the DAG."""

    url: str
    http: httpx.Client
    lineage: Path
    pipeline: str = DAG
    kind: str = "airflow"
    user: str | None = USER
    secret: str | None = PASSWORD
    every_s: int = EVERY_S

    def sends_lineage_to(self, url: str) -> None:
        """Runs that start from now on tell this OpenLineage receiver."""
        self.lineage.write_text(f"transport: {{type: http, url: {url}}}\n")

    def paused(self) -> bool:
        return bool(self._get("")["is_paused"])

    def runs(self) -> list[Seen]:
        found = self._get("/dagRuns", order_by="run_after")["dag_runs"]
        return [Seen(run["dag_run_id"], run["state"], run["state"] in ("queued", "running")) for run in found]

    def orders(self) -> list[str]:
        """What somebody ordered over the API, from Airflow's own audit log: the oldest first."""
        answer = self.http.get("/api/v2/eventLogs", params={"dag_id": DAG, "order_by": "id", "limit": 200})
        answer.raise_for_status()
        return [entry["event"] for entry in answer.json()["event_logs"] if entry["event"].startswith("patch_dag")]

    def _get(self, path: str, **query: str) -> dict:  # type: ignore[type-arg]  # whatever JSON it answers
        answer = self.http.get(f"/api/v2/dags/{DAG}{path}", params=query)
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def airflow(folder: Path) -> Iterator[Airflow]:
    """Installed, migrated, started, and with a run in flight. Skips where it cannot be installed."""
    commands = environment("airflow", "apache-airflow==3.3.2", "apache-airflow-providers-openlineage==2.20.3")
    (folder / "dags").mkdir()
    (folder / "dags" / "train.py").write_text(_DAG)
    (folder / "passwords.json").write_text(json.dumps({USER: PASSWORD}))
    port = free_port()
    variables = without_ours(os.environ) | _settings(folder, port) | {"PATH": f"{commands}:{os.environ['PATH']}"}
    for step in (["db", "migrate"], ["dags", "reserialize"]):
        done = subprocess.run(
            [commands / "airflow", *step], env=variables, capture_output=True, text=True, timeout=START_S, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        for part, is_up in (
            ("api-server", lambda: _token(url)),
            ("dag-processor", lambda: True),  # it also sees that a run which was ended makes room for the next one
            ("scheduler", lambda: True),
        ):
            command: list[str | Path] = [commands / "airflow", part]
            stack.enter_context(running(command, folder / f"{part}.log", variables, folder))
            until(is_up, f"Airflow's {part} answers", START_S)  # a task that finds no API server fails at once
        headers = {"Authorization": f"Bearer {_token(url)}"}
        http = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
        found = Airflow(url, http, folder / _LINEAGE)
        until(lambda: any(run.status == "running" for run in found.runs()) or None, "a run is in flight", START_S)
        yield found


def _settings(folder: Path, port: int) -> dict[str, str]:
    told = {
        "CORE__LOAD_EXAMPLES": "False",
        # Several processes share the file; without a time to wait, the scheduler dies of the first lock.
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db?timeout=60",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "CORE__DAGS_FOLDER": str(folder / "dags"),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:op",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "CORE__PARALLELISM": "2",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": "only-on-this-machine-and-only-in-this-test-which-ends-soon-after-it-has-begun",
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "OPENLINEAGE__CONFIG_PATH": str(folder / _LINEAGE),
    }
    return {"AIRFLOW_HOME": str(folder), **{f"AIRFLOW__{name}": value for name, value in told.items()}}


def _token(url: str) -> str | None:
    try:
        answer = httpx.post(f"{url}/auth/token", json={"username": USER, "password": PASSWORD}, timeout=10)
    except httpx.HTTPError:
        return None
    return str(answer.json()["access_token"]) if answer.is_success else None
