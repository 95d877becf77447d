"""`hawkeye training`: take over training runs from where they are logged, and profile the partitions that they read."""

import click

from assistant.cli.lazy import LazyGroup

_COMMANDS = {
    "import": "assistant.cli.training_import:import_run",
    "profile": "assistant.cli.training_profile:profile",
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def training() -> None:
    """Work with training runs and the partitions that they read."""
