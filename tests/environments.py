"""Python environments of their own for servers and peers, below `.venvs/`: made once, found again, made anew when
wanted otherwise."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".venvs"
INSTALL_S = 900
_TOLD = 400


class NotInstalled(Exception):
    """An environment cannot be made; the message is the installer's reason."""


def environment(pins: Path, *requirements: str) -> Path:
    """The folder of the commands of an environment with these requirements, at the releases that the file `pins` names,
    after which the environment is called. Raises `NotInstalled`."""
    place = FOLDER / pins.stem
    wanted = "\n".join([sys.version, *requirements, pins.read_text()])
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{pins.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = place / "ready"
        if not ready.exists() or ready.read_text() != wanted:
            _make(place, ["--constraint", str(pins), *requirements])
            ready.write_text(wanted)
    return place / "bin"


def _make(place: Path, requirements: list[str]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    pip = [
        str(place / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    for command in ([sys.executable, "-m", "venv", str(place)], [*pip, *requirements]):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=without_ours(os.environ)
            )
        except subprocess.TimeoutExpired:
            said = f"cannot install {place.name}: the installer took more than {INSTALL_S} seconds"
            raise NotInstalled(said) from None
        if done.returncode:
            raise NotInstalled(f"cannot install {place.name}: {done.stderr.strip()[-_TOLD:]}")


def without_ours(variables: "os._Environ[str]") -> dict[str, str]:
    """The environment without what makes a Python process find this project, or another environment."""
    return {name: value for name, value in variables.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
