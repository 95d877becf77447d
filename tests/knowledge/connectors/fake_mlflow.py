"""A small MLflow on the loopback: one run, one version, one artifact, with pages of metrics; nothing is remembered."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

RUN = "abc123"
TOKEN = "let me in"
STARTED_MS = 1_367_650_800_000
LOSS = [0.7, 0.5, 0.4, 0.35, 0.33]


class _Handler(BaseHTTPRequestHandler):
    artifact: bytes = b""
    file = "model.pt2"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"message": "who are you?"})
        elif parts.path == "/get-artifact":
            self._send_bytes(200, self.artifact, "application/octet-stream")
        else:
            self._send(*self._answer(parts.path.removeprefix("/api/2.0/mlflow/"), query))

    def _answer(self, what: str, query: dict[str, str]) -> tuple[int, Any]:
        match what:
            case "runs/get" if query["run_id"] == RUN:
                return 200, {"run": {"info": self._info(), "data": self._data()}}
            case "metrics/get-history":
                points = [
                    {"key": "loss", "value": v, "timestamp": STARTED_MS + i, "step": i} for i, v in enumerate(LOSS)
                ]
                first = int(query.get("page_token", "0"))
                more = {"next_page_token": str(first + 3)} if first + 3 < len(points) else {}
                return 200, {"metrics": points[first : first + 3], **more}
            case "model-versions/get":
                version = {"name": query["name"], "version": query["version"], "creation_timestamp": STARTED_MS}
                return 200, {"model_version": {**version, "run_id": RUN, "source": f"runs:/{RUN}/model"}}
            case "artifacts/list":
                folder = query.get("path")
                if folder is None:
                    return 200, {"files": [{"path": "model", "is_dir": True}]}
                return 200, {"files": [{"path": f"model/{self.file}", "is_dir": False}] if self.artifact else []}
        return 404, {"message": f"there is no {what}"}

    @staticmethod
    def _info() -> dict[str, Any]:
        return {"run_id": RUN, "status": "FINISHED", "start_time": STARTED_MS, "end_time": STARTED_MS + 60_000}

    @staticmethod
    def _data() -> dict[str, Any]:
        partitions = [{"dataset": "d", "partition": "2013-05-03", "rows": 100, "label_counts": {"0": 60, "1": 40}}]
        tags = [{"key": "hawkeye.partitions", "value": json.dumps(partitions)}, {"key": "mlflow.user", "value": "me"}]
        metrics = [{"key": "loss", "value": LOSS[-1], "timestamp": STARTED_MS, "step": 4}]
        return {"metrics": metrics, "params": [{"key": "learning_rate", "value": "0.02"}], "tags": tags}

    def _send(self, status: int, told: object) -> None:
        self._send_bytes(status, json.dumps(told).encode(), "application/json")

    def _send_bytes(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serving(artifact: bytes = b"", file: str = "model.pt2") -> Iterator[str]:
    """Its address, as long as it is there."""
    handler = type("_Here", (_Handler,), {"artifact": artifact, "file": file})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
