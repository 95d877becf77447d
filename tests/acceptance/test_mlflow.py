"""A real MLflow: a run is logged and a version registered there; its webhook makes a checked snapshot of it here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from assistant.wire import PREFIX, CheckState, RunStored, SnapshotView
from tests.acceptance.servers.environments import environment
from tests.acceptance.servers.processes import free_port, running, until
from tests.environments import without_ours

MLFLOW = "mlflow==3.17.2"
SECRET = "between the two of us"
STARTS_WITHIN_S = 180.0
_LOGGED = """
import json, sys
import mlflow
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent
url, hook, artifact = sys.argv[1:]
mlflow.set_tracking_uri(url)
client = MlflowClient()
client.create_webhook("hawkeye", hook, events=["model_version.created"], secret=%r)
with mlflow.start_run() as run:
    mlflow.log_param("learning_rate", 0.02)
    for step in range(30):
        mlflow.log_metric("loss", 0.3 + 0.4 / (step + 1), step=step)
    mlflow.log_artifact(artifact, "weights")
client.create_registered_model("late badge")
version = client.create_model_version("late badge", f"runs:/{run.info.run_id}/weights", run.info.run_id)
print(json.dumps({"run": run.info.run_id, "version": str(version.version)}))
"""


@pytest.fixture(scope="module")
def commands() -> Path:
    return environment("mlflow", MLFLOW)


@pytest.fixture
def server(commands: Path, tmp_path: Path) -> Iterator[str]:
    port, log = free_port(), tmp_path / "mlflow.log"
    files = str(tmp_path / "files")
    command: list[str | Path] = [
        commands / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}", "--artifacts-destination", files,
    ]  # fmt: skip
    variables = without_ours(os.environ) | {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
    }
    with running(command, log, variables, tmp_path) as process:
        url = f"http://127.0.0.1:{port}"

        def answers() -> bool | None:
            assert process.poll() is None, log.read_text()[-2000:]
            return _is_up(f"{url}/health")

        until(answers, "MLflow answers", STARTS_WITHIN_S)
        yield url


def test_a_version_that_is_registered_becomes_a_snapshot_that_is_checked(
    commands: Path, server: str, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "hawkeye.toml").write_text(
        f'data_dir = "data"\nport = {port}\n'
        f'[mlflow]\nurl = "{server}"\nwebhook_secret_file = "secret"\nmodels = {{"late badge" = "badge"}}\n'
    )
    serve: list[str | Path] = [sys.executable, "-c", "from assistant.cli.main import main; main()", "serve"]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    api = f"http://127.0.0.1:{port}{PREFIX}"
    with running(serve, tmp_path / "serve.log", here, tmp_path):
        until(lambda: _is_up(f"{api}/health"), "the service answers", STARTS_WITHIN_S)
        told = _log(commands, server, f"{api}/registry/mlflow", tmp_path)
        view = until(lambda: _checked(f"{api}/snapshots/late%20badge%2F{told['version']}"), "the snapshot", 120.0)
        assert (view.record.model, view.record.training_run) == ("badge", told["run"])
        assert view.record.artifact is not None
        assert view.record.artifact.endswith(".safetensors")
        body = {"run": told["run"], "model": "badge"}
        taken = httpx.post(f"{api}/training-runs/mlflow", json=body, timeout=60)
        assert RunStored.model_validate_json(taken.content).curves == 1


def _log(commands: Path, server: str, hook: str, folder: Path) -> dict[str, str]:
    from safetensors.numpy import save_file

    artifact = folder / "model.safetensors"
    save_file({"top.weight": np.ones((4, 3), dtype=np.float32)}, artifact)
    done = subprocess.run(
        [commands / "python", "-c", _LOGGED % SECRET, server, hook, str(artifact)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=without_ours(os.environ),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def _is_up(url: str) -> bool | None:
    try:
        return True if httpx.get(url, timeout=5).is_success else None
    except httpx.HTTPError:
        return None


def _checked(url: str) -> SnapshotView | None:
    response = httpx.get(url, timeout=30)
    if not response.is_success:
        return None
    view = SnapshotView.model_validate_json(response.content)
    return view if view.line.check is CheckState.done else None
