"""`hawkeye investigate`: walks an alert to its verdict on the terminal."""

import json
from functools import partial
from pathlib import Path

import click

from assistant.cli.answers import Answers, Recommended, Terminal
from assistant.cli.failures import INTERRUPTED, Failure
from assistant.cli.session import Session
from assistant.cli.walk import walk
from assistant.reports import json_report
from assistant.reports.transcript import Transcript, console
from assistant.settings import Settings, load
from assistant.wire import Alert, Event, InvestigationView, OpenedPage
from tools.registry import all_tools


@click.command()
@click.option(
    "--alert", type=click.Path(path_type=Path), help="an Alertmanager webhook payload, or an alert of our own"
)
@click.option("--resume", metavar="ID", help="go on with an investigation that was stopped")
@click.option("--auto", is_flag=True, help="take the recommended answers; no action is ever approved")
@click.option("--json", "as_json", is_flag=True, help="print one JSON document at the end instead of the conversation")
@click.option("--data", type=click.Path(path_type=Path), help="the data folder, instead of the configured one")
@click.pass_context
def investigate(
    ctx: click.Context, alert: Path | None, resume: str | None, auto: bool, as_json: bool, data: Path | None
) -> None:
    """Walk an alert to its root cause, asking on the terminal what only a person can know."""
    if (alert is None) == (resume is None):
        raise click.UsageError("say what to investigate: either --alert FILE or --resume ID")
    payload = read_alert(alert) if alert is not None else None
    settings = load(data_dir=data)
    with Session(settings) as session:
        ids = [resume] if resume is not None else open_alerts(session, payload)
        answers: Answers = Recommended() if auto else Terminal()
        for investigation in ids:
            try:
                _one(session, investigation, answers, as_json=as_json)
            except (click.Abort, KeyboardInterrupt):
                _how_to_go_on(investigation, settings)
                ctx.exit(INTERRUPTED)


def read_alert(path: Path) -> object:
    """The JSON of an alert file. Raises `Failure`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"cannot read the alert {path}: {error.strerror}") from None
    except ValueError as error:
        raise Failure(f"the alert {path} is not JSON: {error}") from None


def open_alerts(session: Session, payload: object) -> list[str]:
    """The investigations of an alert file: of a webhook payload, or of one alert as our own record."""
    if isinstance(payload, dict) and "alerts" not in payload and set(payload) & set(Alert.model_fields):
        # The API says what is wrong with it, in the same words as to any other client.
        return [session.post(InvestigationView, "/investigations", {"alert": payload}).summary.id]
    if not isinstance(payload, dict):
        raise Failure("the alert is not a JSON object; give the body of an Alertmanager webhook")
    opened = session.post(OpenedPage, "/alerts/alertmanager", payload).investigations
    if not opened:
        raise Failure("no alert of the payload is firing, so there is nothing to investigate")
    return list(opened)


def _one(session: Session, investigation: str, answers: Answers, *, as_json: bool) -> None:
    events: list[Event] = []
    if as_json:
        view = walk(session, investigation, answers, events.append)
        click.echo(json_report.render(view, events))
        return
    transcript = Transcript(console(), questions())
    walk(session, investigation, answers, transcript.show)
    transcript.end()


def questions() -> dict[str, str]:
    """Tool → the question that it answers."""
    return {name: tool.question for name, tool in all_tools().items()}


def _how_to_go_on(investigation: str, settings: Settings) -> None:
    go_on = f"hawkeye investigate --resume {investigation} --data {settings.data_dir}"
    say = partial(click.echo, err=True)
    say(f"\nhawkeye: stopped; nothing is lost. Go on with: {go_on}")
