"""From an alert to a paused pipeline on a real Airflow, Prefect and Dagster, and back; nothing is a stand-in.

A world with a broken upstream join stands in the data folder of a real `hawkeye serve`, whose settings say where the
training pipeline runs. Prometheus sees the share, its rule fires, Alertmanager delivers the alert; where these two are
not installed, the test delivers it. Everything after that is said over HTTP, as a bot would.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.cli.score import is_correct
from assistant.wire import AuditPage, InvestigationView, Plan, Status
from knowledge.drills.world import World, build
from tests.acceptance.servers import alerting
from tests.acceptance.servers.airflow import Airflow, airflow
from tests.acceptance.servers.dagster import dagster
from tests.acceptance.servers.hawkeye import hawkeye
from tests.acceptance.servers.orchestrator import RealOrchestrator
from tests.acceptance.servers.prefect import prefect
from tests.acceptance.servers.processes import until

ORCHESTRATORS: dict[str, Callable[[Path], AbstractContextManager[RealOrchestrator]]] = {
    "airflow": airflow,
    "prefect": prefect,
    "dagster": dagster,
}
PIPELINE, OWNER = "train_badge_dcn", "ranking on-call"
SECRET = "HAWKEYE_TEST_ORCHESTRATOR"
PATIENCE_S = 300.0
WHO = {"actor": "kim", "reason": "the join is broken"}


@pytest.fixture(scope="module")
def world(worlds: Path) -> World:
    """The weather join loses an airport: bad data upstream of one model."""
    return build("weather_join", 1, worlds, lambda _doing, _share: None)


@dataclass(frozen=True)
class Bot:
    """What is said to a running service."""

    http: httpx.Client

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def view(self, investigation: str) -> InvestigationView:
        return InvestigationView.model_validate(self.get(f"/investigations/{investigation}"))

    def say(self, investigation: str, kind: str, **body: str) -> InvestigationView:
        answer = self.http.post(f"/investigations/{investigation}/{kind}", json=body)
        assert answer.is_success, answer.text
        return InvestigationView.model_validate_json(answer.content)

    def opened(self) -> str:
        """The investigation that the alert opens; never more than one."""

        def look() -> str | None:
            page = self.get("/investigations")
            assert page["total"] <= 1, page
            return page["investigations"][0]["id"] if page["total"] else None

        return until(look, "an investigation is opened", PATIENCE_S)

    def walked(self, investigation: str) -> InvestigationView:
        """As far as the next plan or the verdict, with the recommended answers."""

        def look() -> InvestigationView | None:
            view = self.view(investigation)
            assert view.summary.status is not Status.failed, view.detail
            if view.question is not None:
                asked = view.question
                self.say(investigation, "answers", step=asked.step, choice=asked.recommended, actor="kim")
                return None
            return view if view.summary.status in (Status.waiting_for_approval, Status.done) else None

        return until(look, "the next plan, or the verdict", PATIENCE_S)


@contextmanager
def serving(folder: Path, world: World, real: RealOrchestrator | None = None) -> Iterator[Bot]:
    """`hawkeye serve` over a copy of the world. Where the pipeline runs is said in the settings and nowhere else."""
    world.copy_to(folder / "data")
    secret = {SECRET: real.secret} if real and real.secret else {}
    with (
        hawkeye(folder, _settings(real) if real else "", secret) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=90) as http,
    ):
        until(lambda: _is_up(http), "hawkeye answers", PATIENCE_S)
        yield Bot(http)


def _settings(real: RealOrchestrator) -> str:
    known = f'user = "{real.user}"\n' if real.user else ""
    known += f'secret_variable = "{SECRET}"\n' if real.secret else ""
    return f"""
[orchestrators.{real.kind}]
kind = "{real.kind}"
url = "{real.url}"
{known}
[pipelines.{PIPELINE}]
orchestrator = "{real.kind}"
orchestrator_id = "{real.pipeline}"
owner = "{OWNER}"
"""


def _is_up(http: httpx.Client) -> bool | None:
    try:
        return http.get("/health").is_success or None
    except httpx.HTTPError:
        return None


def delivered(folder: Path, world: World, bot: Bot) -> AbstractContextManager[object]:
    """The world's alert: by Prometheus and Alertmanager where they are, else by a POST of its payload."""
    (alert,) = world.alert["alerts"]
    share = float(re.findall(r"([\d.]+)%", alert["annotations"]["summary"])[0]) / 100
    webhook = f"{str(bot.http.base_url).rstrip('/')}/alerts/alertmanager"
    if alerting.missing():  # the test below says so
        assert httpx.post(webhook, json=world.alert, timeout=30).status_code == 202
        return nullcontext()
    rule = {
        "alert": alert["labels"]["alertname"],
        "expr": f"on_time_badge_share < {share + 0.02}",
        "labels": {name: value for name, value in alert["labels"].items() if name != "alertname"},
        "annotations": {
            **alert["annotations"],
            "as_of": '{{ with query "on_time_badge_share_as_of" }}{{ . | first | value | printf "%.0f" }}{{ end }}',
        },
    }
    fell_at = datetime.fromisoformat(alert["startsAt"]).timestamp()
    series = {"on_time_badge_share": share, "on_time_badge_share_as_of": fell_at}
    (folder / "alerting").mkdir()
    return alerting.firing(folder / "alerting", series, rule, webhook)


@pytest.mark.parametrize("name", list(ORCHESTRATORS))
def test_from_the_alert_to_the_paused_pipeline_and_back(name: str, world: World, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with ExitStack() as stack:
        real = stack.enter_context(ORCHESTRATORS[name](tmp_path / "server"))
        bot = stack.enter_context(serving(tmp_path, world, real))
        _is_listed(bot, real)
        if isinstance(real, Airflow):
            real.sends_lineage_to(str(bot.http.base_url).removesuffix("/api/v1/"))
        stack.enter_context(delivered(tmp_path, world, bot))
        investigation = bot.opened()

        pause = _plan(bot, investigation, "pause")
        assert not real.paused(), "a plan does nothing"
        (run,) = [run.run for run in real.runs() if run.in_flight]
        assert any(run in effect for effect in pause.effects), pause.effects
        assert any(OWNER in effect for effect in pause.effects), pause.effects
        bot.say(investigation, "approvals", plan_hash=pause.plan_hash, **WHO)
        assert real.paused()
        assert [seen.run for seen in real.runs() if seen.in_flight] == [run], "a pause lets the run in flight be"
        for _ in range(3):
            bot.say(investigation, "approvals", plan_hash=pause.plan_hash, actor="robin", reason="once more")

        end = _plan(bot, investigation, "fail_runs")
        bot.say(investigation, "approvals", plan_hash=end.plan_hash, **WHO)
        until(lambda: not any(seen.in_flight for seen in real.runs()) or None, "the run has ended", PATIENCE_S)
        ended = {seen.run: seen.status for seen in real.runs()}
        assert ended[run] in ("failed", "cancelled"), ended

        verdict = bot.walked(investigation).summary.verdict
        assert verdict is not None
        assert is_correct(world.truth, verdict), verdict
        time.sleep(real.every_s + 5)
        assert {seen.run for seen in real.runs()} == set(ended), "no run has started since"

        view = bot.say(investigation, "undo", plan_hash=pause.plan_hash, actor="kim", reason="the join is repaired")
        assert not real.paused()
        assert view.can_undo is None, "an ended run is not offered to be undone"
        until(lambda: {seen.run for seen in real.runs()} - set(ended) or None, "a new run starts", PATIENCE_S)
        if isinstance(real, Airflow):
            assert real.orders() == ["patch_dag", "patch_dag_run", "patch_dag"], "each was ordered once"
            until(lambda: _jobs(bot, real.pipeline) or None, "the new run is in the lineage", PATIENCE_S)
        _is_audited(bot, investigation)


def _jobs(bot: Bot, part: str) -> list[str]:
    """The jobs of the lineage with this in their name."""
    found = bot.get("/lineage/nodes", contains=part)["nodes"]
    return [node["node"] for node in found if node["kind"] == "job"]


def _is_listed(bot: Bot, real: RealOrchestrator) -> None:
    line = bot.get(f"/pipelines/{PIPELINE}")
    assert line["detail"] is None
    assert line["record"]["orchestrator_id"] == real.pipeline
    assert line["record"]["writes"], "what the platform sent still stands"
    assert line["state"]["paused"] is False


def _plan(bot: Bot, investigation: str, action: str) -> Plan:
    plan = bot.walked(investigation).plan
    assert plan is not None
    assert (plan.action, plan.target) == (action, PIPELINE)
    assert plan.expires_at > datetime.now(UTC)
    return plan


def _is_audited(bot: Bot, investigation: str) -> None:
    page = AuditPage.model_validate(bot.get("/audit"))
    told = [(entry.action, entry.undo, entry.outcome, entry.actor) for entry in reversed(page.entries)]
    assert told == [
        ("pause", False, "approved", "kim"),
        ("pause", False, "done", "kim"),
        ("fail_runs", False, "approved", "kim"),
        ("fail_runs", False, "done", "kim"),
        ("pause", True, "approved", "kim"),
        ("pause", True, "done", "kim"),
    ], json.dumps(bot.get("/audit"), indent=1)
    assert {entry.investigation for entry in page.entries} == {investigation}
    assert {entry.reason for entry in page.entries} == {WHO["reason"], "the join is repaired"}


def test_alertmanager_delivers_and_repeats_without_a_second_investigation(world: World, tmp_path: Path) -> None:
    if missing := alerting.missing():
        pytest.skip(f"{' and '.join(missing)} not installed; Debian's packages have the same names")
    with ExitStack() as stack:
        bot = stack.enter_context(serving(tmp_path, world))
        manager = stack.enter_context(delivered(tmp_path, world, bot))
        investigation = bot.opened()
        until(lambda: _notified(str(manager)) >= 3 or None, "Alertmanager repeats itself", PATIENCE_S)
        assert bot.opened() == investigation
        (alert,) = world.alert["alerts"]
        assert bot.view(investigation).alert.started_at == datetime.fromisoformat(alert["startsAt"])


def _notified(manager: str) -> int:
    """How many notifications Alertmanager has delivered, by its own count; fails where one was refused."""
    text = httpx.get(f"{manager}/metrics", timeout=10).text
    counts = {
        name: float(value)
        for name, value in re.findall(r'^(\w+)\{integration="webhook"[^}]*\} (\S+)$', text, flags=re.MULTILINE)
    }
    assert not counts.get("alertmanager_notifications_failed_total"), counts
    return int(counts.get("alertmanager_notifications_total", 0))
