"""The openlineage-python client, as its users install it, sends to a real server over a real socket."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import data_quality_metrics_input_dataset, schema_dataset, sql_job
from openlineage.client.transport.http import HttpConfig, HttpTransport

from assistant.wire import EventsTaken, LineageChanges, LineageRefusals, LineageRuns, LineageStatistics
from tests.assistant.cli.command import COMMAND, environment

DATA = Path(__file__).parents[3] / "shared" / "data" / "openlineage"
KEY = "a-key-of-the-platform"
TIMES = re.compile(r"\{\{\s*[^{}]*(?:TIME|time)[^{}]*\}\}")


@contextmanager
def server(folder: Path, **variables: str) -> Iterator[str]:
    """`hawkeye serve` in a process of its own, over an empty data folder; its address."""
    told = os.environ | environment(folder) | {"PYTHONUNBUFFERED": "1", **variables}
    with subprocess.Popen([*COMMAND, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True, env=told) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+:\d+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)


def client(address: str, **config: Any) -> OpenLineageClient:
    """With the retries that it has by default, but without their pauses."""
    told = {"url": address, "timeout": 30, "retry": {"backoff_factor": 0.0}, **config}
    return OpenLineageClient(transport=HttpTransport(HttpConfig.from_dict(told)))


def run_events(query: str) -> Iterator[RunEvent]:
    """A run as a user's code sends it: START knows nothing of the data, COMPLETE all."""
    run, job = Run(runId=str(uuid4())), Job(namespace="shop", name="orders", facets={"sql": sql_job.SQLJobFacet(query)})
    metrics = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
        rowCount=10,
        columnMetrics={"id": data_quality_metrics_input_dataset.ColumnMetrics(nullCount=0, distinctCount=10)},
    )
    fields = [schema_dataset.SchemaDatasetFacetFields(name="id", type="bigint")]
    for state, inputs, outputs in (
        (RunState.START, [], []),
        (
            RunState.COMPLETE,
            [InputDataset(namespace="shop", name="raw", inputFacets={"dataQualityMetrics": metrics})],
            [
                OutputDataset(
                    namespace="shop", name="orders", facets={"schema": schema_dataset.SchemaDatasetFacet(fields)}
                )
            ],
        ),
    ):
        now = datetime.now(UTC).isoformat()
        yield RunEvent(
            eventType=state, eventTime=now, run=run, job=job, producer="https://x", inputs=inputs, outputs=outputs
        )


def test_pointing_the_client_at_the_server_is_all_there_is_to_do(tmp_path: Path) -> None:
    """With the key in the environment, as dbt and the Airflow provider read it too; once plain and once packed."""
    with server(tmp_path, HAWKEYE_API_KEYS=f"{KEY},another-key-of-ours") as address:
        plain = client(address, auth={"type": "api_key", "apiKey": KEY})
        packed = client(address, auth={"type": "api_key", "apiKey": KEY}, compression="gzip")
        for sender, query in ((plain, "select 1"), (packed, "select 2")):
            for event in run_events(query):
                sender.emit(event)
        with pytest.raises(requests.HTTPError, match="401"):
            client(address, auth={"type": "api_key", "apiKey": "wrong"}).emit(next(run_events("select 3")))
        with httpx.Client(base_url=f"{address}/api/v1/lineage", timeout=30) as http:
            runs = LineageRuns.model_validate_json(http.get("/runs", params={"node": "shop:orders"}).content)
            raw = LineageStatistics.model_validate_json(http.get("/statistics", params={"node": "shop:raw"}).content)
            changes = LineageChanges.model_validate_json(http.get("/changes", params={"node": "shop:orders"}).content)
    assert [run.state for run in runs.runs] == ["COMPLETE", "COMPLETE"]
    assert [(s.row_count, s.columns["id"].distinct_count) for s in raw.statistics] == [(10, 10), (10, 10)]
    assert [(c.kind, c.before, c.after) for c in changes.changes] == [("sql", "select 1", "select 2")]


def test_a_client_that_is_configured_as_the_guide_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(str(files("knowledge"))) / "guide" / "telemetry.md").read_text()
    (config,) = (block for block in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "transport:" in block)
    (shell, airflow) = (block for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if "OPENLINEAGE" in block)
    provider = json.loads(airflow[airflow.index("{") : airflow.rindex("}") + 1])
    with server(tmp_path, HAWKEYE_API_KEYS="one-of-the-api-keys") as address:
        here = config.replace("http://127.0.0.1:8765", address)
        assert here != config
        (tmp_path / "openlineage.yml").write_text(here)
        monkeypatch.setenv("OPENLINEAGE_CONFIG", str(tmp_path / "openlineage.yml"))
        by_file = OpenLineageClient()
        monkeypatch.delenv("OPENLINEAGE_CONFIG")
        for line in shell.splitlines():
            name, value = line.removeprefix("export ").split("=")
            monkeypatch.setenv(name, address if name == "OPENLINEAGE_URL" else value)
        senders = [by_file, OpenLineageClient(), OpenLineageClient(config={"transport": {**provider, "url": address}})]
        for sender in senders:
            for event in run_events("select 1"):
                sender.emit(event)
        found = httpx.get(f"{address}/api/v1/lineage/runs", params={"node": "shop:orders"})
    assert len(LineageRuns.model_validate_json(found.content).runs) == 3


def test_a_client_that_is_configured_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also: what is refused is an error at once, which the client does not repeat five times."""
    with server(tmp_path) as address:
        monkeypatch.setenv("OPENLINEAGE_URL", address)
        sender = OpenLineageClient()
        for event in run_events("select 1"):
            sender.emit(event)
        assert (
            sent(sender, {"eventTime": "2013-05-04T00:00:00Z", "dataset": {"namespace": "shop", "name": "d"}}, 0)
            is None
        )
        refused = sent(sender, {"eventTime": "soon", "job": {"namespace": "shop", "name": "j"}}, 1)
        assert refused is not None
        assert "eventTime" in refused[1]
        found = LineageRefusals.model_validate_json(httpx.get(f"{address}/api/v1/lineage/refusals").content)
    assert (found.events, len(found.refusals)) == (1, 1)


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there; it holds events that others recorded")
def test_every_recorded_file_is_stored_or_refused_with_its_reason(tmp_path: Path) -> None:
    """Each event over the client, and each file as a batch. Where a file is a template of a time, the time is set."""
    stored, refused = 0, 0
    recorded = sorted(DATA.rglob("*.json"))
    assert len(recorded) >= 99
    with server(tmp_path) as address, httpx.Client(base_url=f"{address}/api/v1", timeout=60) as http:
        sender = client(address, compression="gzip")
        for path in recorded:
            told = json.loads(TIMES.sub("2024-05-04T00:00:00Z", path.read_text()))
            events = told if isinstance(told, list) else [told]
            reasons = dict(filter(None, (sent(sender, event, place) for place, event in enumerate(events))))
            stored, refused = stored + len(events) - len(reasons), refused + len(reasons)
            assert all("not an OpenLineage event" in reason for reason in reasons.values()), (path, reasons)
            answer = http.post("/lineage/batch", json=events)
            if len(reasons) == len(events):
                assert answer.status_code == 422, path
            else:
                taken = EventsTaken.model_validate_json(answer.content)
                assert {one.index for one in taken.refused} == reasons.keys(), path
        found = LineageRefusals.model_validate_json(http.get("/lineage/refusals").content)
        total = http.get("/lineage/nodes").json()["total"]
    assert found.events == 2 * refused, "each was sent twice"
    assert stored > 500
    assert total > 200
    for facet in (DATA / "ol" / "spec" / "tests").glob("*Facet/*.json"):
        assert "run" not in json.loads(facet.read_text()), "facets alone are no events, and are among those refused"


def sent(sender: OpenLineageClient, event: dict[str, Any], place: int) -> tuple[int, str] | None:
    """None where the event was stored, else its place and the reason for which it was refused.

    A recorded event goes to the client's transport, since the client itself takes only its own classes.
    """
    transport: Any = sender.transport
    try:
        transport.emit(event)
    except requests.HTTPError as error:
        if error.response.status_code != 422:
            raise
        return place, error.response.json()["detail"]
    return None
