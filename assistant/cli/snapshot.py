"""`hawkeye snapshot`: look into a model's published artifacts, publish one, and follow what became of it."""

import click

from assistant.cli.lazy import LazyGroup

_COMMANDS = {
    "inspect": "assistant.cli.snapshot_inspect:inspect",
    "list": "assistant.cli.snapshot_list:list_snapshots",
    "publish": "assistant.cli.snapshot_publish:publish",
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def snapshot() -> None:
    """Work with the snapshots of models."""
