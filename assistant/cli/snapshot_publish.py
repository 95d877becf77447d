"""`hawkeye snapshot publish`: copies an artifact below the snapshot root, registers it, and follows its check."""

import time
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import click

from assistant.cli.failures import Failure
from assistant.cli.progress import reported
from assistant.cli.service import Refused, Remote, Service
from assistant.cli.session import Session
from assistant.reports import timeline
from assistant.settings import load
from assistant.wire import CheckState, Snapshot, SnapshotView
from knowledge import publishing
from knowledge.workspace import SNAPSHOTS
from tools.ports import UnreadableArtifact

_POLL_S = 0.2


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="the model that it is a snapshot of")
@click.option("--snapshot", metavar="ID", help="its id; MODEL/FILE without the ending, if not given")
@click.option("--published-at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="when it was published; now, if not")
@click.option("--training-run", metavar="RUN", help="the training run that made it")
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.option("--url", help="the service that works on the data folder, where one does")
@click.option("--json", "as_json", is_flag=True, help="print one JSON document at the end")
def publish(
    file: Path,
    model: str,
    snapshot: str | None,
    published_at: datetime | None,
    training_run: str | None,
    data: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Register the snapshot in FILE (.pt2, .safetensors, .pt), and wait until it is checked.

    A copy without example inputs and local paths is written into the data folder. The file itself stays as it is.
    """
    settings = load(data_dir=data)
    name = snapshot or f"{model}/{file.stem}"
    try:
        copied = publishing.publish(file, settings.data_dir / SNAPSHOTS, model, name)
    except (UnreadableArtifact, publishing.NotPublished) as refused:
        raise Failure(str(refused)) from None
    with Remote(url) if url else Session(settings) as service:
        known = _known(service, name)
        record = {
            "snapshot": name,
            "model": model,
            "published_at": (published_at or (known.published_at if known else datetime.now(UTC))).isoformat(),
            "artifact": copied.artifact,
            "training_run": training_run or (known.training_run if known else None),
            "standing": known.standing if known else "candidate",
        }
        service.post(SnapshotView, "/snapshots", record)
        view = _checked(service, name)
    if as_json:
        click.echo(view.model_dump_json(indent=2))
        return
    click.echo(f"{name} {'was published before' if known else 'is published'} as {copied.artifact}")
    if copied.left_out:
        click.echo(f"left out of the copy: {', '.join(copied.left_out)}")
    for line in timeline.check_lines(view.line):
        click.echo(line)


def _known(service: Service, name: str) -> Snapshot | None:
    try:
        return service.get(SnapshotView, _path(name)).record
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def _checked(service: Service, name: str) -> SnapshotView:
    """The snapshot when its check is done, or has stopped on an error."""
    with reported(f"checking {name}") as report:
        while True:
            view = service.get(SnapshotView, _path(name))
            line = view.line
            if line.check is CheckState.done or line.stopped is not None:
                return view
            report(line.running or line.check, line.answered / max(line.asked, 1))
            time.sleep(_POLL_S)


def _path(name: str) -> str:
    return f"/snapshots/{quote(name, safe='')}"
