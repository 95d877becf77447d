"""A process of its own for work that may run away: stopped at a limit of time, and held to one of memory.

The memory limit is on the address space (RLIMIT_AS), counted from what the process has mapped when the work begins.
The kernel then refuses the allocation that goes beyond it, so an operator that asks for terabytes fails with a message
before it has touched any of them; a watch on the resident size would come too late. Where torch has a GPU, the limit is
on what can be written to (RLIMIT_DATA), since CUDA reserves more addresses than any limit. Where the system has no
/proc/self/statm, the limit of time is the only one.

Starting a process and torch in it takes seconds, so a worker that has answered is kept for the next call; one that has
not is stopped. It is a fresh process, never a fork: a fork of a process with threads may hang.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Pipe
from typing import Any, TypeVar

from tools.ports import PortError

T = TypeVar("T")

START_S = 60.0


class Worker:
    """Runs one call at a time, in a process that starts with the first one. Safe to use from several threads."""

    def __init__(self, timeout_s: float, memory_bytes: int) -> None:
        self.timeout_s, self.memory_bytes = timeout_s, memory_bytes
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._process: _Process | None = None
        self._closed = False

    def call(self, function: Callable[..., T], *arguments: Any, extra_bytes: int = 0) -> T:
        """`function(*arguments)` in the worker. The function stands at the top of a module; all can be pickled.

        `extra_bytes` come on top of the limit of memory: for files that will be mapped. Raises what the function
        raises, and `PortError` where the process was stopped or crashed.
        """
        with self._turn:
            process = self._started()
            try:
                succeeded, value = process.ask((function, arguments, self.memory_bytes + extra_bytes), self.timeout_s)
            except BaseException:
                self._drop()
                if self._closed:
                    raise _closed() from None
                raise
            if not succeeded and not isinstance(value, PortError):
                self._drop()  # who knows in what state it is
        if succeeded:
            return value  # type: ignore[no-any-return]
        if isinstance(value, MemoryError):
            raise PortError(
                f"running the snapshot took more than the {self.memory_bytes >> 20} MiB of memory that it may take. "
                "Take fewer rows, or look whether the file is what it should be"
            )
        raise value

    def close(self) -> None:
        """Stop the process, at once: a call that is going on ends with `PortError`."""
        with self._state:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        with self._turn:
            self._drop()

    def _started(self) -> "_Process":
        with self._state:
            if self._closed:
                raise _closed()
            if self._process is not None and not self._process.runs():
                self._process.stop()  # the system may have ended it while nobody looked
                self._process = None
            if self._process is None:
                self._process = _Process()
            return self._process

    def _drop(self) -> None:
        with self._state:
            if self._process is not None:
                self._process.stop()
            self._process = None


def _closed() -> PortError:
    return PortError("the workspace is closed: no snapshot is run any more")


class _Process:
    """The running process. It ends by itself when this one does: its standard input then ends."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        command = [sys.executable, "-P", "-m", "knowledge.worker_process", str(theirs.fileno())]
        path = os.pathsep.join(entry or os.curdir for entry in sys.path)
        self._process = subprocess.Popen(  # noqa: S603 our own module, by the same Python
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"},
            start_new_session=True,  # Ctrl-C in a terminal is for the server
        )
        theirs.close()
        self._ready = False

    def ask(self, request: Any, timeout_s: float) -> tuple[bool, Any]:
        """Whether the call succeeded, and its result or exception. Raises `PortError`."""
        if not self._ready:
            self._receive(START_S, "starting the process for snapshots")
            self._ready = True
        try:
            self._connection.send(request)
        except (BrokenPipeError, ConnectionResetError):
            raise self._crashed() from None
        answer: tuple[bool, Any] = self._receive(timeout_s, "running the snapshot")
        return answer

    def _receive(self, timeout_s: float, what: str) -> Any:
        try:
            if not self._connection.poll(timeout_s):
                raise PortError(
                    f"{what} took longer than {timeout_s:g} s, and was stopped. "
                    "Take fewer rows, or look whether the file is what it should be"
                )
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._crashed() from None

    def _crashed(self) -> PortError:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return PortError(
            f"the process that ran the snapshot crashed ({how}); nothing else was harmed. "
            "The file may be damaged: publish the snapshot again, or name another one"
        )

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill it by its id, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Kill it, and give back what it held."""
        self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._connection.close()
