"""What the simple rules say of the next day, from the days before it alone."""

import numpy as np
import pytest

from tools.stats.daily_rules import told

LEVEL, YESTERDAY, LATELY, WEEK_AGO, SAME_WEEKDAY, WEEKDAY_AT_LEVEL, WEEKDAY_AND_YESTERDAY, ON_ITS_WAY, LAST_YEAR = (
    range(9)
)
DAYS = np.arange(60)
WEEK = np.array([0.0, 1, 2, 3, 2, -4, -7])[DAYS % 7]


def errors(series: np.ndarray, first: int, last: int) -> np.ndarray:
    """The largest error of each rule from one day to another, float64[R]."""
    days = np.arange(first, last)
    return np.asarray(np.abs(series[days] - told(series[:, None].astype(float), days)[:, :, 0]).max(axis=1))


@pytest.mark.parametrize(
    ("series", "exact"),
    [
        (np.full(60, 3.0), {*range(8)}),
        (WEEK, {WEEK_AGO, SAME_WEEKDAY, WEEKDAY_AT_LEVEL, WEEKDAY_AND_YESTERDAY}),
        (5.0 * DAYS, {ON_ITS_WAY, WEEKDAY_AT_LEVEL}),
        (5.0 * DAYS + WEEK, {WEEKDAY_AT_LEVEL}),
    ],
)
def test_each_rule_follows_what_it_is_there_for(series: np.ndarray, exact: set[int]) -> None:
    assert {*np.flatnonzero(errors(series, 40, 55) < 1e-9)} == exact


def test_a_trend_makes_no_step_where_another_week_comes_within_reach() -> None:
    series = (5.0 * DAYS + WEEK)[:, None]
    found = told(series, np.arange(14, 60))[WEEKDAY_AT_LEVEL]
    assert np.allclose(found, series[14:])


def test_the_same_season_of_the_year_before() -> None:
    days = np.arange(400)
    series = 10 * np.sin(2 * np.pi * days / 364) + np.where(days > 370, 3.0, 0.0)
    assert errors(series, 399, 400)[LAST_YEAR] < 1e-9
    assert np.isnan(errors(series, 360, 361)[LAST_YEAR])


def test_nothing_is_taken_from_the_day_itself_or_later() -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(60, 3))
    other = series.copy()
    other[40:] = rng.normal(size=(20, 3))
    assert np.array_equal(told(series, np.arange(1, 41)), told(other, np.arange(1, 41)), equal_nan=True)
