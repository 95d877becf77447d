"""`hawkeye training import`: a training run from MLflow, from TensorBoard's event files, or from a record in a file."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from assistant.cli.failures import Failure
from assistant.cli.service import Remote
from assistant.cli.session import Session
from assistant.settings import load
from assistant.wire import MlflowRun, RunStored, TrainingRun
from knowledge.tensorboard import UnreadableEvents, event_curves


@click.command("import")
@click.option("--mlflow", metavar="RUN", help="the id of a run on the MLflow server of the settings")
@click.option("--events", type=click.Path(path_type=Path), help="a folder of TensorBoard event files")
@click.option("--file", "record", type=click.Path(path_type=Path), help="a training run's record, as JSON")
@click.option("--model", help="the model that it trained; needed but with --file")
@click.option("--snapshot", metavar="ID", help="the snapshot that it made")
@click.option("--run", metavar="ID", help="with --events: the id of the run; the folder's name if not given")
@click.option(
    "--started-at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="with --events, where the record is new"
)
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.option("--url", help="the service that works on the data folder, where one does")
def import_run(
    mlflow: str | None,
    events: Path | None,
    record: Path | None,
    model: str | None,
    snapshot: str | None,
    run: str | None,
    started_at: datetime | None,
    data: Path | None,
    url: str | None,
) -> None:
    """Take a training run over, with its curves, so that the check of its snapshot can judge it.

    With --events and --file together the curves are put into the record.
    """
    if (mlflow is None) == (events is None and record is None):
        raise click.UsageError("give --mlflow, or --events, --file, or both of these")
    if record is None and model is None:
        raise click.UsageError("give --model, the model that the run trained")
    body = None if mlflow else _record(events, record, model, snapshot, run, started_at)
    with Remote(url) if url else Session(load(data_dir=data)) as service:
        if body is None:
            asked = MlflowRun(run=str(mlflow), model=str(model), snapshot=snapshot)
            stored = service.post(RunStored, "/training-runs/mlflow", asked)
        else:
            stored = service.post(RunStored, "/training-runs", body)
    click.echo(
        f"{stored.run} of {stored.model} is kept, with {stored.curves} curves and {stored.partitions} partitions"
    )


def _record(
    events: Path | None,
    record: Path | None,
    model: str | None,
    snapshot: str | None,
    run: str | None,
    started_at: datetime | None,
) -> TrainingRun:
    told: dict[str, Any] = _json(record) if record else {}
    given = {"model": model, "snapshot": snapshot, "run": run, "started_at": started_at}
    told |= {name: value for name, value in given.items() if value is not None}
    if events is not None:
        try:
            told["curves"] = [curve.model_dump() for curve in event_curves(events)]
        except UnreadableEvents as error:
            raise Failure(str(error)) from None
        told.setdefault("run", events.resolve().name)
        if "started_at" not in told:
            raise click.UsageError("give --started-at, for event files do not say when a training began")
    try:
        return TrainingRun.model_validate(told)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise Failure(f"this is no training run: {wrong}") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Failure(f"{path} is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise Failure(f"{path} holds no record of a training run; it must be an object")
    return told
