"""`hawkeye snapshot inspect`: what is inside a snapshot's file, without running anything of it."""

from pathlib import Path

import click

from assistant.cli.failures import FAILURE
from assistant.reports import inspection
from knowledge.inspection import inspect as inspected
from tools.ports import UnreadableArtifact


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--depth", type=click.IntRange(0), default=3, help="modules down to this depth; 3 if not given")
@click.option("--json", "as_json", is_flag=True, help="as JSON, with every tensor and module")
@click.pass_context
def inspect(ctx: click.Context, file: Path, depth: int, as_json: bool) -> None:
    """Show what is inside FILE: inputs, tensors, modules, operators, and every reason to refuse it.

    Nothing of the file is run. Exits with 1 where it is refused.
    """
    try:
        found = inspected(file)
    except UnreadableArtifact as error:
        raise click.BadParameter(str(error), param_hint="FILE") from None
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        for line in inspection.lines(found, depth):
            click.echo(line)
    ctx.exit(FAILURE if found.refused else 0)
