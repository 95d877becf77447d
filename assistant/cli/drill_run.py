"""`hawkeye drill run`: plants a fault, investigates its alert, and compares the verdict with the truth."""

import json
import time
from typing import Any

import click

from assistant.cli.answers import Recommended
from assistant.cli.investigate import open_alerts, questions
from assistant.cli.score import is_correct
from assistant.cli.session import Session
from assistant.cli.staged import Staged, staged
from assistant.cli.walk import walk
from assistant.reports.transcript import Transcript, console
from assistant.settings import load
from assistant.wire import Event, InvestigationView
from knowledge.drills.faults import FAULTS


@click.command("run")
@click.argument("fault", type=click.Choice(list(FAULTS)))
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="which incident of its kind")
@click.option("--json", "as_json", is_flag=True, help="print one JSON document instead of the conversation")
def run_fault(fault: str, seed: int, as_json: bool) -> None:
    """Plant FAULT, investigate its alert with the recommended answers, and compare the verdict with the truth."""
    transcript = Transcript(console(), questions())
    with staged(fault, seed, load()) as stage:
        view, walk_s = _walked(stage, transcript, quiet=as_json)
    report = _report(stage, view, walk_s)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False))
        return
    truth = report["truth"]
    click.echo(f"\nthe truth: {truth['cause']}. {truth['explanation']}")
    click.echo(f"the verdict is {'right' if report['correct'] else 'wrong'}, after {walk_s:.1f} s")
    transcript.end()


def _walked(stage: Staged, transcript: Transcript, *, quiet: bool) -> tuple[InvestigationView, float]:
    def show(event: Event) -> None:
        if not quiet:
            transcript.show(event)

    begun = time.perf_counter()
    with Session(stage.settings) as session:
        (investigation,) = open_alerts(session, stage.world.alert)
        view = walk(session, investigation, Recommended(), show)
    return view, time.perf_counter() - begun


def _report(stage: Staged, view: InvestigationView, walk_s: float) -> dict[str, Any]:
    world, verdict = stage.world, view.summary.verdict
    return {
        "fault": world.fault,
        "seed": world.seed,
        "truth": {
            "cause": world.truth.cause,
            "targets": list(world.truth.targets),
            "explanation": world.truth.explanation,
        },
        "verdict": None if verdict is None else verdict.model_dump(mode="json"),
        "correct": verdict is not None and is_correct(world.truth, verdict),
        "steps": [step.model_dump(mode="json", include={"step", "kind", "title", "outcome"}) for step in view.trail],
        "seconds": round(walk_s, 3),
        "build_seconds": round(stage.build_s, 3),
    }
