"""A change of importance counts when it is unlike the feature's own past; ordinary days are left alone."""

import numpy as np
from numpy.typing import NDArray

from tools.stats.importance_change import ImportanceChanges, importance_changes, paired_interval

FEATURES, DAYS, ROWS = 40, 14, 200
Floats = NDArray[np.float64]


def history(rng: np.random.Generator, days: int = DAYS) -> Floats:
    """Importances of `days` + 2 snapshots, float64[days + 2, F]: each feature wanders at its own pace, and all swing
    together."""
    pace = np.exp(rng.normal(-2.5, 0.4, FEATURES))
    steps = pace * rng.standard_t(6, (days + 2, FEATURES)) + 0.1 * rng.normal(size=(days + 2, 1))
    return np.asarray(np.exp(rng.normal(-2, 0.7, FEATURES) + steps.cumsum(axis=0)))


def judged(levels: Floats, rng: np.random.Generator, clusters: NDArray[np.int64] | None = None) -> ImportanceChanges:
    """The last snapshot against the one before, on rows that share what they have of a feature."""
    pairs = np.stack([levels[:-1], levels[1:]], axis=1)
    row = np.exp(rng.normal(-0.125, 0.5, (ROWS, FEATURES)))
    own = np.arange(ROWS) if clusters is None else clusters
    return importance_changes(row * pairs[-1, 0], row * pairs[-1, 1], pairs[:-1], own)


def test_ordinary_days_are_left_alone_though_the_bootstrap_calls_nearly_all() -> None:
    rng = np.random.default_rng(1)
    days = [judged(history(rng), rng) for _ in range(60)]
    assert np.mean([((day.low > 0) | (day.high < 0)).mean() for day in days]) > 0.8
    assert np.mean([day.changed.mean() for day in days]) <= 0.01
    called = [bool(day.p_day <= 0.01 and day.beyond and day.changed.any()) for day in days]
    assert np.mean(called) <= 0.05


def test_a_feature_that_counts_for_a_third_of_what_it_did_is_found() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(20):
        levels = history(rng)
        levels[-1, 7] = levels[-2, 7] / 4
        day = judged(levels, rng)
        found.append(day.furthest == 7 and bool(day.changed[7]) and day.shift[7] < 0)
    assert np.mean(found) >= 0.8


def test_that_all_features_count_for_more_is_no_change_of_any() -> None:
    rng = np.random.default_rng(3)
    levels = history(rng)
    once = judged(levels, np.random.default_rng(0))
    levels[-1] *= 5
    more = judged(levels, np.random.default_rng(0))
    np.testing.assert_allclose(more.shift, once.shift, atol=1e-9)
    assert not more.changed.any()


def test_without_enough_days_nothing_is_said() -> None:
    rng = np.random.default_rng(4)
    levels = history(rng, days=4)
    levels[-1, 0] *= 100
    day = judged(levels, rng)
    assert (day.days, day.furthest, day.beyond, bool(day.changed.any())) == (4, None, False, False)
    assert np.isnan(day.z).all()
    assert np.isfinite(day.low).all()


def test_features_that_never_count_and_the_order_of_features() -> None:
    rng = np.random.default_rng(5)
    levels = history(rng)
    levels[:, 3] = 0.0
    day = judged(levels, np.random.default_rng(0))
    assert np.isfinite(day.z).all()
    assert not day.changed[3]
    nothing = judged(np.zeros_like(levels), np.random.default_rng(0))
    assert not nothing.changed.any()


def test_rows_of_one_request_count_once() -> None:
    rng = np.random.default_rng(6)
    before, now = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    once = paired_interval(before, now, np.arange(50))
    repeated = paired_interval(np.repeat(before, 8, 0), np.repeat(now, 8, 0), np.repeat(np.arange(50), 8))
    np.testing.assert_allclose(once, repeated, atol=1e-12)
    alone = paired_interval(np.repeat(before, 8, 0), np.repeat(now, 8, 0), np.arange(400))
    assert (alone[1] - alone[0] < 0.6 * (once[1] - once[0])).all()
