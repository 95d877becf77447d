"""`hawkeye pipeline`: the pipelines as their orchestrators have them."""

import click

from assistant.cli.lazy import LazyGroup

_COMMANDS = {"list": "assistant.cli.pipeline_list:list_pipelines"}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def pipeline() -> None:
    """Look at pipelines and the orchestrators that run them."""
