"""The `hawkeye` command. Each command stands in a file of its own and is imported when it is called."""

import importlib
import sys
from importlib.metadata import version

import click

from assistant.cli.failures import run

_COMMANDS = {
    "demo": "assistant.cli.demo:demo",
    "drill": "assistant.cli.drill:drill",
    "investigate": "assistant.cli.investigate:investigate",
    "playbook": "assistant.cli.playbook:playbook",
    "serve": "assistant.cli.serve:serve",
}


class _Lazy(click.Group):
    """Torch and the web framework take seconds to import: a command pays for what it needs only."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("hawkeye"), prog_name="hawkeye")
def hawkeye() -> None:
    """Walks an on-call from a dropped metric to its root cause, question by question, with evidence.

    Settings come from hawkeye.toml in the current folder and from HAWKEYE_* variables, for example HAWKEYE_DATA_DIR.
    """


def main() -> None:
    """The entry point of the distribution."""
    sys.exit(run(hawkeye))
