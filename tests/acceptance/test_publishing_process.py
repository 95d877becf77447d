"""Publishing to a real `hawkeye serve` over a real socket: checks go on in the background, also after SIGKILL."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from assistant.wire import CheckState, SnapshotLine, SnapshotPage, SnapshotView
from knowledge.workspace import Workspace
from tests.assistant import small
from tests.assistant.cli.command import COMMAND, environment, in_own_process
from tests.assistant.publishing.platform import MODEL, Platform

PATIENCE_S = 60.0


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The server and a client of it; it is killed at the end, if it still runs."""
    variables = os.environ | environment(folder) | {"PYTHONUNBUFFERED": "1"}
    command = [*COMMAND, "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+:\d+", server.stdout.readline())
            assert found is not None
            with httpx.Client(base_url=found[0] + "/api/v1", timeout=30) as http:
                yield server, http
        finally:
            server.kill()


def timeline(http: httpx.Client) -> dict[str, SnapshotLine]:
    page = SnapshotPage.model_validate_json(http.get(f"/models/{MODEL}/snapshots").content)
    return {line.snapshot: line for line in page.snapshots}


def done_in(lines: dict[str, SnapshotLine]) -> dict[str, SnapshotLine]:
    return {name: line for name, line in lines.items() if line.check is CheckState.done}


def until_all_are_done(http: httpx.Client) -> dict[str, SnapshotView]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        lines = timeline(http)
        if len(done_in(lines)) == len(lines):
            answers = {name: http.get(f"/snapshots/{quote(name, safe='')}") for name in lines}
            return {name: SnapshotView.model_validate_json(answer.content) for name, answer in answers.items()}
        time.sleep(0.05)
    raise AssertionError({name: (line.check, line.running, line.stopped) for name, line in lines.items()})


def test_checks_go_on_after_sigkill_and_nothing_is_done_twice(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "data" / "snapshots")
    days = [platform.day() for _ in range(8)]
    small.settings(tmp_path)
    workspace = Workspace.open(tmp_path / "data")
    for day in days:
        workspace.receiver.receive_training_run(day.run)
        workspace.receiver.receive_samples(day.samples)
    workspace.close()
    with serving(tmp_path) as (server, http):
        begun = time.monotonic()
        for day in days:
            assert http.post("/snapshots", json=day.snapshot).status_code == 201
        posted_s = time.monotonic() - begun
        while not done_in(killed := timeline(http)):
            time.sleep(0.01)
        server.send_signal(signal.SIGKILL)
        server.wait()
    assert posted_s < PATIENCE_S / 2, "registering does not wait for checks"
    assert 0 < len(done_in(killed)) < len(days), "it was killed in the middle"

    with serving(tmp_path) as (server, http):
        done = until_all_are_done(http)
        assert all(len(view.findings) == 3 for view in done.values())
        assert {name: done[name].line for name in done_in(killed)} == done_in(killed), "what was done stays as it was"
        assert {http.post("/snapshots", json=day.snapshot).status_code for day in days} == {200}
        assert len(done_in(timeline(http))) == len(days)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=15) is not None


def test_the_command_publishes_to_a_running_service(tmp_path: Path) -> None:
    home = tmp_path / "home"
    artifact = home / Platform(home).day().snapshot["artifact"]
    with serving(tmp_path) as (_, http):
        url = str(http.base_url).removesuffix("/api/v1/")
        arguments = ["snapshot", "publish", artifact, "--model", MODEL, "--url", url, "--json"]
        published = in_own_process(tmp_path, *arguments)
        assert published.returncode == 0, published.stderr
        view = SnapshotView.model_validate(json.loads(published.stdout))
        assert view.record.snapshot == f"{MODEL}/{artifact.stem}"
        assert view.line.check is CheckState.done
