"""Analyses for the tests of the worker: they stand at the top of a module, as tools' do."""

import ctypes
import os
import time
from collections.abc import Sequence

from tools.ports import PortError
from tools.program.graph import Program
from tools.program.interpreter import Interpreter


def outputs(programs: Sequence[Program], rows: list[list[float]]) -> list[list[list[float]]]:
    """The first output of each program on these rows, as plain lists."""
    import torch

    given = torch.tensor(rows)
    return [next(iter(Interpreter(program).run([given]).values())).tolist() for program in programs]


def process(programs: Sequence[Program]) -> int:
    """The id of the process that the analysis runs in."""
    return os.getpid()


def sleep(programs: Sequence[Program], seconds: float) -> None:
    """Take a while."""
    time.sleep(seconds)


def crash(programs: Sequence[Program]) -> None:
    """Read from address zero."""
    ctypes.string_at(0)


def allocate(programs: Sequence[Program], count: int) -> int:
    """Touch `count` bytes."""
    return len(bytearray(count))


def refuse(programs: Sequence[Program]) -> None:
    """Fail as tools do."""
    raise PortError("not today")


def fail(programs: Sequence[Program]) -> None:
    """Fail as a bug does."""
    raise ZeroDivisionError("a bug")


def unsendable(programs: Sequence[Program]) -> object:
    """Answer with what cannot be pickled."""
    return lambda: None
