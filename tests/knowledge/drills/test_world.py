import hashlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from knowledge.drills import flights
from knowledge.drills import world as worlds
from knowledge.drills.calendar import day_of, iso
from knowledge.drills.faults import UnknownFault
from knowledge.drills.points import METRICS, PRODUCT
from knowledge.drills.world import World, build
from knowledge.ingest import alertmanager
from knowledge.workspace import Workspace
from tests.knowledge.drills.conftest import TINY
from tools.records import Standing, Window


def silent(_text: str, _share: float) -> None:
    pass


def content(world: World) -> dict[str, str]:
    """Everything in a world's folder: the rows of its database, and the bytes of its other files."""
    found = {}
    for path in sorted(world.folder.rglob("*")):
        if path.is_file() and not path.name.startswith(("hawkeye.db", "lock")):
            found[str(path.relative_to(world.folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    with sqlite3.connect(world.folder / "hawkeye.db") as db:
        dump = "\n".join(line for line in db.iterdump() if "_migrations" not in line)
    db.close()
    return {**found, "hawkeye.db": hashlib.sha256(dump.encode()).hexdigest()}


def test_the_same_seed_builds_the_same_bits(world: World, tmp_path: Path) -> None:
    again = build("label_corruption", 4, tmp_path, silent, TINY)
    assert again.alert == world.alert
    assert again.truth == world.truth
    assert content(again) == content(world)


def test_a_built_world_is_found_again(world: World) -> None:
    stamp = (world.folder / "truth.json").stat().st_mtime_ns
    again = build("label_corruption", 4, world.folder.parent, silent, TINY)
    assert again == world
    assert (again.folder / "truth.json").stat().st_mtime_ns == stamp


def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "find_spec", lambda _name: None)
    flights.load.cache_clear()
    monkeypatch.setattr(worlds, "load", flights.load)
    with pytest.raises(flights.DrillDataMissing, match="pip install 'hawkeye\\[drills\\]'"):
        build("nothing", 0, tmp_path, silent, TINY)
    assert list(tmp_path.iterdir()) == []
    flights.load.cache_clear()


def test_bad_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownFault):
        build("flood", 0, tmp_path, silent, TINY)
    with pytest.raises(ValueError, match="seed must be 0 or more"):
        build("nothing", -1, tmp_path, silent, TINY)


def test_what_was_sent_can_be_read_back(world: World, tmp_path: Path) -> None:
    copy = world.copy_to(tmp_path / "copy")
    workspace = Workspace.open(copy.folder)
    try:
        ports, now = workspace.ports, world.now
        everything = Window(start=now - timedelta(days=30), end=now + timedelta(days=2))
        for metric, *_ in METRICS:
            cube = ports.metrics.cube(PRODUCT, metric, everything)
            assert len(cube) > 100
            assert cube.ts.max() < now.timestamp()
            assert {"model", "snapshot", "arm", "origin", "carrier", "infra.region", "infra.build"} == set(cube.dims)
        for model in ("badge_dcn", "badge_mlp"):
            snapshots = ports.models.snapshots(model)
            assert [s.standing for s in snapshots] == [Standing.stable] * 3 + [Standing.candidate]
            assert ports.weights.weights(snapshots[-1].snapshot)
            run = ports.training.run(snapshots[-1].training_run or "")
            assert run is not None
            assert {c.name for c in run.curves} >= {"loss", "grad_norm", "learning_rate", "eval.auc_before"}
            assert sum(p.rows for p in ports.profiles.profiles(model, everything)) > 100
            record = ports.models.model(model)
            assert record is not None
            assert not ports.pipelines.state(record.pipeline or "").paused
        assert any(e.upstream == "flights:clean_weather" and e.upstream_column == "temp" for e in ports.lineage.edges())
        assert len(ports.lineage.statistics("flights:weather_joined", everything)) >= 8
    finally:
        workspace.close()


def test_the_inverted_partition_is_what_the_training_run_says_it_read(world: World, tmp_path: Path) -> None:
    target = world.truth.targets[0]
    dataset, partition = target.rsplit("/", 1)
    model = dataset.removeprefix("flights:training_")
    workspace = Workspace.open(world.copy_to(tmp_path / "copy").folder)
    try:
        run = workspace.ports.training.run(f"train_{model}/{world.day}")
        assert run is not None
        newest = run.partitions[0]
        assert (newest.dataset, newest.partition) == (dataset, partition)
        other = workspace.ports.training.run(
            f"train_{'badge_mlp' if model == 'badge_dcn' else 'badge_dcn'}/{world.day}"
        )
        assert other is not None
        assert newest.label_counts["late"] == other.partitions[0].label_counts["on_time"]
    finally:
        workspace.close()


def test_the_alert_is_a_webhook_that_is_understood(world: World) -> None:
    alert = alertmanager.translate(world.alert, world.now, timedelta(days=14))[0]
    assert (alert.product, alert.metric) == (PRODUCT, "on_time_badge_share")
    assert alert.window.end == world.now
    assert f"{alert.started_at:%Y-%m-%d}" in (world.day, iso(day_of(*map(int, world.day.split("-"))) + 1))
