"""`hawkeye audit`: who decided what about actions, why, and what came of it."""

from pathlib import Path

import click

from assistant.cli.service import Remote
from assistant.cli.session import Session
from assistant.reports import deeds
from assistant.settings import load
from assistant.wire import AuditPage


@click.command()
@click.option("--limit", type=click.IntRange(1, 200), default=20, help="how many of the newest; 20 if not given")
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.option("--url", help="the service that works on the data folder, where one does")
@click.option("--json", "as_json", is_flag=True, help="as JSON")
def audit(limit: int, data: Path | None, url: str | None, as_json: bool) -> None:
    """List what was decided about actions, by whom and why, and what came of it; the newest first."""
    with Remote(url) if url else Session(load(data_dir=data)) as service:
        page = service.get(AuditPage, "/audit", limit=limit)
    if as_json:
        click.echo(page.model_dump_json(indent=2))
        return
    for line in deeds.audit_lines(page):
        click.echo(line)
