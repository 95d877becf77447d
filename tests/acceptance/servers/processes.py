"""Processes of a test: started, waited for with an end, and stopped with everything that they have started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
STOP_S = 20.0


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, variables: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to `log`, in a session of its own, so that what it has started ends with it."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=dict(variables),
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait(STOP_S)


def until(look: Callable[[], T | None], what: str, patience_s: float, every_s: float = 0.5) -> T:
    """What `look` finds, asked again as long as it finds None. Fails after `patience_s`."""
    end = time.monotonic() + patience_s
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < end, f"{what}: not within {patience_s:g} seconds"
        time.sleep(every_s)
