"""Opens the terminal interface on a drill: the service here, on a free port of this machine, and the interface as its
client in a process of its own, exactly as it is used against a real server."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from assistant.app import create_app
from assistant.cli.failures import Failure
from assistant.cli.logs import logged_to
from assistant.cli.serve import listen
from assistant.settings import Settings
from assistant.wire import PREFIX, InvestigationView, OpenedPage, Verdict

_START_S = 10.0


def is_terminal() -> bool:
    """Whether there is a person at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def walk_in_terminal(settings: Settings, payload: object) -> Verdict | None:
    """Deliver an alert's webhook payload, and let the person walk it. The verdict, where they came to one."""
    with logged_to(settings.data_dir), _served(settings) as url, httpx.Client(base_url=url + PREFIX) as http:
        opened = http.post("/alerts/alertmanager", json=payload).raise_for_status()
        (investigation,) = OpenedPage.model_validate_json(opened.content).investigations
        command = [sys.executable, "-m", "tui", "--url", url, "--investigation", investigation]
        subprocess.run(command, check=False)  # noqa: S603  (our own interpreter and module)
        found = http.get(f"/investigations/{investigation}").raise_for_status()
        return InvestigationView.model_validate_json(found.content).summary.verdict


@contextmanager
def _served(settings: Settings) -> Iterator[str]:
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(create_app(settings), log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="hawkeye-service")
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise Failure("the service did not start; run the demo with --plain")
        time.sleep(0.02)
