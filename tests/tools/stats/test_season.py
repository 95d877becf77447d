"""What is usual: by the time of the day or the weekend where the history shows it, and only there."""

from datetime import UTC, datetime, timedelta

import numpy as np

from tools.stats.season import usual

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def hourly(days: int) -> list[datetime]:
    return [START + timedelta(hours=i) for i in range(24 * days)]


def test_a_day_with_a_shape_is_compared_with_the_same_hours() -> None:
    times = hourly(10)
    shape = np.array([10.0 if 8 <= t.hour < 20 else 2.0 for t in times])
    found = usual(times, shape + np.random.default_rng(0).normal(0, 0.1, len(times)), np.arange(len(times)) < 216)
    middle = np.array([t.hour not in (7, 8, 19, 20) for t in times])
    assert np.abs(found - shape)[middle].max() < 0.2


def test_without_a_shape_there_is_one_median() -> None:
    times = hourly(10)
    found = usual(times, np.random.default_rng(1).normal(0, 1, len(times)), np.arange(len(times)) < 216)
    assert len(np.unique(found)) == 1


def test_weekends_are_told_from_working_days_where_there_are_weeks_enough() -> None:
    times = [START + timedelta(hours=6 * i) for i in range(4 * 28)]
    shape = np.array([1.0 if t.weekday() >= 5 else 5.0 for t in times])
    values = shape + np.random.default_rng(2).normal(0, 0.1, len(times))
    old = np.arange(len(times)) < len(times) - 4
    assert np.abs(usual(times, values, old) - shape).max() < 0.2
    short = times[:32]
    assert len(np.unique(usual(short, values[:32], np.arange(32) < 28))) == 1


def test_what_is_not_known_is_not_taken_for_zero() -> None:
    times = hourly(2)
    values = np.full(48, np.nan)
    values[:10] = 3.0
    assert (usual(times, values, np.arange(48) < 40) == 3.0).all()
    assert np.isnan(usual(times, np.full(48, np.nan), np.arange(48) < 40)).all()
