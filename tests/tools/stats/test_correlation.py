"""Correlation of series with a memory: chance is not taken for agreement, agreement is found, too little is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.stats.correlation import MIN_TIMES, SeriesTooShort, by_circular_shift, without_hours_of_day


def red(rng: np.random.Generator, times: int, series: int, memory: float = 0.9) -> NDArray[np.float64]:
    x = rng.normal(0, 1, (times, series))
    for t in range(1, times):
        x[t] += memory * x[t - 1]
    return x


def test_red_noise_agrees_by_chance_and_is_rarely_believed() -> None:
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        agreement = by_circular_shift(red(rng, 240, 50), red(rng, 240, 1)[:, 0])
        assert np.nanmax(np.abs(agreement.r)) > 0.2
        found += bool(np.nanmin(agreement.p) <= 0.05)
    assert found <= 8


def test_a_feature_that_drives_the_prediction_is_found() -> None:
    rng = np.random.default_rng(1)
    x = red(rng, 300, 20)
    agreement = by_circular_shift(x, x[:, 7] + rng.normal(0, 1, 300))
    assert int(np.argmin(agreement.p)) == 7
    assert agreement.p[7] < 0.01
    assert agreement.r[7] > 0.7


def test_r_is_pearsons() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, (100, 3)), rng.normal(0, 1, 100)
    expected = [np.corrcoef(column, y)[0, 1] for column in x.T]
    assert by_circular_shift(x, y).r == pytest.approx(expected)


def test_odd_series() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (100, 4))
    x[:, 1], x[:, 2], x[::3, 3] = 5.0, np.nan, np.nan
    agreement = by_circular_shift(x, np.where(np.arange(100) == 4, np.nan, rng.normal(0, 1, 100)))
    assert np.isnan(agreement.r).tolist() == [False, True, True, False]
    assert np.isnan(agreement.p).tolist() == [False, True, True, False]
    flat = by_circular_shift(x, np.ones(100))
    assert np.isnan(flat.r).all()


def test_a_short_series_is_refused_with_its_length() -> None:
    with pytest.raises(SeriesTooShort, match=f"{MIN_TIMES} are needed"):
        by_circular_shift(np.ones((20, 2)), np.ones(20))


def test_what_every_day_does_is_taken_out() -> None:
    ts = np.arange(24 * 10) * 3600
    daily = np.sin(2 * np.pi * (np.arange(240) % 24) / 24)
    both = without_hours_of_day(np.stack([daily, np.full(240, np.nan)], axis=1), ts)
    assert np.abs(both[:, 0]).max() < 1e-12
    assert np.isnan(both[:, 1]).all()
    assert np.abs(without_hours_of_day(daily, ts)).max() < 1e-12
