"""A p value of an error is what the errors before it allow, far out too."""

import numpy as np
import pytest
from scipy import stats

from tools.stats.error_tails import p_values


def judged(past: np.ndarray, now: float) -> float:
    z = np.vstack([np.abs(past), np.full(past.shape[1], now)])
    return float(p_values(z, [np.arange(past.shape[1])])[0][0])


@pytest.mark.parametrize("df", [4, 8, 1000])
def test_far_p_values_are_not_too_small_whatever_the_tail(df: int) -> None:
    rng, true = np.random.default_rng(df), 1e-4
    far = float(stats.t.isf(true / 2, df))
    told = [judged(rng.standard_t(df, (28, 50)), far) for _ in range(20)]
    assert np.mean(np.array(told) < true) <= 0.6
    assert min(told) > true / 20


def test_errors_that_are_common_have_the_share_that_is_as_large() -> None:
    past = np.random.default_rng(1).normal(size=(28, 50))
    assert judged(past, 1.0) == pytest.approx(2 * stats.norm.sf(1), abs=0.03)


def test_an_incident_of_the_past_does_not_hide_the_next_one() -> None:
    past = np.random.default_rng(2).normal(size=(28, 50))
    calm = judged(past, 12.0)
    past[10, :3] = 500.0
    assert judged(past, 12.0) < 30 * calm
    assert judged(past, 12.0) < 0.01 / 50


def test_series_that_never_move_do_not_make_the_others_look_wild() -> None:
    rng = np.random.default_rng(3)
    past = np.hstack([rng.normal(size=(28, 20)), 1e-6 * rng.normal(size=(28, 200))])
    assert judged(past, 2.5) > 0.005


def test_one_series_goes_by_students_t_with_the_tail_of_the_others() -> None:
    rng = np.random.default_rng(4)
    z = np.abs(np.vstack([rng.standard_t(4, (28, 51)), np.full(51, 6.0)]))
    alone = float(p_values(z, [np.arange(50), np.array([50])])[0][50])
    assert 2 * stats.t.sf(6, 20) < alone < 0.05
    assert np.isfinite(p_values(z[:, 50:], [np.array([0])])[0][0])
