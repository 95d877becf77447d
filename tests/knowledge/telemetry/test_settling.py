"""When the bin edges of a model are settled, from what, and that nothing folded before is lost."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from knowledge.profiles import ProfileStore
from knowledge.samples import RecentSamples
from knowledge.telemetry import collector
from knowledge.telemetry.collector import Collector
from knowledge.workspace import Workspace
from tests.knowledge.telemetry.test_collector import ALL, START, samples
from tools.stats.profile import Profile, baseline_edges
from tools.stats.profile import fold as fold_profiles

MODEL = "badge_dcn"


class World:
    """A collector over one folder; the first snapshot of `samples` is stable once `stable` holds it."""

    def __init__(self, folder: Path) -> None:
        self.stable: set[str] = set()
        self.profiles, self.rows = ProfileStore(folder / "profiles"), RecentSamples(folder / "samples")
        self.collector = Collector(self.profiles, self.rows, lambda _: {"carrier"}, lambda _: self.stable)

    def whole(self) -> Profile:
        return fold_profiles(self.profiles.profiles(MODEL, ALL))

    def wind(self) -> np.ndarray:
        return self.profiles.baseline(MODEL)["wind"].edges


def test_a_snapshot_that_is_declared_stable_fixes_the_edges_from_its_own_samples(tmp_path: Path) -> None:
    world, table = World(tmp_path), samples(4000)
    world.collector.fold(table.slice(0, 7))  # so few that their quantiles say nothing
    world.collector.fold(table.slice(7))
    assert not world.profiles.baseline(MODEL)["wind"].settled
    before = world.whole()
    world.stable = {f"{MODEL}/2013-05-01"}
    world.collector.settle(MODEL)
    own = table.filter(pa.compute.equal(table["snapshot"], f"{MODEL}/2013-05-01"))["f.wind"].to_numpy()
    np.testing.assert_array_equal(world.wind(), baseline_edges(own.astype(float)[:, None])[0])
    after, twin = world.whole(), World(tmp_path / "twin")
    assert (after.rows, after.histogram.sum()) == (before.rows, before.histogram.sum())
    twin.collector.fix_baseline(MODEL, table.filter(pa.compute.equal(table["snapshot"], f"{MODEL}/2013-05-01")))
    twin.collector.fold(table)
    np.testing.assert_array_equal(after.histogram, twin.whole().histogram)
    assert after.histogram[1].max() < 60  # of 4,000 samples: quantiles, and not equal widths
    assert after.categories["carrier"].distinct == 5
    world.collector.fold(table)  # sent again: what was folded again is still known
    assert world.whole().rows == 4000


def test_one_huge_value_in_the_reference_does_not_hide_a_shift(tmp_path: Path) -> None:
    world, table = World(tmp_path), samples(3000)
    wind = table["f.wind"].to_numpy().copy()
    wind[5] = 1e6
    world.stable = {f"{MODEL}/2013-05-01", f"{MODEL}/2013-05-02"}
    world.collector.fold(table.set_column(table.column_names.index("f.wind"), "f.wind", pa.array(wind)))
    histogram = world.whole().histogram[1]
    assert (histogram > 0).sum() > 200


def test_without_a_stable_snapshot_the_first_many_samples_settle_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "LATEST", 2000)
    world = World(tmp_path)
    for seed in range(4):
        world.collector.fold(samples(600, seed))
    assert world.profiles.baseline(MODEL)["wind"].settled
    assert world.whole().rows == 2400


def test_what_can_no_longer_be_folded_again_stays_on_its_edges(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.rows = RecentSamples(tmp_path / "samples", kept=1500)
    world.collector = Collector(world.profiles, world.rows, stable=lambda _: world.stable)
    world.collector.fold(samples(4000))
    edges, rows = world.wind(), world.whole().rows
    world.stable = {f"{MODEL}/2013-05-01", f"{MODEL}/2013-05-02"}
    world.collector.settle(MODEL)
    assert world.profiles.baseline(MODEL)["wind"].settled
    np.testing.assert_array_equal(world.wind(), edges)
    assert world.whole().rows == rows


def test_a_feature_that_comes_later_settles_by_itself(tmp_path: Path) -> None:
    world, table = World(tmp_path), samples(3000)
    world.stable = {f"{MODEL}/2013-05-01", f"{MODEL}/2013-05-02"}
    world.collector.fold(table)
    assert world.profiles.baseline(MODEL)["wind"].settled
    wind = world.wind()
    for seed in range(1, 4):
        later = samples(600, seed, gust=np.random.default_rng(seed).gamma(2, 3, 600))
        moved = pa.array(later["ts"].cast(pa.int64()).to_numpy() + 60 * 3_600_000_000, pa.timestamp("us", tz="UTC"))
        world.collector.fold(later.set_column(0, "ts", moved))
    assert world.profiles.baseline(MODEL)["gust"].settled
    np.testing.assert_array_equal(world.wind(), wind)
    gust = [p for p in world.profiles.profiles(MODEL, ALL) if "gust" in p.features]
    assert sum(p.rows for p in gust) == 1800
    assert (fold_profiles(gust).histogram[1] > 0).sum() > 200


@pytest.mark.parametrize("crash_at", [1, 2])
def test_a_crash_while_the_folders_change_places_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    world, calls = World(tmp_path), 0
    world.collector.fold(samples(4000))
    world.stable = {f"{MODEL}/2013-05-01"}

    def crash(source: Path, path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == crash_at:
            raise KeyboardInterrupt
        source.replace(path)

    with monkeypatch.context() as patch:
        patch.setattr("knowledge.profiles.move", crash)
        with pytest.raises(KeyboardInterrupt):
            world.collector.settle(MODEL)
    again = World(tmp_path)
    again.stable = world.stable
    again.collector.settle(MODEL)
    assert again.profiles.baseline(MODEL)["wind"].settled
    assert again.whole().rows == 4000
    assert sorted(p.name for p in (tmp_path / "profiles").iterdir() if any(p.iterdir())) == [f"model={MODEL}"]


def test_declaring_a_snapshot_stable_at_the_receiver_settles_its_model(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path)
    try:
        told = {"snapshot": f"{MODEL}/2013-05-01", "model": MODEL, "published_at": START.isoformat()}
        workspace.receiver.receive_snapshot(told)
        workspace.receiver.receive_samples(samples(4000))
        before = workspace.ports.profiles.profiles(MODEL, ALL)[0].edges
        workspace.receiver.receive_snapshot(told | {"standing": "stable"})
        after = workspace.ports.profiles.profiles(MODEL, ALL)
        assert not np.array_equal(after[0].edges, before)
        assert sum(p.rows for p in after) == 4000
        assert after[-1].window.end <= START + timedelta(hours=51)
    finally:
        workspace.close()
