from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tools.records import Cube, MetricRole, Window
from tools.stats.blocks import aligned
from tools.stats.lag import Lag, Lags, Moment, by_model, prediction_lags
from tools.stats.panel import Panel
from tools.stats.robust import Tail
from tools.stats.suspects import find_suspects

FIRST = datetime(2024, 3, 4, tzinfo=UTC)
DAYS, HOURS = 14, 24
BASELINE = Window(start=FIRST, end=FIRST + timedelta(days=DAYS))
WINDOW = Window(start=BASELINE.end, end=BASELINE.end + timedelta(hours=HOURS))
TAILS: dict[MetricRole, Tail] = {MetricRole.topline: "low", MetricRole.prediction_mean: "both"}


def lags(seed: int, predictions_from: int, topline_from: int | None) -> Lags:
    """m1's mean prediction rises in an hour of the window, and the top line of both models falls in another."""
    rng = np.random.default_rng(seed)
    hour = np.arange((DAYS + 1) * HOURS)
    since = hour - DAYS * HOURS
    ts, models = np.tile(int(FIRST.timestamp()) + 3600 * hour, 2), np.repeat(["m1", "m2"], len(hour))
    course = 0.05 * np.sin(2 * np.pi * hour / HOURS)
    common = course + 0.01 * rng.normal(size=len(hour))
    fallen = 0.0 if topline_from is None else 0.1 * (since >= topline_from)
    topline = np.tile(0.7 + common - fallen, 2) + 0.01 * rng.normal(size=len(ts))
    moved = np.concatenate([0.1 * (since >= predictions_from), np.zeros(len(hour))])
    predicted = np.tile(0.3 + course, 2) + moved + 0.01 * rng.normal(size=len(ts))
    den = np.full(len(ts), 1000.0)
    cubes = {
        MetricRole.topline: Cube(ts, {"model": models}, 1000 * topline, den),
        MetricRole.prediction_mean: Cube(ts, {"model": models}, 1000 * predicted, den),
    }
    panels = {role: Panel(cube, aligned(WINDOW, BASELINE)) for role, cube in cubes.items()}
    return prediction_lags(cubes, find_suspects(panels, TAILS, [], [], []), TAILS, WINDOW, BASELINE)


@pytest.mark.parametrize(("predictions", "topline"), [(2, 5), (6, 6), (12, 4)])
def test_the_lag_is_found_within_its_interval(predictions: int, topline: int) -> None:
    held = 0
    for seed in range(10):
        lag = next(found for found in lags(seed, predictions, topline).known if found.model == "m1")
        assert (lag.role, lag.own) == (MetricRole.prediction_mean, False)
        held += lag.low <= topline - predictions <= lag.high
    assert held >= 9


def test_what_starts_after_the_top_line_is_too_late_to_be_its_cause() -> None:
    late = next(found for found in lags(0, 14, 3).known if found.model == "m1")
    assert late.too_late
    assert late.hours < 0
    early = next(found for found in lags(0, 2, 9).known if found.model == "m1")
    assert not early.too_late
    assert early.low > 0


def test_where_the_top_line_did_not_fall_the_lag_is_not_known_and_said_so() -> None:
    found = lags(1, 5, None)
    assert not [lag for lag in found.known if not lag.own]
    assert found.known or any("its own onset is not clear" in said for said in found.unknown)


def test_models_that_did_not_move_have_no_lag() -> None:
    assert lags(2, 99, 4) == Lags((), ())


def test_the_interval_of_a_lag_is_as_wide_as_both_onsets_together() -> None:
    lag = Lag("m1", MetricRole.log_loss, Moment(100, 99, 103), Moment(102, 101, 104), own=False)
    assert (lag.hours, lag.low, lag.high) == (2, -2, 5)


def test_the_sums_by_hour_and_model_leave_out_what_is_no_number() -> None:
    ts = np.array([0, 1800, 3600, 3600])
    cube = Cube(ts, {"model": np.array(["a", "a", "a", "b"])}, np.array([1.0, 2.0, np.nan, 4.0]), np.ones(4))
    small = by_model(cube)
    assert small.ts.tolist() == [0, 3600]
    assert small.dims["model"].tolist() == ["a", "b"]
    assert small.numerator.tolist() == [3.0, 4.0]
