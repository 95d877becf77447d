"""`python -m tui` where it cannot start: a message that says what to do, and the right exit code."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.tui.server import Incident, create
from tui import __main__ as command
from tui.client import Client


def test_without_a_terminal_it_names_the_command_that_needs_none() -> None:
    ran = subprocess.run([sys.executable, "-m", "tui"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.returncode == 2
    assert "this needs a terminal" in ran.stderr
    assert "hawkeye investigate" in ran.stderr


def test_a_server_and_a_data_folder_exclude_each_other(tmp_path: Path) -> None:
    ran = CliRunner().invoke(command.main, ["--url", "http://127.0.0.1:1", "--data", str(tmp_path)])
    assert ran.exit_code == 2
    assert "give only one" in ran.output


async def test_the_newest_investigation_is_taken() -> None:
    async with Client.in_process(create(Incident())) as client:
        assert await command._newest(client) == "inv-1"


async def test_settings_that_cannot_be_are_a_matter_of_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAWKEYE_PORT", "many")
    with pytest.raises(click.UsageError, match="port"):
        await command._in_process(None, None)


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(click.ClickException, match="the service cannot start over .*file"):
        await command._in_process(tmp_path / "file", None)
