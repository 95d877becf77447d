"""Runs the real `hawkeye` command: in this process, which is quick, or in one of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assistant.cli.failures import run
from assistant.cli.main import hawkeye
from tests.assistant import small

COMMAND = [sys.executable, "-c", "from assistant.cli.main import main; main()"]


@dataclass(frozen=True)
class Done:
    """A finished command."""

    returncode: int
    stdout: str
    stderr: str

    def refused(self, code: int) -> str:
        """The message of a command that ended as it should, with this exit code and without a traceback."""
        assert self.returncode == code, (self.stdout, self.stderr)
        assert "Traceback" not in self.stdout + self.stderr
        assert "should not happen" not in self.stderr
        return self.stderr


Hawkeye = Callable[..., Done]


def environment(folder: Path) -> dict[str, str]:
    """Our variables, for the small data folder below `folder`, which is made when it is not there."""
    if not (folder / "playbooks").exists():
        small.settings(folder)
    return {
        "HAWKEYE_DATA_DIR": str(folder / "data"),
        "HAWKEYE_PLAYBOOK_FOLDERS": str(folder / "playbooks"),
        "HAWKEYE_PLAYBOOK": "small",
        "TMPDIR": str(folder),
    }


def in_process(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hawkeye:
    """A function that runs the command here; variables given to it come on top of the usual ones."""

    def call(*args: str | Path, typed: str = "", **variables: str) -> Done:
        with monkeypatch.context() as patched:
            for name, value in {**environment(folder), **variables}.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["hawkeye", *map(str, args)])
            patched.setattr(sys, "stdin", io.StringIO(typed))
            capsys.readouterr()
            code = run(hawkeye)
        return Done(code, *capsys.readouterr())

    return call


def in_own_process(folder: Path, *args: str | Path, **options: Any) -> Done:
    """The command in a process of its own. `options` go to `subprocess.run`."""
    options = {"input": "", "env": os.environ | environment(folder), **options}
    done = subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=60, **options)
    return Done(done.returncode, done.stdout, done.stderr)
