"""`hawkeye playbook check`: every fault of every playbook at once."""

from dataclasses import replace
from pathlib import Path

import click

from assistant.cli.failures import FAILURE
from assistant.planner.check import check as faults_of
from assistant.settings import load
from knowledge.catalogue import load_catalogue, read_playbook
from tools.registry import all_tools


@click.group()
def playbook() -> None:
    """Work on playbooks."""


@playbook.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """Check playbook FILES, or all that are installed and configured, and list every fault; exits with 1 if any."""
    catalogue = load_catalogue(load().playbook_folders)
    asked = {source.id: source for source in map(read_playbook, files)}
    whole = replace(catalogue, playbooks=dict(sorted({**catalogue.playbooks, **asked}.items())))
    faults = [fault for fault in faults_of(whole, all_tools()) if not asked or fault.playbook in asked]
    for fault in faults:
        click.echo(str(fault), err=True)
    checked = len(asked) or len(whole.playbooks)
    click.echo(f"{checked} playbook{'' if checked == 1 else 's'} checked, {len(faults) or 'no'} faults")
    ctx.exit(FAILURE if faults else 0)
