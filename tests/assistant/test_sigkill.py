"""SIGKILL in the middle of an investigation: nothing lost, nothing done twice."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from knowledge.investigations import InvestigationLog
from knowledge.store import Store
from tests.assistant import small
from tests.assistant.cli.command import COMMAND, environment, in_own_process

DIFFERS_BY_RUN = ("investigation", "at")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The log of a walk that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert _investigate(folder) == 0
    return _log(folder)


@pytest.mark.parametrize("last_words", ["■", "▸ model_isolation", "? Was anything launched?", "! Proposed"])
def test_a_killed_walk_is_resumed_as_if_nothing_had_happened(
    tmp_path: Path, undisturbed: list[dict[str, Any]], last_words: str
) -> None:
    _investigate_and_kill(tmp_path, last_words)
    before = _log(tmp_path)
    assert before == undisturbed[: len(before)], "what was written before the kill stays as it was"
    if last_words.startswith("?"):
        assert before[-1]["type"] == "QuestionAsked"
    assert _investigate(tmp_path) == 0
    assert _log(tmp_path) == undisturbed


def _command(folder: Path) -> list[str]:
    (folder / "alert.json").write_text(json.dumps(small.webhook()))
    return ["investigate", "--alert", str(folder / "alert.json"), "--auto"]


def _investigate(folder: Path) -> int:
    """The same command again is the same investigation: the alert is known."""
    return in_own_process(folder, *_command(folder)).returncode


def _investigate_and_kill(folder: Path, last_words: str) -> None:
    variables = os.environ | environment(folder)
    command = [*COMMAND, *_command(folder)]
    if last_words.startswith("?"):
        command.remove("--auto")  # it waits at the question for an answer that does not come, and is killed there
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=variables) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith(last_words)), None)
        process.kill()
    assert said is not None


def _log(folder: Path) -> list[dict[str, Any]]:
    """The events of the one investigation, without what differs between any two runs."""
    store = Store.open(folder / "data")
    try:
        log = InvestigationLog(store)
        (investigation,) = log.ids()
        return [_timeless(row) for row in log.rows(investigation)]
    finally:
        store.close()


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in DIFFERS_BY_RUN}
    if row["type"] == "ActionProposed":
        kept["plan"] = {name: value for name, value in row["plan"].items() if name != "expires_at"}
    return kept
