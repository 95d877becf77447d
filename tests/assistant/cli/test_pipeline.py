"""`hawkeye pipeline list` and `hawkeye audit`, with orchestrators that the settings name."""

import json
from pathlib import Path

import pytest

from tests.assistant.cli.command import Hawkeye
from tests.knowledge.connectors.servers import Answer, Asked, serving

SETTINGS = """
[orchestrators.air]
kind = "airflow"
url = "{url}"
secret_variable = "AIR_TOKEN"

[pipelines.train_dcn]
orchestrator = "air"
orchestrator_id = "nightly"
owner = "ranking"

[pipelines."only.told"]
orchestrator = "embedded"
"""


def _airflow(asked: Asked) -> Answer:
    assert asked.headers["Authorization"] == "Bearer hush"
    if asked.path.endswith("/dagRuns"):
        return Answer(body={"dag_runs": [{"dag_run_id": "run-1"}], "total_entries": 1})
    return Answer(body={"is_paused": False, "next_dagrun_run_after": "2026-11-29T02:00:00Z"})


def test_the_settings_alone_say_where_a_pipeline_runs(hawkeye: Hawkeye, tmp_path: Path) -> None:
    config = tmp_path / "hawkeye.toml"
    with serving(_airflow) as fake:
        config.write_text(SETTINGS.format(url=fake.url))
        done = hawkeye("pipeline", "list", HAWKEYE_CONFIG=str(config), AIR_TOKEN="hush")
    assert done.returncode == 0, done.stderr
    assert "hush" not in done.stdout
    assert done.stdout.splitlines() == [
        "only.told  on embedded",
        f"    cannot be read: no pipeline is called 'only.told' in {tmp_path}/data/orchestrator.json; "
        "there are: train_dcn. Register it first",
        "train_dcn  on air as nightly",
        "    running on its schedule, in flight: run-1, next run 2026-11-29 02:00 UTC",
        "    owner: ranking",
    ]


def test_a_server_that_is_away_is_a_line_and_not_an_error(hawkeye: Hawkeye, tmp_path: Path) -> None:
    config = tmp_path / "hawkeye.toml"
    config.write_text(SETTINGS.format(url="http://127.0.0.1:1"))
    done = hawkeye("pipeline", "list", "--json", HAWKEYE_CONFIG=str(config), AIR_TOKEN="hush")
    assert done.returncode == 0, done.stderr
    details = {line["record"]["pipeline"]: line["detail"] for line in json.loads(done.stdout)["pipelines"]}
    assert "air at http://127.0.0.1:1 does not answer" in details["train_dcn"]
    done = hawkeye("pipeline", "list", HAWKEYE_CONFIG=str(config))
    assert "the environment variable AIR_TOKEN with the secret is not set; set it" in done.stdout


@pytest.mark.parametrize(
    ("pipelines", "says"),
    [
        ("[pipelines.p]\norchestrator = 'air'", "the pipeline 'p' is said to run on 'air'; there are: embedded"),
        ("[pipelines.p]\nevery_h = 0", "pipelines.p.every_h"),
        ("[pipelines.p]\nwhere = 'air'", "pipelines.p.where"),
    ],
)
def test_settings_that_cannot_be(hawkeye: Hawkeye, tmp_path: Path, pipelines: str, says: str) -> None:
    config = tmp_path / "hawkeye.toml"
    config.write_text(pipelines)
    assert says in hawkeye("pipeline", "list", HAWKEYE_CONFIG=str(config)).refused(2)


def test_pipelines_in_a_variable(hawkeye: Hawkeye) -> None:
    done = hawkeye(
        "pipeline",
        "list",
        HAWKEYE_PIPELINES="only.told.orchestrator=embedded, only.told.owner=ranking, train_dcn.every_h=6",
    )
    assert "only.told  on embedded" in done.stdout, done.stderr
    assert "    owner: ranking" in done.stdout


def test_an_investigation_leaves_its_decisions_in_the_audit_log(hawkeye: Hawkeye, alert: Path) -> None:
    assert hawkeye("audit").stdout == "no action was decided on yet\n"
    hawkeye("investigate", "--alert", alert, typed="2\ny\nit spreads\n")
    done = hawkeye("audit")
    assert done.returncode == 0, done.stderr
    newest, _, oldest, _ = done.stdout.splitlines()
    assert "pause train_dcn  done, as approved by" in newest
    assert newest.endswith("it spreads; read back: paused, no run in flight")
    assert "pause train_dcn  approved by" in oldest
    assert json.loads(hawkeye("audit", "--json", "--limit", "1").stdout)["total"] == 2
