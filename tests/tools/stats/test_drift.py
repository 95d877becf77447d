"""Effect sizes of drift: their known values and bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tools.stats import drift
from tools.stats.profile import Counts, baseline_edges

HISTOGRAMS = arrays(np.int64, 8, elements=st.integers(0, 500))


@given(HISTOGRAMS, HISTOGRAMS)
@settings(max_examples=100, deadline=None)
def test_bounds(baseline: Counts, current: Counts) -> None:
    effects = [float(f(baseline, current)) for f in (drift.total_variation, drift.wasserstein, drift.psi)]
    if not baseline.sum() or not current.sum():
        assert all(np.isnan(effects))
        return
    assert all(effect >= -1e-12 for effect in effects)
    assert effects[0] <= 1 + 1e-12
    assert effects[1] <= 1 + 1e-12


@given(HISTOGRAMS)
@settings(max_examples=50, deadline=None)
def test_nothing_has_moved_from_itself(histogram: Counts) -> None:
    for effect in (drift.total_variation, drift.wasserstein, drift.psi):
        value = float(effect(histogram, histogram))
        assert np.isnan(value) if not histogram.sum() else value == pytest.approx(0, abs=1e-12)


def test_known_values() -> None:
    baseline, current = np.array([50, 50, 0]), np.array([0, 0, 100])
    assert drift.total_variation(baseline, current) == 1
    assert drift.unseen_share(baseline, current) == 1
    assert float(drift.shares(current) @ drift.ridits(baseline)) == 1  # every current value exceeds every baseline one
    assert float(drift.wasserstein(baseline, current)) == pytest.approx(0.5)
    assert float(drift.psi(np.array([100, 100]), np.array([100, 100]))) == 0
    assert float(drift.psi(np.array([500, 500]), np.array([900, 100]))) == pytest.approx(0.4 * np.log(9), rel=0.02)


def test_the_mean_ridit_is_the_mann_whitney_probability() -> None:
    rng = np.random.default_rng(0)
    baseline, current = rng.integers(0, 6, 200), rng.integers(2, 8, 100)
    wins = (current[:, None] > baseline[None, :]).mean() + (current[:, None] == baseline[None, :]).mean() / 2
    counted = [np.bincount(values, minlength=8) for values in (baseline, current)]
    assert float(drift.shares(counted[1]) @ drift.ridits(counted[0])) == pytest.approx(wins)


def test_the_bin_of_zeros_is_known_only_where_zeros_are_frequent() -> None:
    rng = np.random.default_rng(0)
    rain = np.where(rng.random(1000) < 0.7, 0.0, rng.gamma(1, 1, 1000))
    edges = baseline_edges(np.stack([rain, rng.normal(5, 1, 1000), np.zeros(1000), np.full(1000, np.nan)], axis=1), 16)
    bins = drift.zero_bin(edges)
    assert (bins[[1, 3]] == -1).all()
    for column, at in ((rain, 0), (np.zeros(1000), 2)):
        in_bin = np.searchsorted(edges[at], column, side="left") == bins[at]
        assert (in_bin == (column == 0)).all()
