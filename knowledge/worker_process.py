"""The process behind `knowledge.worker`: `python -m knowledge.worker_process FD` serves calls until it is stopped."""

import os
import pickle
import resource
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.ports import PortError


def main() -> None:
    """Answer each request on the connection whose file descriptor is named, one after another."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    import torch  # noqa: F401 it takes seconds, which are the start's and not a call's

    with Connection(int(sys.argv[1])) as connection:
        connection.send("ready")
        while True:
            try:
                function, arguments, memory_bytes = connection.recv()
            except EOFError:
                return
            _answer(connection, *_called(function, arguments, memory_bytes))


def _end_with_the_parent() -> None:
    """The parent holds the other end of the standard input: it ends when the parent does, however that comes."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _called(function: Any, arguments: tuple[Any, ...], memory_bytes: int) -> tuple[bool, Any]:
    _limit_memory(memory_bytes)
    try:
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001 all of them are the caller's to handle
        if not isinstance(error, PortError):  # those say all there is to say
            error.add_note("".join(traceback.format_exception(error)))
        return False, error


def _limit_memory(memory_bytes: int) -> None:
    """This many bytes more than are mapped now; with a GPU, more than are mapped to be written to.

    CUDA reserves addresses for all memory of the machine and its cards, and writes to none of them.
    """
    import torch

    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    kind, place = (resource.RLIMIT_DATA, 5) if torch.cuda.is_available() else (resource.RLIMIT_AS, 0)
    limit = int(statm.read_text().split()[place]) * resource.getpagesize() + memory_bytes
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _answer(connection: Connection, succeeded: bool, value: Any) -> None:
    try:
        connection.send((succeeded, value))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        connection.send((False, RuntimeError(f"the answer cannot be sent back ({error}): {str(value)[:500]}")))


if __name__ == "__main__":
    main()
