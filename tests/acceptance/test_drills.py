"""Every fault of the drills on three seeds: the right cause and target, and nobody accused without a fault."""

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.cli.answers import Recommended
from assistant.cli.investigate import open_alerts
from assistant.cli.score import is_correct
from assistant.cli.session import Session
from assistant.cli.walk import walk
from assistant.settings import Settings
from assistant.wire import Event, InvestigationView
from knowledge.drills.faults import FAULTS
from knowledge.drills.world import World, build

SEEDS = (1, 2, 3)
DIFFERS_BY_RUN = {"investigation", "at", "expires_at"}


def _walked(world: World, folder: Path) -> tuple[InvestigationView, list[Event]]:
    events: list[Event] = []
    copied = world.copy_to(folder)
    with Session(Settings(data_dir=copied.folder)) as session:
        (investigation,) = open_alerts(session, copied.alert)
        return walk(session, investigation, Recommended(), events.append), events


def _without_ids_and_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids_and_times(v) for key, v in value.items() if key not in DIFFERS_BY_RUN}
    return [_without_ids_and_times(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", list(FAULTS))
def test_the_verdict_is_the_truth_and_the_log_the_same_each_time(
    fault: str, seed: int, worlds: Path, tmp_path: Path
) -> None:
    world = build(fault, seed, worlds, lambda _doing, _share: None)
    view, events = _walked(world, tmp_path / "first")
    verdict = view.summary.verdict
    assert verdict is not None
    assert is_correct(world.truth, verdict), (world.truth, verdict)

    _, again = _walked(world, tmp_path / "second")
    logs = [
        json.dumps([_without_ids_and_times(e.model_dump(mode="json")) for e in log], sort_keys=True)
        for log in (events, again)
    ]
    assert logs[0] == logs[1]
