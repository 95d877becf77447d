"""Today's figures are held against their past: as often wrong as the level says, and never for yesterday's fault."""

from collections.abc import Callable

import numpy as np
import pytest

from tools.stats.day_ahead import MIN_DAYS, Ahead, day_ahead

WEEK = np.array([0.0, 1, 2, 3, 2, -4, -7])
SERIES = 50


def judged(values: np.ndarray, kinds: list[str] | None = None) -> Ahead:
    return day_ahead(values, kinds or ["x"] * values.shape[1], np.full(values.shape, 1e-3))


def weekly(rng: np.random.Generator, days: int, series: int = SERIES) -> np.ndarray:
    return np.asarray(rng.normal(size=(days, series)) + 2 * WEEK[np.arange(days) % 7][:, None])


def bursts(rng: np.random.Generator, days: int) -> np.ndarray:
    found = np.zeros((days, SERIES))
    for day in range(1, days):
        found[day] = 0.6 * found[day - 1] + rng.standard_t(4, SERIES)
    return found


def counters(rng: np.random.Generator, days: int) -> np.ndarray:
    return np.asarray(np.cumsum(10 + rng.normal(size=(days, SERIES)), axis=0))


@pytest.mark.parametrize("history", [14, 21, 42, 70])
@pytest.mark.parametrize("series", [weekly, bursts, counters])
def test_p_values_are_as_small_as_chance_makes_them(
    series: Callable[[np.random.Generator, int], np.ndarray], history: int
) -> None:
    p = np.concatenate([judged(series(np.random.default_rng([7, seed]), history + 1)).p_value for seed in range(15)])
    assert np.isfinite(p).all()
    assert np.mean(p < 0.05) < 0.075
    assert np.mean(p < 0.001) < 0.006
    assert p.min() > 0.01 / len(p) / 10


@pytest.mark.parametrize("history", [20, 60])
def test_a_day_that_is_another_weekdays_is_found(history: int) -> None:
    values = weekly(np.random.default_rng(1), history + 1)
    values[-1, 3] = values[-2, 3] + 20
    found = judged(values)
    assert found.p_value[3] < 0.01 / SERIES
    assert abs(values[-1, 3] - found.predicted[3]) > found.half[3]


def test_a_fault_of_yesterday_does_not_make_one_of_today() -> None:
    values = weekly(np.random.default_rng(2), 50)
    values[-2, :5] += 50
    assert judged(values).p_value[:5].min() > 0.01 / SERIES


@pytest.mark.parametrize("days", [4, 5, 6, 9])
def test_what_stays_for_a_third_day_is_the_new_usual(days: int) -> None:
    values = weekly(np.random.default_rng(2), 50)
    values[-days:, :5] += 50
    assert judged(values).p_value[:5].min() > 0.01 / SERIES
    values[-1, 3] += 100
    assert judged(values).p_value[3] < 0.01, "and is held against it"


def test_a_fault_of_last_month_does_not_hide_one_of_today() -> None:
    values = weekly(np.random.default_rng(3), 50)
    values[-12, 3] *= 1000
    values[-1, 3] += 20
    assert judged(values).p_value[3] < 0.01 / SERIES


def test_missing_days_and_short_histories_say_nothing_and_break_nothing() -> None:
    rng = np.random.default_rng(4)
    values = weekly(rng, 40)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 0] = np.nan
    values[: -MIN_DAYS + 2, 1] = np.nan
    values[-1, 2], values[-1, 3] = np.nan, 5.0
    found = judged(values)
    assert np.isnan(found.p_value[:3]).all()
    assert np.isfinite(found.p_value[4:][np.isfinite(values[-1, 4:])]).all()
    assert np.isnan(judged(values[-MIN_DAYS:]).p_value).all()


def test_constants_and_their_noise() -> None:
    values = np.full((30, 12), 5.0)
    assert (judged(values).p_value > 0.5).all()
    values[-1, 0] = 5.0001
    assert judged(values).p_value[0] > 0.05, "less than what two days may differ by in any case"
    values[-1, 0] = 6.0
    assert judged(values).p_value[0] < 1e-4


def test_the_order_of_series_does_not_matter_and_the_same_bits_come_twice() -> None:
    values = weekly(np.random.default_rng(5), 45, 20)
    values[-9, 4] += 40
    kinds = ["x"] * 10 + ["y"] * 10
    order = np.random.default_rng(6).permutation(20)
    found, again = judged(values, kinds), judged(values[:, order], [kinds[i] for i in order])
    assert np.allclose(found.p_value[order], again.p_value, rtol=1e-9)
    assert judged(values, kinds).p_value.tobytes() == found.p_value.tobytes()
