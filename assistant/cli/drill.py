"""`hawkeye drill`: the planted faults, and whether the assistant finds them."""

import json

import click

from assistant.cli.lazy import LazyGroup
from knowledge.drills.faults import FAULTS


@click.group(cls=LazyGroup, lazy={"run": "assistant.cli.drill_run:run_fault"})
def drill() -> None:
    """Practise on real flights with planted faults."""


@drill.command("list")
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def list_faults(as_json: bool) -> None:
    """List the faults that can be planted."""
    faults = [{"name": fault.name, "description": fault.description} for fault in FAULTS.values()]
    if as_json:
        click.echo(json.dumps(faults, indent=2))
        return
    for fault in faults:
        click.echo(f"{fault['name']:18} {fault['description']}")
