"""What was as bad before, at whatever hour, and how likely a run of bad hours is."""

import numpy as np
import pytest

from tools.stats.new_values import new_shares
from tools.stats.precedent import chance_of_bad_hours, chance_of_run, range_of_medians, worst_share
from tools.stats.value_counts import count_values, vocabulary


def test_the_worst_stretch_is_found_at_any_hour_and_thin_ones_do_not_count() -> None:
    part = np.array([[0, 0], [4, 0], [4, 0], [0, 0], [0, 1], [0, 0]])
    whole = np.array([[4, 4], [4, 4], [4, 4], [4, 4], [4, 1], [4, 0]])
    assert worst_share(part, whole, 2).tolist() == [1.0, 0.2]
    assert worst_share(part, whole, 3).tolist() == pytest.approx([2 / 3, 1 / 5])
    assert worst_share(part[:0], whole[:0], 3).tolist() == [0.0, 0.0]
    assert worst_share(part, np.zeros_like(whole), 3).tolist() == [0.0, 0.0]


def test_medians_of_stretches_forgive_a_wild_hour_and_pass_over_unknown_ones() -> None:
    assert range_of_medians(np.array([1.0, 1.0, 9.0, np.nan, 1.0, 2.0]), 3) == (1.0, 2.0)
    assert np.isnan(range_of_medians(np.array([1.0, np.nan]), 2)).all()


def test_runs_are_as_likely_as_they_were() -> None:
    """Simulated chains: a run of so many hours begins at an hour as often as the formula says, within a factor of 2."""
    rng = np.random.default_rng(4)
    stay, begin, hours, length = 0.8, 0.05, 20_000, 6
    on = np.zeros(hours, dtype=bool)
    for t in range(1, hours):
        on[t] = rng.random() < (stay if on[t - 1] else begin)
    truth = np.mean([on[t : t + length].all() for t in range(hours - length)])
    none, now = np.zeros((0, 1), dtype=bool), np.ones((length, 1), dtype=bool)
    told = chance_of_bad_hours(on[:, None], none, now)[0] / 2  # it pays for two looks
    assert truth / 2 < told < truth * 2
    longer = chance_of_bad_hours(on[:, None], now, now)[0] / 2 / length
    assert truth * stay**length / 3 < longer < truth * stay**length * 3, "the run began ahead of these hours"


def test_what_never_happened_is_unlikely_to_last_and_no_run_is_certain() -> None:
    none = np.zeros(1, dtype=np.int64)
    assert chance_of_run(none + 500, none, none, none, none + 12)[0] < 1e-20
    never, always = np.zeros((500, 1), dtype=bool), np.ones((500, 1), dtype=bool)
    assert chance_of_bad_hours(never, never[:0], never[:4])[0] == pytest.approx(2 / 502)
    assert chance_of_bad_hours(always, always[:24], always[:12])[0] > 0.9


@pytest.mark.parametrize("values", [40, 5000])
def test_each_days_new_values_are_those_that_no_earlier_hour_had(values: int) -> None:
    """Exact for few values, and close to the truth where only a part of them is kept."""
    rng = np.random.default_rng(1)
    words = vocabulary(rng.integers(0, values, 2000).astype(float))
    days = [rng.integers(0, values + values * day // 2, 4000).astype(float) for day in range(4)]
    counted = [(day, count_values(column, words)) for day, column in enumerate(days)]
    found = new_shares(counted, np.array([len(column) for column in days]), np.eye(4, dtype=bool))
    truth = [np.mean(~np.isin(days[d], np.concatenate(days[:d]))) if d else 1.0 for d in range(4)]
    assert found == pytest.approx(truth, abs=1e-12 if values == 40 else 0.06)
    assert np.isnan(new_shares(counted[:1], np.zeros(1, dtype=np.int64), np.ones((1, 1), dtype=bool))).all()
