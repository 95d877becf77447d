"""Where to go back to, and what its age costs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tools.records import MetricRole, Snapshot, Standing
from tools.stats.panel import Floats
from tools.stats.robust import UNKNOWN
from tools.stats.rollback import rollback_target, staleness, why_no_target
from tools.stats.rollout_timeline import Rollout
from tools.stats.rollouts import RolloutTest

START = datetime(2013, 4, 10, tzinfo=UTC)


def snapshots(*standings: Standing, artifact: str | None = "s.pt2", every_days: float = 1) -> list[Snapshot]:
    return [
        Snapshot(
            snapshot=f"m/{i}",
            model="m",
            published_at=START + i * timedelta(days=every_days),
            standing=standing,
            artifact=artifact,
        )
        for i, standing in enumerate(standings)
    ]


def rollout(name: str) -> Rollout:
    return Rollout(name, 0, None, 0)


def looked_at(history: Floats, names: list[str], leaving: str) -> RolloutTest:
    earlier = tuple(rollout(n) for n in names)
    return RolloutTest(rollout(leaving), MetricRole.log_loss, UNKNOWN, UNKNOWN, history, earlier, 0, 0.5)


STABLE, CANDIDATE, SUSPECT, BAD = Standing.stable, Standing.candidate, Standing.suspect, Standing.bad


@pytest.mark.parametrize(
    ("standings", "target"),
    [
        ((STABLE, STABLE, CANDIDATE), "m/1"),
        ((STABLE, SUSPECT, CANDIDATE), "m/0"),
        ((STABLE, CANDIDATE, CANDIDATE), "m/0"),
        ((CANDIDATE, BAD, CANDIDATE), "m/0"),
        ((SUSPECT, BAD, STABLE), None),
    ],
)
def test_the_newest_stable_snapshot_before_it(standings: tuple[Standing, ...], target: str | None) -> None:
    found = rollback_target(snapshots(*standings), "m/2", {"m/0", "m/1", "m/2"}, ())
    assert (found.snapshot if found else None) == target


def test_never_one_that_is_accused_or_can_not_be_served() -> None:
    two = snapshots(STABLE, STABLE, CANDIDATE)
    found = rollback_target(two, "m/2", {"m/0", "m/1"}, {"m/1"})
    assert found is not None
    assert found.snapshot == "m/0"
    bare = snapshots(STABLE, STABLE, CANDIDATE, artifact=None)
    assert rollback_target(bare, "m/2", (), ()) is None
    assert "neither served nor an artifact" in why_no_target(bare, "m/2")
    assert "is the oldest snapshot" in why_no_target(two, "m/0")
    assert "is not registered" in why_no_target(two, "m/9")


def test_a_snapshot_decays_by_the_day_and_not_by_the_number() -> None:
    """Snapshots two days apart, each better than the one before by 0.02: a day costs 0.01."""
    many = snapshots(*[STABLE] * 12, every_days=2)
    rng = np.random.default_rng(1)
    history = -0.02 + rng.normal(0, 0.002, 10)
    found = staleness(looked_at(history, [s.snapshot for s in many[1:11]], "m/11"), many, many[8])
    assert found is not None
    assert found.per_day == pytest.approx(0.01, abs=0.001)
    assert (found.days, found.rollouts, found.extrapolated) == (6, 10, True)
    assert found.cost.low < 0.06 < found.cost.high


def test_the_interval_of_the_decay_covers_the_truth() -> None:
    many = snapshots(*[STABLE] * 12)
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        history = -0.01 + rng.normal(0, 0.02, 10)
        found = staleness(looked_at(history, [s.snapshot for s in many[1:11]], "m/11"), many, many[10])
        assert found is not None
        covered += found.low <= 0.01 <= found.high
    assert 180 <= covered <= 199


def test_too_little_history_knows_no_decay() -> None:
    many = snapshots(*[STABLE] * 5)
    few = looked_at(np.array([0.1, 0.2, np.nan, 0.1]), ["m/1", "m/2", "m/3", "m/3"], "m/4")
    assert staleness(few, many, many[3]) is None
    unpublished = looked_at(np.zeros(5), ["x/1", "x/2", "x/3", "x/4", "x/5"], "m/4")
    assert staleness(unpublished, many, many[3]) is None
    assert staleness(replace(few, rollout=rollout("x/9")), many, many[3]) is None
