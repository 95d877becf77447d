import numpy as np
import pytest

from tools.stats.multiplicity import benjamini_hochberg, probability_of_effect
from tools.stats.robust import UNKNOWN, departure


def test_p_values_of_noise_are_uniform() -> None:
    rng = np.random.default_rng(1)
    p = np.array([departure(rng.normal(size=14), float(rng.normal()), "low").p_value for _ in range(3000)])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(p < 0.01) == pytest.approx(0.01, abs=0.006)


def test_correlated_days_do_not_make_a_departure_of_a_swing() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(1000):
        series = np.zeros(15)
        for i in range(1, 15):
            series[i] = 0.6 * series[i - 1] + rng.normal()
        hits += departure(series[:-1], float(series[-1]), "low").p_value < 0.05
    assert hits / 1000 < 0.08


def test_conditions_explain_what_they_explain_and_widen_where_history_has_not_been() -> None:
    rng = np.random.default_rng(3)
    level = rng.normal(size=20)
    history = 2 * level + rng.normal(0, 0.1, 20)
    near = departure(history, 2.0, "both", conditions=level, now=1.0)
    far = departure(history, 20.0, "both", conditions=level, now=10.0)
    assert near.p_value > 0.01
    assert departure(history, 3.0, "both", conditions=level, now=1.0).p_value < 1e-4
    assert far.scale > 2 * near.scale


def test_a_noisy_block_is_judged_by_its_own_noise() -> None:
    history, noise = np.arange(10.0) % 3, np.ones(10)
    calm = departure(history, 6.0, "high", noise=noise, noise_now=1.0)
    noisy = departure(history, 6.0, "high", noise=noise, noise_now=4.0)
    assert noisy.scale == pytest.approx(4 * calm.scale)


def test_one_past_incident_does_not_hide_a_new_one() -> None:
    history = np.array([*np.random.default_rng(4).normal(size=19), -30.0])
    assert departure(history, -25.0, "low").beyond
    assert not departure(np.array([*history[:-2], -30.0, -30.0]), -25.0, "low").beyond


def test_too_little_history_or_no_number_says_nothing() -> None:
    assert departure(np.array([1.0, 2.0, np.nan, np.nan]), 1.0, "low") is UNKNOWN
    assert departure(np.arange(9.0), float("nan"), "low") is UNKNOWN
    assert UNKNOWN.power(1.0, 0.05) == 0


def test_a_constant_history_does_not_divide_by_zero() -> None:
    assert departure(np.ones(10), 1.0, "both").p_value == 1
    assert departure(np.ones(10), 2.0, "both").p_value < 1e-6


def test_benjamini_hochberg_by_hand_and_with_nan() -> None:
    assert benjamini_hochberg([0.01, 0.04, float("nan"), 0.03]) == pytest.approx(
        [0.03, 0.04, np.nan, 0.04], nan_ok=True
    )
    assert len(benjamini_hochberg([])) == 0


def test_probability_of_effect_falls_with_p_and_is_never_sure() -> None:
    values = [probability_of_effect(p) for p in (0.0, 1e-9, 0.001, 0.01, 0.05, 0.3, 0.5, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 0.99
    assert values[3] == pytest.approx(0.89, abs=0.01)
    assert values[-1] == probability_of_effect(float("nan")) == 0.5
