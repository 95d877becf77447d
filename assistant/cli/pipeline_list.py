"""`hawkeye pipeline list`: every pipeline with its state, read now; so it shows whether a connection works."""

from pathlib import Path

import click

from assistant.cli.service import Remote
from assistant.cli.session import Session
from assistant.reports import deeds
from assistant.settings import load
from assistant.wire import PipelinePage


@click.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 200), default=50, help="how many, in the order of names; 50 if not given"
)
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.option("--url", help="the service that works on the data folder, where one does")
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def list_pipelines(limit: int, data: Path | None, url: str | None, as_json: bool) -> None:
    """List the pipelines, each with its state as its orchestrator says it now."""
    with Remote(url) if url else Session(load(data_dir=data)) as service:
        page = service.get(PipelinePage, "/pipelines", limit=limit)
    if as_json:
        click.echo(page.model_dump_json(indent=2))
        return
    for line in deeds.pipeline_lines(page):
        click.echo(line)
