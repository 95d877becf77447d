"""`hawkeye demo`: a real alert on real data, walked to its root cause."""

import sys

import click

from assistant.cli.answers import Recommended
from assistant.cli.investigate import open_alerts, questions
from assistant.cli.session import Session
from assistant.cli.staged import Staged, staged_to_stay
from assistant.cli.terminal import is_terminal, walk_in_terminal
from assistant.cli.walk import walk
from assistant.reports.transcript import Transcript, console, verdict_line
from assistant.settings import load
from knowledge.drills.faults import FAULTS


@click.command()
@click.option(
    "--fault", type=click.Choice(list(FAULTS)), default="weather_join", show_default=True, help="what is planted"
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="which incident of its kind")
@click.option("--plain", is_flag=True, help="print the conversation, also when there is a terminal")
def demo(fault: str, seed: int, plain: bool) -> None:
    """Plant a fault in a small real platform, and walk its alert to the root cause."""
    stage = staged_to_stay(fault, seed, load())
    if plain or not is_terminal():
        _print_walk(stage)
    else:
        verdict = walk_in_terminal(stage.settings, stage.world.alert)
        click.echo(_where(stage))
        click.echo("left before the verdict" if verdict is None else verdict_line(verdict))


def _print_walk(stage: Staged) -> None:
    transcript = Transcript(console(), questions())
    with Session(stage.settings) as session:
        (investigation,) = open_alerts(session, stage.world.alert)
        walk(session, investigation, Recommended(), transcript.show)
    click.echo(f"\n{_where(stage)}")
    transcript.end()


def _where(stage: Staged) -> str:
    folder = stage.settings.data_dir
    return f"this walk stays in {folder}; to serve it: HAWKEYE_DATA_DIR={folder} {sys.argv[0]} serve"
