"""MLflow over its REST API: a run with its parameters and curves, a version of a registered model, and its files.

https://mlflow.org/docs/latest/api_reference/rest-api.html. Nothing of mlflow is imported, and no file is opened here.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from pydantic import BaseModel

from knowledge.connectors.http import HttpError, Server, understood
from knowledge.connectors.tracking import Tracking
from knowledge.ingest import mlflow
from tools.ports import PortError

MOST_FILE_BYTES = 4 << 30
_PAGE, _MOST_PAGES = 25_000, 40
_DEPTH, _MOST_FILES = 4, 500
_FILES = (".pt2", ".safetensors", ".pt", ".pth")
"""Endings of artifacts, the best first."""


class _Run(BaseModel):
    run: mlflow.Run


class _History(BaseModel):
    metrics: list[mlflow.Point] = []
    next_page_token: str | None = None


class _Version(BaseModel):
    model_version: mlflow.Version


class _File(BaseModel):
    path: str
    is_dir: bool = False


class _Files(BaseModel):
    files: list[_File] = []


class Mlflow:
    """A connector. With a user the secret is the password of basic authentication, else a bearer token."""

    def __init__(self, connection: Tracking) -> None:
        self._connection = connection
        self._server = Server("mlflow", connection.url, connection.timeout_s)

    def run(self, run_id: str) -> tuple[mlflow.Run, dict[str, list[mlflow.Point]]]:
        """A run, and the history of each of its metrics. Raises `PortError`."""
        run = understood("mlflow", _Run, self._get("runs/get", run_id=run_id)).run
        return run, {metric.key: self._history(run_id, metric.key) for metric in run.data.metrics}

    def version(self, name: str, version: str) -> mlflow.Version:
        """A version of a registered model. Raises `PortError`."""
        return understood("mlflow", _Version, self._get("model-versions/get", name=name, version=version)).model_version

    def artifact(self, version: mlflow.Version) -> "tuple[str, str] | None":
        """Where the version's weights are: the route that hands them out, and the path there; None where there are
        none that can be read here. Raises `PortError`."""
        found = [(route, path) for route, path in self._listed(version) if Path(path).suffix in _FILES]
        return min(found, key=lambda one: (_FILES.index(Path(one[1]).suffix), one[1]), default=None)

    def download(self, where: tuple[str, str], out: IO[bytes]) -> int:
        """Writes such a file to `out`. Raises `PortError`."""
        route, path = where
        if route.startswith("logged:"):
            model = quote(route.removeprefix("logged:"), safe="")
            at, query = f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files", {"artifact_file_path": path}
        else:
            at, query = "/get-artifact", {"run_uuid": route.removeprefix("run:"), "path": path}
        return self._server.download(at, headers=self._headers(), query=query, out=out, most=MOST_FILE_BYTES)

    def _listed(self, version: mlflow.Version) -> Iterator[tuple[str, str]]:
        if version.source.startswith("models:/m-"):
            model = version.source.removeprefix("models:/")
            route = f"logged-models/{quote(model, safe='')}/artifacts/directories"
            yield from ((f"logged:{model}", path) for path in self._walk(route, "artifact_directory_path", {}))
        if version.run_id:
            told = {"run_id": version.run_id}
            yield from ((f"run:{version.run_id}", path) for path in self._walk("artifacts/list", "path", told))

    def _walk(self, route: str, name: str, told: dict[str, str]) -> Iterator[str]:
        """The files below an artifact root; no deeper than 4 folders, no more than 500 entries."""
        waiting, seen = [("", 0)], 0
        while waiting:
            folder, depth = waiting.pop()
            query = {**told, name: folder} if folder else told
            try:
                listed = understood("mlflow", _Files, self._get(route, **query) or {})
            except HttpError as error:
                if error.status in (400, 404):  # no artifacts at all
                    return
                raise
            for file in sorted(listed.files, key=lambda one: one.path):
                seen += 1
                if seen > _MOST_FILES:
                    return
                if not file.is_dir:
                    yield file.path
                elif depth < _DEPTH:
                    waiting.append((file.path, depth + 1))

    def _history(self, run_id: str, metric: str) -> list[mlflow.Point]:
        found: list[mlflow.Point] = []
        token: str | None = None
        for _ in range(_MOST_PAGES):
            query = {"run_id": run_id, "metric_key": metric, "max_results": str(_PAGE)}
            page = understood("mlflow", _History, self._get("metrics/get-history", **query, **_next(token)) or {})
            found += page.metrics
            token = page.next_page_token
            if not token:
                return found
        raise PortError(f"the metric {metric} of {run_id} has more than {len(found)} points; log fewer")

    def _get(self, what: str, **query: str) -> Any:
        return self._server.ask("GET", f"/api/2.0/mlflow/{what}", headers=self._headers(), query=query, repeat=True)

    def _headers(self) -> dict[str, str]:
        secret, user = self._connection.secret(), self._connection.user
        if secret is None:
            return {}
        if user is None:
            return {"Authorization": f"Bearer {secret}"}
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def _next(token: str | None) -> dict[str, str]:
    return {"page_token": token} if token else {}
