"""How a command ends that cannot do what it was asked: one message that says what to do, and never a traceback."""

import io
import os
import sys
import tempfile
import traceback
from pathlib import Path

import click

from assistant.planner.library import UnknownPlaybook
from assistant.planner.playbook import FaultyPlaybook
from assistant.settings import SettingsError
from knowledge.catalogue import CatalogueFault
from knowledge.executor import NoCluster
from knowledge.store import StoreError
from tools.registry import UnknownTool

FAILURE, USAGE, INTERRUPTED = 1, 2, 130


class Failure(click.ClickException):
    """The command failed for a reason that the message explains."""

    exit_code = FAILURE


_FORESEEN = (StoreError, NoCluster, CatalogueFault, FaultyPlaybook, UnknownPlaybook, UnknownTool)
"""Errors from below whose messages are written for the user."""


def run(command: click.Command) -> int:
    """Run a command of the command line and answer with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # for a terminal that knows no block characters
    try:
        code = command.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped", INTERRUPTED)
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except SettingsError as error:
        return _say(str(error), USAGE)
    except _FORESEEN as error:
        return _say(str(error), FAILURE)
    except Exception as error:  # noqa: BLE001  (the last line of defence)
        return _say(_unforeseen(error), FAILURE)
    return code if isinstance(code, int) else 0


def _say(message: str, code: int) -> int:
    click.echo(f"hawkeye: {message}", err=True)
    return code


def _unforeseen(error: Exception) -> str:
    handle, name = tempfile.mkstemp(prefix="hawkeye-", suffix=".log")
    os.close(handle)
    Path(name).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"an error that should not happen: {type(error).__name__}: {error}. Please report it with the file {name}"
