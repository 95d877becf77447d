"""Variances drawn to what is common, and the test that uses them."""

import numpy as np
import pytest

from tools.stats.moderated import MOST_DF, fit
from tools.stats.robust import UNKNOWN
from tools.stats.step_contrast import Noise, Series, noise, step_departure


def test_alike_groups_make_a_strong_prior() -> None:
    rng = np.random.default_rng(0)
    found = fit(4.0 * rng.chisquare(8, 500) / 8, 8)
    assert found.df == pytest.approx(MOST_DF, abs=5)
    assert found.variance == pytest.approx(4.0, rel=0.1)


def test_unlike_groups_make_a_weak_one() -> None:
    rng = np.random.default_rng(1)
    true = 4.0 * 5 / rng.chisquare(5, 2000)
    found = fit(true * rng.chisquare(8, 2000) / 8, 8)
    assert found.df == pytest.approx(5, abs=1.5)


def test_too_few_groups_make_none() -> None:
    found = fit(np.array([1.0, 2.0]), 8)
    assert found.df == 0
    assert found.moderate(3.0, 8) == (3.0, 8)


def _many(seed: int, groups: int, periods: int) -> tuple[Series, Series]:
    rng = np.random.default_rng(seed)
    den = np.repeat(rng.lognormal(4, 1, (groups, 1)).round() + 5, periods + 1, axis=1)
    num = rng.binomial(den.astype(int), 0.05).astype(float)
    values = Series(num, den)
    return values, Series(num.sum(0, keepdims=True), den.sum(0, keepdims=True))


def _known(values: Series, total: Series) -> Noise:
    return noise(values, total, counts=True)


@pytest.mark.parametrize("periods", [5, 20])
def test_p_values_are_not_too_small_where_nothing_happened(periods: int) -> None:
    p = []
    for seed in range(40):
        values, total = _many(seed, 25, periods)
        known = _known(values, total)
        p += [
            step_departure(Series(values.num[i : i + 1], values.den[i : i + 1]), total, known, 1).p_value
            for i in range(25)
        ]
    assert np.mean(np.array(p) < 0.01) < 0.015
    assert np.mean(np.array(p) < 0.001) < 0.003


def test_a_few_events_in_a_tiny_group_are_no_proof() -> None:
    values, total = _many(3, 25, 5)
    tiny = Series(np.array([[0.0, 0, 0, 0, 0, 2]]), np.array([[3.0, 3, 3, 3, 3, 3]]))
    assert step_departure(tiny, total, _known(values, total), 1).p_value > 0.01


def test_too_few_periods_are_unknown() -> None:
    values, total = _many(4, 25, 3)
    first = Series(values.num[:1], values.den[:1])
    assert step_departure(first, total, _known(values, total), 1) == UNKNOWN
