"""The `hawkeye` command. Each command stands in a file of its own and is imported when it is called."""

import sys
from importlib.metadata import version

import click

from assistant.cli.failures import run
from assistant.cli.lazy import LazyGroup

_COMMANDS = {
    "audit": "assistant.cli.audit:audit",
    "demo": "assistant.cli.demo:demo",
    "drill": "assistant.cli.drill:drill",
    "investigate": "assistant.cli.investigate:investigate",
    "pipeline": "assistant.cli.pipeline:pipeline",
    "playbook": "assistant.cli.playbook:playbook",
    "serve": "assistant.cli.serve:serve",
    "snapshot": "assistant.cli.snapshot:snapshot",
    "training": "assistant.cli.training:training",
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("hawkeye"), prog_name="hawkeye")
def hawkeye() -> None:
    """Walks an on-call from a dropped metric to its root cause, question by question, with evidence.

    Settings come from hawkeye.toml in the current folder and from HAWKEYE_* variables, for example HAWKEYE_DATA_DIR.
    """


def main() -> None:
    """The entry point of the distribution."""
    sys.exit(run(hawkeye))
