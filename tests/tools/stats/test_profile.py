"""Profiles: what they count, and that merging is a commutative monoid."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tools.records import Window
from tools.stats.profile import ADDITIVE, PREDICTION, Floats, Profile, baseline_edges, empty, fold, merge, summarise
from tools.stats.value_counts import ValueCounts, vocabulary

FEATURES = ("wind", "visib", PREDICTION)
START = datetime(2013, 5, 1, tzinfo=UTC)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, -1e38]
# Whole numbers below 2^20 add up exactly, so that equality means equality.
WHOLE = st.one_of(st.integers(-1000, 1000).map(float), st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
MATRICES = st.integers(0, 30).flatmap(lambda n: arrays(np.float64, (n, 3), elements=WHOLE))
EDGES = baseline_edges(np.random.default_rng(0).normal(0, 300, (500, 3)), 16)
WORDS = {"visib": vocabulary(np.random.default_rng(0).integers(-900, 900, 700).astype(float))}


def of(columns: Floats, hour: int = 0, snapshot: str = "s", edges: Floats = EDGES) -> Profile:
    window = Window(start=START + timedelta(hours=hour), end=START + timedelta(hours=hour + 1))
    groups = np.zeros(len(columns), dtype=np.int64)
    return summarise("m", [(window, snapshot)], groups, FEATURES, columns, edges, WORDS)[0]


def same(left: Profile, right: Profile) -> bool:
    arrays_of = (*ADDITIVE, "minimum", "maximum", "histogram")
    names = ("model", "snapshot", "window", "features", "rows")
    return (
        all(getattr(left, n) == getattr(right, n) for n in names)
        and all(np.array_equal(getattr(left, n), getattr(right, n)) for n in arrays_of)
        and left.categories.keys() == right.categories.keys()
        and all(same_values(left.categories[f], right.categories[f]) for f in left.categories)
    )


def same_values(left: ValueCounts, right: ValueCounts) -> bool:
    return all(np.array_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(ValueCounts))


@given(MATRICES, MATRICES, MATRICES)
@settings(max_examples=60, deadline=None)
def test_merge_is_a_commutative_monoid(a: Floats, b: Floats, c: Floats) -> None:
    one, two, three = of(a, 0, "x"), of(b, 1, "y"), of(c, 2, "x")
    assert same(merge(one, two), merge(two, one))
    assert same(merge(merge(one, two), three), merge(one, merge(two, three)))
    zero = empty("m", "x", one.window, FEATURES, EDGES)
    assert same(merge(one, zero), one)
    assert same(merge(zero, one), one)


@given(MATRICES, st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_a_sample_merge_to_the_profile_of_the_whole(columns: Floats, cut: int) -> None:
    assert same(merge(of(columns[:cut]), of(columns[cut:])), of(columns))


@given(arrays(np.float64, (40, 3), elements=st.one_of(st.floats(width=32), st.sampled_from(SPECIAL))))
@settings(max_examples=80, deadline=None)
def test_every_row_is_counted_once_whatever_it_holds(columns: Floats) -> None:
    profile = of(columns, edges=baseline_edges(columns, 8))
    assert (profile.count + profile.nulls + profile.nonfinite == 40).all()
    assert (profile.histogram.sum(axis=1) == profile.count).all()
    assert (profile.minimum[profile.count > 0] <= profile.maximum[profile.count > 0]).all()


@given(arrays(np.float64, st.integers(1, 200), elements=st.floats(width=32)), st.integers(4, 256))
@settings(max_examples=80, deadline=None)
def test_edges_are_ordered_and_the_outer_bins_are_empty_in_the_baseline(column: Floats, bins: int) -> None:
    edges = baseline_edges(column[:, None], bins)
    assert edges.shape == (1, bins - 1)
    finite = column[np.isfinite(column)]
    if not len(finite):
        assert np.isnan(edges).all()
        return
    assert (np.diff(edges[0]) >= 0).all()
    place = np.searchsorted(edges[0], finite, side="left")
    assert (place > 0).all()
    assert (place < bins - 1).all()


def test_fold_gives_the_same_bits_in_any_order() -> None:
    rng = np.random.default_rng(1)
    profiles = [of(rng.normal(0, 1, (20, 3)), hour, snapshot) for hour in range(24) for snapshot in ("x", "y")]
    shuffled = [profiles[i] for i in rng.permutation(len(profiles))]
    assert same(fold(profiles), fold(shuffled))
    assert same(fold(profiles), reduce(merge, profiles))
    with pytest.raises(ValueError, match="no profiles"):
        fold([])


def test_quantile_edges_split_a_skewed_feature_evenly_and_isolate_its_zero() -> None:
    rng = np.random.default_rng(2)
    rain = np.where(rng.random(20_000) < 0.7, 0.0, rng.gamma(0.5, 0.2, 20_000))
    edges = baseline_edges(rain[:, None], 32)[0]
    counts = np.bincount(np.searchsorted(edges, rain, side="left"), minlength=32)
    assert counts.max() == (rain == 0).sum()
    wet = np.sort(counts)[::-1][1:9]
    assert wet.max() < 1.6 * wet.min()


def test_what_does_not_belong_together_is_not_merged() -> None:
    one = of(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="different bin edges"):
        merge(one, of(np.zeros((2, 3)), edges=EDGES + 1))
    other = empty("m", "s", one.window, ("gust", PREDICTION), EDGES[:2])
    with pytest.raises(ValueError, match="different features"):
        merge(one, other)
    with pytest.raises(ValueError, match="do not fit"):
        summarise("m", [(one.window, "s")], np.zeros(3, dtype=np.int64), FEATURES, np.zeros((2, 3)), EDGES)
    with pytest.raises(ValueError, match="at least 4 bins"):
        baseline_edges(np.zeros((2, 1)), 3)


def test_a_square_beyond_a_float_is_infinite_and_says_so() -> None:
    profile = of(np.full((3, 3), 1e200))
    assert np.isinf(profile.total2).all()
    assert (profile.count == 3).all()
