"""Counts of a categorical feature's values: exact where they say so, and the same in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.tools.stats.test_profile import same_values
from tools.stats.value_counts import HEAVY, KEPT, MOST_KNOWN, Floats, count_values, merge_values, vocabulary

WORDS = vocabulary(np.repeat(np.arange(400.0), np.arange(400, 0, -1)))
IDS = arrays(
    np.float64, st.integers(0, 900), elements=st.integers(-50, 4000).map(float) | st.sampled_from([np.nan, 0.0])
)


@given(IDS, IDS, IDS)
@settings(max_examples=40, deadline=None)
def test_counts_of_parts_merge_to_those_of_the_whole_in_any_order(a: Floats, b: Floats, c: Floats) -> None:
    one, two, three, none = (count_values(x, WORDS) for x in (a, b, c, a[:0]))
    whole = count_values(np.concatenate([a, b, c]), WORDS)
    assert same_values(merge_values(merge_values(one, two), three), whole)
    assert same_values(merge_values(one, merge_values(two, three)), whole)
    assert same_values(merge_values(one, two), merge_values(two, one))
    assert same_values(merge_values(one, none), one)


def test_the_most_frequent_values_are_heavy_and_counted_exactly() -> None:
    found = count_values(np.array([0.0, 0.0, 7.0, 1e9, np.nan, np.inf, 399.0]), WORDS)
    assert len(WORDS.heavy) == HEAVY
    assert dict(zip(found.heavy, found.heavy_counts, strict=True))[0.0] == 2
    assert dict(zip(found.values, found.value_counts, strict=True)) == {399.0: 1, 1e9: 1}
    assert (found.distinct, found.judged, found.unseen) == (4, 5, 1)
    assert np.isnan(count_values(np.array([np.nan]), WORDS).unseen_share)


@pytest.mark.parametrize("size", [1_000, 30_000])
def test_the_number_of_values_is_estimated_well_once_there_are_many(size: int) -> None:
    found = count_values(np.arange(1e6, 1e6 + size), WORDS)
    assert len(found.values) == KEPT
    assert found.distinct == pytest.approx(size, rel=0.13)
    assert found.unseen_share == 1.0


def test_the_share_of_unseen_values_is_right_where_the_baseline_had_too_many_to_know() -> None:
    rng = np.random.default_rng(0)
    words = vocabulary(np.arange(3.0 * MOST_KNOWN))
    assert len(words.known) == MOST_KNOWN
    served = np.where(
        rng.random(30_000) < 0.25, rng.integers(10**6, 10**7, 30_000), rng.integers(0, 3 * MOST_KNOWN, 30_000)
    )
    assert count_values(served.astype(float), words).unseen_share == pytest.approx(0.25, abs=0.02)


def test_different_vocabularies_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different vocabularies"):
        merge_values(count_values(np.zeros(3), WORDS), count_values(np.zeros(3), vocabulary(np.ones(2))))
