"""When each snapshot served, from records and points that may not agree."""

from datetime import UTC, datetime, timedelta

import numpy as np

from tools.records import Cube, RolloutPoint
from tools.stats.blocks import HOUR_S
from tools.stats.rollout_timeline import hour_of, rollouts_of, sound, timeline, uneven_arms

START = datetime(2013, 4, 10, tzinfo=UTC)
FIRST = hour_of(START)


def point(snapshot: str, hour: int, share: float, arm: str = "all") -> RolloutPoint:
    return RolloutPoint(model="m", snapshot=snapshot, arm=arm, ts=START + timedelta(hours=hour), share=share)


def cube(served: dict[str, list[float]]) -> Cube:
    """Impressions of each snapshot by hour."""
    names, hours = list(served), len(next(iter(served.values())))
    ts = np.tile(FIRST * HOUR_S + HOUR_S * np.arange(hours), len(names))
    den = np.concatenate([np.array(served[n]) for n in names])
    return Cube(ts, {"model": np.full(len(ts), "m"), "snapshot": np.repeat(names, hours)}, den / 2, den)


def test_a_rollout_is_read_from_its_records() -> None:
    points = [
        point("new", 5, 0.1),
        point("new", 8, 1.0),
        point("old", 0, 1.0),
        point("old", 5, 0.9),
        point("old", 8, 0),
    ]
    old, new = rollouts_of(points)
    assert (new.start, new.full, new.rose, new.gone) == (FIRST + 5, FIRST + 8, FIRST + 8, None)
    assert (old.start, old.rose, old.gone) == (FIRST, FIRST, FIRST + 8)


def test_a_rollout_that_never_reached_one_arm_is_not_full() -> None:
    (one,) = rollouts_of([point("s", 0, 1.0, "a"), point("s", 0, 0.5, "b")])
    assert one.full is None


def test_points_tell_what_records_do_not() -> None:
    known = timeline([], cube({"old": [9, 9, 5, 0, 0, 0, 0], "new": [0, 0, 5, 9, 9, 9, 9]}), "m")
    assert known.unrecorded == ("new",)  # "old" was there from the beginning: when it started is not known
    (new,) = known.rollouts
    assert (new.start, new.full, new.gone) == (FIRST + 2, FIRST + 3, None)
    assert known.served.share("new", FIRST + 2, FIRST + 4) == 14 / 19


def test_a_snapshot_that_serves_before_its_record_started_earlier() -> None:
    known = timeline([point("new", 4, 1.0)], cube({"old": [9, 9, 0, 0, 0, 0], "new": [0, 0, 9, 9, 9, 9]}), "m")
    (new,) = known.rollouts
    assert (new.start, dict(known.early)) == (FIRST + 2, {"new": 2})


def test_a_rollback_is_told_from_a_successor() -> None:
    taken_back = timeline([], cube({"old": [9, 9, 0, 9, 9, 9, 9], "new": [0, 0, 9, 0, 0, 0, 0]}), "m")
    followed = timeline(
        [], cube({"old": [9, 9, 0, 0, 0, 0, 0], "new": [0, 0, 9, 0, 0, 0, 0], "newer": [0, 0, 0, 9, 9, 9, 9]}), "m"
    )
    assert [(r.snapshot, r.reverted, r.gone) for r in taken_back.rollouts] == [("new", True, FIRST + 3)]
    assert [(r.snapshot, r.reverted) for r in followed.rollouts] == [("new", False), ("newer", False)]


def test_only_rollouts_that_move_in_the_hours_are_around() -> None:
    points = [point("slow", 0, 0.01), point("slow", 30, 0.5), point("done", 0, 1.0), point("later", 60, 1.0)]
    known = timeline(points, cube({"slow": [1.0], "done": [1.0]}), "m")
    assert [r.snapshot for r in known.around(FIRST + 24, FIRST + 48)] == ["slow"]


def test_shares_that_do_not_add_up_are_found_with_their_hour() -> None:
    points = [point("old", 0, 1.0), point("new", 3, 0.5), point("old", 5, 0.5)]
    assert uneven_arms(points, FIRST, FIRST + 10) == [("all", 1.5, FIRST + 3)]
    assert uneven_arms(points, FIRST + 4, FIRST + 10) == []


def test_what_is_no_number_or_said_again_is_left_out() -> None:
    ts = np.array([FIRST, FIRST, FIRST, FIRST + 1, FIRST + 1]) * HOUR_S
    model = np.array(["m", "m", "n", "m", "n"])
    spoilt = Cube(ts, {"model": model}, np.array([1.0, 2.0, np.nan, 1.0, 1.0]), np.array([4.0, 4.0, 4.0, np.inf, -1.0]))
    assert sound(spoilt).numerator.tolist() == [2.0]
