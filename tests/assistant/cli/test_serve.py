import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

from assistant.cli.serve import listen
from assistant.wire import EventPage, Health, InvestigationView
from tests.assistant import small
from tests.assistant.cli.command import COMMAND, environment


def test_a_real_server_over_a_real_socket(tmp_path: Path) -> None:
    """Alerts in, events out over a long poll, an orderly end on SIGTERM while a client still waits."""
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment(tmp_path) | {"PYTHONUNBUFFERED": "1"},
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+:\d+", server.stdout.readline())
            assert found is not None
            with httpx.Client(base_url=found[0] + "/api/v1", timeout=30) as http:
                _exchange(http)
        finally:
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=15)
    assert "Traceback" not in errors


def _exchange(http: httpx.Client) -> None:
    assert Health.model_validate_json(http.get("/health").content).status == "ok"
    (investigation,) = http.post("/alerts/alertmanager", json=small.webhook()).json()["investigations"]
    after, until = -1, time.monotonic() + 20
    while time.monotonic() < until:
        query: dict[str, float] = {"after": after, "wait_s": 5}
        response = http.get(f"/investigations/{investigation}/events", params=query)
        page = EventPage.model_validate_json(response.content)
        after = page.last_seq
        if page.status == "waiting_for_answer":
            break
    view = InvestigationView.model_validate_json(http.get(f"/investigations/{investigation}").content)
    assert view.question is not None
    assert view.question.step == "launch"
    answered = http.post(
        f"/investigations/{investigation}/answers", json={"step": "launch", "choice": "yes", "actor": "kim"}
    )
    assert answered.status_code == 200


def test_small_answers_do_not_wait_for_an_acknowledgement() -> None:
    """Without TCP_NODELAY on what is accepted, every answer takes 40 ms more."""

    async def accepted_at_once() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            told.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(connected, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                found = await told
                writer.close()
                return found

    assert asyncio.run(accepted_at_once())
