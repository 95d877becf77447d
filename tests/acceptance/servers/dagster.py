"""A real Dagster with a schedule that trains: its web server, its daemon, and a code location of one file."""

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

JOB, SCHEDULE = "train_badge_dcn", "nightly"
LOCATION, REPOSITORY = "training", "__repository__"
START_S = 180.0
EVERY_S = 60
"""A schedule of Dagster ticks once a minute at most."""
_DEFINITIONS = f"""
import time

import dagster as dg


@dg.op
def fit():
    time.sleep(900)


@dg.job
def {JOB}():
    fit()


@dg.schedule(job={JOB}, cron_schedule="* * * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def {SCHEDULE}(context):
    in_flight = dg.RunsFilter(job_name="{JOB}", statuses=[status for status in dg.DagsterRunStatus if status.name in (
        "QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")])
    if context.instance.get_runs_count(in_flight):
        return dg.SkipReason("the last training still runs")
    return dg.RunRequest()


defs = dg.Definitions(jobs=[{JOB}], schedules=[{SCHEDULE}])
"""
_WORDS = {"STARTED": "running", "FAILURE": "failed", "CANCELED": "cancelled"}
_OVER = ("SUCCESS", "FAILURE", "CANCELED")
_SELECTOR = f'{{repositoryLocationName: "{LOCATION}", repositoryName: "{REPOSITORY}", scheduleName: "{SCHEDULE}"}}'


@dataclass(frozen=True)
class Dagster:
    """The server, and what it says itself about the schedule."""

    url: str
    http: httpx.Client
    pipeline: str = f"{LOCATION}/{REPOSITORY}/{SCHEDULE}"
    kind: str = "dagster"
    user: str | None = None
    secret: str | None = None
    every_s: int = EVERY_S

    def paused(self) -> bool:
        return bool(self._state()["status"] == "STOPPED")

    def runs(self) -> list[Seen]:
        found = self._asked("{ runsOrError { ... on Runs { results { runId status } } } }")["runsOrError"]["results"]
        return [
            Seen(run["runId"], _WORDS.get(run["status"], run["status"].lower()), run["status"] not in _OVER)
            for run in found
        ]

    def _state(self) -> dict[str, Any]:
        wanted = "... on Schedule { scheduleState { id status } }"
        found = self._asked(f"{{ scheduleOrError(scheduleSelector: {_SELECTOR}) {{ {wanted} }} }}")
        return dict(found["scheduleOrError"]["scheduleState"])

    def _asked(self, query: str) -> dict[str, Any]:
        answer = self.http.post("/graphql", json={"query": query})
        answer.raise_for_status()
        return dict(answer.json()["data"])


@contextmanager
def dagster(folder: Path) -> Iterator[Dagster]:
    """Installed, started, and with a run in flight. Skips where it cannot be installed."""
    commands = environment("dagster", "dagster==1.13.28", "dagster-webserver==1.13.28")
    (folder / "training.py").write_text(_DEFINITIONS)
    (folder / "workspace.yaml").write_text(
        f"load_from:\n  - python_file: {{relative_path: training.py, location_name: {LOCATION}}}\n"
    )
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    url = f"http://127.0.0.1:{(port := free_port())}"
    variables = without_ours(os.environ) | {
        "DAGSTER_HOME": str(folder / "home"),
        "PATH": f"{commands}:{os.environ['PATH']}",
    }
    with ExitStack() as stack:
        web: list[str | Path] = [
            commands / "dagster-webserver",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-w",
            "workspace.yaml",
        ]
        stack.enter_context(running(web, folder / "webserver.log", variables, folder))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=30))
        found = Dagster(url, http)
        until(lambda: _answers(found), "Dagster answers", START_S)
        daemon: list[str | Path] = [commands / "dagster-daemon", "run", "-w", "workspace.yaml"]
        stack.enter_context(running(daemon, folder / "daemon.log", variables, folder))
        until(lambda: any(run.status == "running" for run in found.runs()) or None, "a run is in flight", START_S)
        yield found


def _answers(found: Dagster) -> bool | None:
    try:
        return bool(found._state()) or None
    except (httpx.HTTPError, KeyError, TypeError):
        return None
