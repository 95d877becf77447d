"""Which model is looked at first: also where nothing can be compared, because predictions are no numbers."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tools.records import Cube, MetricRole, Window
from tools.stats.first_look import in_order, unusable, unusable_evidence

START = datetime(2013, 5, 1, tzinfo=UTC)
BASELINE = Window(start=START, end=START + timedelta(days=7))
WINDOW = Window(start=BASELINE.end, end=BASELINE.end + timedelta(days=1))
NAMES = {MetricRole.calibration: "calibration", MetricRole.log_loss: "log_loss"}


def _cube(seed: int, bad_before: float = 0.0, bad_now: float = 0.0, model: str = "a") -> Cube:
    """Hourly points of two models over eight days; a share of those of `model` are NaN before and in the window."""
    rng = np.random.default_rng(seed)
    ts = np.repeat(np.arange(8 * 24) * 3600 + int(START.timestamp()), 8)
    models = np.tile(np.array(["a", "b"]), len(ts) // 2)
    share = np.where(ts >= WINDOW.start.timestamp(), bad_now, bad_before)
    broken = (rng.random(len(ts)) < share) & (models == model)
    numerator = np.where(broken, np.nan, rng.random(len(ts)))
    return Cube(ts, {"model": models}, numerator, np.ones(len(ts)))


def test_a_model_that_newly_has_points_without_a_number_is_named_with_its_counts() -> None:
    (found,) = unusable({MetricRole.calibration: _cube(1, bad_now=0.4)}, WINDOW, BASELINE)
    assert (found.model, found.role, found.bad_before) == ("a", MetricRole.calibration, 0)
    assert found.points == 24 * 4
    assert found.interval[0] < 0.4 < found.interval[1]
    (said,) = unusable_evidence([found], "shop", NAMES, WINDOW)
    assert said.claim.startswith(f"{found.bad} of 96 points of calibration of model a are no numbers; before, 0 of 672")
    assert said.effect is not None
    assert said.sources[0].ref == "shop/calibration"


def test_what_was_always_so_is_not_new() -> None:
    named = [
        bool(unusable({MetricRole.calibration: _cube(seed, bad_before=0.2, bad_now=0.2)}, WINDOW, BASELINE))
        for seed in range(200)
    ]
    assert np.mean(named) <= 0.05


def test_points_without_a_number_everywhere_name_every_model_the_worst_first() -> None:
    cubes = {
        MetricRole.calibration: _cube(1, bad_now=0.3),
        MetricRole.log_loss: _cube(2, bad_now=0.9, model="b"),
    }
    assert [u.model for u in unusable(cubes, WINDOW, BASELINE)] == ["b", "a"]


@pytest.mark.parametrize("cube", [Cube(np.empty(0, dtype=np.int64), {}, np.empty(0), np.empty(0)), _cube(3)])
def test_sound_points_and_no_points_name_nobody(cube: Cube) -> None:
    assert unusable({MetricRole.calibration: cube}, WINDOW, BASELINE) == ()


def test_there_is_always_somebody_to_look_at_first() -> None:
    broken = unusable({MetricRole.calibration: _cube(1, bad_now=0.4, model="b")}, WINDOW, BASELINE)
    assert in_order((None, None), False, (), ["c", "b", "a"]) == ["a", "b", "c"]
    assert in_order(("a", "c"), False, broken, ["a", "b", "c"]) == ["b", "a", "c"]
    assert in_order(("a", "c"), True, broken, ["a", "b", "c"]) == ["a", "c", "b"]
