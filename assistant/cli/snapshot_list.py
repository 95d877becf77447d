"""`hawkeye snapshot list`: the rollout timeline of a model, with what became of each snapshot's check."""

from pathlib import Path
from urllib.parse import quote

import click

from assistant.cli.service import Remote
from assistant.cli.session import Session
from assistant.reports import timeline
from assistant.settings import load
from assistant.wire import SnapshotPage


@click.command("list")
@click.option("--model", required=True, help="the model whose snapshots are listed")
@click.option("--limit", type=click.IntRange(1, 200), default=20, help="how many of the newest; 20 if not given")
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.option("--url", help="the service that works on the data folder, where one does")
@click.option("--json", "as_json", is_flag=True, help="as JSON, with all shares over time")
def list_snapshots(model: str, limit: int, data: Path | None, url: str | None, as_json: bool) -> None:
    """List the snapshots of a model, the newest first: when published, standing, traffic, and check."""
    with Remote(url) if url else Session(load(data_dir=data)) as service:
        # Quoted twice: a slash in the name of a model would end the part of the path that it stands in.
        path = f"/models/{quote(quote(model, safe=''), safe='')}/snapshots"
        page = service.get(SnapshotPage, path, limit=limit)
    if as_json:
        click.echo(page.model_dump_json(indent=2))
        return
    for line in timeline.lines(page):
        click.echo(line)
