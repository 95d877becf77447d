"""Runs the real `hawkeye` command in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.assistant import small

COMMAND = [sys.executable, "-c", "from assistant.cli.main import main; main()"]


def environment(folder: Path) -> dict[str, str]:
    """An environment whose data folder is the small one below `folder`, made when it is not there."""
    made = small.settings(folder) if not (folder / "playbooks").exists() else None
    assert made is None or made.data_dir == folder / "data"
    ours = {
        "HAWKEYE_DATA_DIR": str(folder / "data"),
        "HAWKEYE_PLAYBOOK_FOLDERS": str(folder / "playbooks"),
        "HAWKEYE_PLAYBOOK": "small",
        "TMPDIR": str(folder),
    }
    return {**{name: value for name, value in os.environ.items() if not name.startswith("HAWKEYE_")}, **ours}


def hawkeye(folder: Path, *args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The finished command. `options` go to `subprocess.run`."""
    options = {"input": "", "env": environment(folder), **options}
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=60, **options)


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The message of a command that ended as it should, with this exit code and without a traceback."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert "should not happen" not in done.stderr
    return done.stderr
