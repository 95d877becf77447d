"""The routes of training runs over the real application, and MLflow's webhooks, signed and not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.app import create_app
from assistant.wire import Announced, RunStored, SnapshotView
from knowledge.connectors.tracking import Tracking
from tests.assistant import small
from tests.assistant.api.client import Api, problem
from tests.assistant.api.conftest import alive
from tests.knowledge.connectors.fake_mlflow import RUN, TOKEN, serving

SECRET = "between us"


@pytest.fixture
async def with_mlflow(tmp_path: Path) -> AsyncIterator[Api]:
    for name, secret in (("token", TOKEN), ("webhook", SECRET)):
        (tmp_path / name).write_text(secret)
    with serving() as url:
        tracking = Tracking(
            url=url,
            secret_file=tmp_path / "token",
            webhook_secret_file=tmp_path / "webhook",
            models={"late badge": "badge"},
        )
        app = create_app(small.settings(tmp_path).model_copy(update={"mlflow": tracking}))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with alive(app), httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as http:
            yield Api(http)


def webhook(secret: str = SECRET, age_s: int = 0, **changes: Any) -> dict[str, Any]:
    """What MLflow sends: the body, and the headers that sign it."""
    told: dict[str, Any] = {
        "entity": "model_version",
        "action": "created",
        "timestamp": "2013-05-04T07:00:00+00:00",
        "data": {"name": "late badge", "version": "7", "source": "x", "run_id": RUN, "tags": {}},
    }
    body, at = json.dumps(told | changes).encode(), str(int(time.time()) - age_s)
    signed = hmac.new(secret.encode(), b"one." + at.encode() + b"." + body, hashlib.sha256).digest()
    headers = {
        "X-MLflow-Signature": "v1," + base64.b64encode(signed).decode(),
        "X-MLflow-Delivery-Id": "one",
        "X-MLflow-Timestamp": at,
        "Content-Type": "application/json",
    }
    return {"content": body, "headers": headers}


async def test_a_run_is_kept_and_the_same_again_replaces_it(api: Api) -> None:
    record = {"run": "r/1", "model": "dcn", "started_at": "2013-05-04T07:00:00Z", "curves": []}
    for _ in range(2):
        response = await api.http.post("/training-runs", json=record)
        assert response.status_code == 201
        assert RunStored.model_validate_json(response.content).run == "r/1"
    refused = await api.http.post("/training-runs", json={"run": "r/1"})
    assert refused.status_code == 400


async def test_a_new_version_becomes_a_snapshot_with_its_run_and_is_checked(with_mlflow: Api) -> None:
    for detail in ("registered, and is checked", "was registered before"):
        response = await with_mlflow.http.post("/registry/mlflow", **webhook())
        assert response.status_code == 202, response.text
        assert Announced.model_validate_json(response.content) == Announced(snapshot="late badge/7", detail=detail)
    view = SnapshotView.model_validate_json((await with_mlflow.http.get("/snapshots/late%20badge%2F7")).content)
    assert (view.record.model, view.record.training_run) == ("badge", RUN)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        # Signed when the test runs: a whole run of tests takes longer than a webhook is taken for new.
        (lambda: webhook(secret="guessed"), "signature"),
        (lambda: webhook(age_s=3600), "older than five minutes"),
        (lambda: {**webhook(), "headers": {}}, "x-mlflow-signature"),
        (lambda: {**webhook(), "content": b"{}"}, "signature"),
    ],
)
async def test_what_mlflow_did_not_sign_is_refused(
    with_mlflow: Api, sent: Callable[[], dict[str, Any]], says: str
) -> None:
    response = await with_mlflow.http.post("/registry/mlflow", **sent())
    assert response.status_code == 401
    assert says in problem(response, 401).detail


async def test_other_events_are_passed_over_and_malformed_ones_refused(with_mlflow: Api) -> None:
    other = await with_mlflow.http.post("/registry/mlflow", **webhook(entity="registered_model"))
    assert Announced.model_validate_json(other.content).snapshot is None
    broken = await with_mlflow.http.post("/registry/mlflow", **webhook(data={"name": "x"}))
    assert broken.status_code == 422


async def test_a_run_is_taken_over(with_mlflow: Api) -> None:
    body = {"run": RUN, "model": "badge", "snapshot": "badge/7"}
    taken = RunStored.model_validate_json((await with_mlflow.http.post("/training-runs/mlflow", json=body)).content)
    assert (taken.curves, taken.partitions) == (1, 1)
    missing = await with_mlflow.http.post("/training-runs/mlflow", json={"run": "nobody", "model": "badge"})
    assert missing.status_code == 502


async def test_without_a_server_that_is_said(api: Api) -> None:
    refused = await api.http.post("/training-runs/mlflow", json={"run": RUN, "model": "badge"})
    assert (refused.status_code, "mlflow" in problem(refused, 409).detail) == (409, True)
