import numpy as np
import pytest

from tools.stats.contrast import contrast
from tools.stats.panel import Sums


def sums(num: list[float], den: list[float]) -> Sums:
    return Sums(np.array([num], dtype=float), np.array([den], dtype=float))


def test_a_different_mix_of_hours_is_no_difference() -> None:
    group, others = sums([90, 5], [100, 10]), sums([9, 500], [10, 1000])
    assert contrast(group, others, "difference").effect[0] == pytest.approx(0, abs=1e-12)
    assert contrast(group, others, "log_ratio").effect[0] == pytest.approx(0, abs=1e-12)


def test_a_constant_difference_and_a_constant_ratio_are_found() -> None:
    group, others = sums([80, 30], [100, 100]), sums([90, 40], [100, 100])
    assert contrast(group, others, "difference").effect[0] == pytest.approx(-0.1)
    assert contrast(sums([20, 4], [10, 10]), sums([10, 2], [10, 10]), "log_ratio").effect[0] == pytest.approx(np.log(2))


def test_hours_of_one_side_only_do_not_count() -> None:
    group, others = sums([50, 0], [100, 0]), sums([60, 1], [100, 100])
    found = contrast(group, others, "difference")
    assert found.effect[0] == pytest.approx(-0.1)
    assert found.level[0] == pytest.approx(0.6)


def test_nothing_to_compare_is_nan_and_zero_numerators_do_no_harm() -> None:
    assert np.isnan(contrast(sums([0], [0]), sums([1], [2]), "difference").effect[0])
    found = contrast(sums([0, 0], [10, 10]), sums([1, 1], [10, 10]), "log_ratio")
    assert np.isnan(found.effect[0])  # the ratio is zero: its logarithm is no number
    assert contrast(sums([0, 0], [10, 10]), sums([1, 1], [10, 10]), "difference").effect[0] == pytest.approx(-0.1)


def test_an_effect_that_sets_in_midway_is_not_taken_for_noise() -> None:
    rng = np.random.default_rng(0)
    den = np.full(24, 1000.0)
    num = rng.binomial(1000, 0.8, 24).astype(float)
    other = Sums(rng.binomial(1000, 0.8, (1, 24)).astype(float), den[None])
    calm = contrast(Sums(num[None], den[None]), other, "difference")
    stepped = contrast(Sums((num - 200 * (np.arange(24) >= 12))[None], den[None]), other, "difference")
    assert stepped.noise[0] < 3.5 * calm.noise[0]
    assert stepped.effect[0] - calm.effect[0] == pytest.approx(-0.1, abs=0.01)
