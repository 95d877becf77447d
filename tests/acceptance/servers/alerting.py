"""A real Prometheus that scrapes a metric and holds it to a rule, and a real Alertmanager that posts its alert."""

import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.acceptance.servers.processes import free_port, running, until

COMMANDS = ("prometheus", "prometheus-alertmanager")
START_S = 60.0
_EVERY = "1s"


def missing() -> list[str]:
    """The commands that are not installed; Debian's packages have the same names."""
    return [command for command in COMMANDS if shutil.which(command) is None]


@contextmanager
def firing(folder: Path, series: Mapping[str, float], rule: Mapping[str, object], webhook: str) -> Iterator[str]:
    """Prometheus finds `series` (name → value), its `rule` fires, and Alertmanager posts to `webhook`.

    Answers with Alertmanager's address, once it has the alert.
    """
    with ExitStack() as stack:
        scraped = stack.enter_context(_exporter(series))
        manager, prometheus = free_port(), free_port()
        _write(folder, scraped, manager, rule, webhook)
        for command, log in (
            (_manager(folder, manager), "alertmanager.log"),
            (_prometheus(folder, prometheus), "prometheus.log"),
        ):
            stack.enter_context(running(command, folder / log, os.environ, folder))
        url = f"http://127.0.0.1:{manager}"
        until(lambda: _has_alert(url), "Alertmanager has the alert", START_S)
        yield url


@contextmanager
def _exporter(series: Mapping[str, float]) -> Iterator[int]:
    text = "".join(f"{name} {value!r}\n" for name, value in series.items()).encode()

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _write(folder: Path, scraped: int, manager: int, rule: Mapping[str, object], webhook: str) -> None:
    """Their settings, in JSON, which is YAML too."""
    settings = {
        "prometheus.yml": {
            "global": {"scrape_interval": _EVERY, "evaluation_interval": _EVERY},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "badge", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
        },
        "rules.yml": {"groups": [{"name": "badge", "rules": [dict(rule)]}]},
        "alertmanager.yml": {
            "route": {
                "receiver": "hawkeye",
                "group_by": ["alertname", "product"],
                "group_wait": "0s",
                "group_interval": _EVERY,
                "repeat_interval": "2s",
            },
            "receivers": [{"name": "hawkeye", "webhook_configs": [{"url": webhook, "send_resolved": True}]}],
        },
    }
    for name, content in settings.items():
        (folder / name).write_text(json.dumps(content))


def _manager(folder: Path, port: int) -> list[str]:
    here = f"127.0.0.1:{port}"
    told = [f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}"]
    return ["prometheus-alertmanager", *told, f"--web.listen-address={here}", "--cluster.listen-address="]


def _prometheus(folder: Path, port: int) -> list[str]:
    told = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    return ["prometheus", *told, f"--web.listen-address=127.0.0.1:{port}"]


def _has_alert(url: str) -> bool | None:
    try:
        return bool(httpx.get(f"{url}/api/v2/alerts", timeout=5).json()) or None
    except httpx.HTTPError:
        return None
