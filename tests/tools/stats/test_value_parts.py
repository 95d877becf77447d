import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from tools.stats.decomposition import Mass, parts
from tools.stats.value_parts import HourlyMass, against_history, hour_draws, interval_from, value_parts

amounts = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))
cells = st.lists(st.tuples(*[amounts] * 4, *[st.floats(0, 9)] * 2), min_size=1, max_size=12)


@given(cells)
def test_the_parts_of_all_cells_add_up_to_the_change_whatever_the_traffic_is(rows: list[tuple[float, ...]]) -> None:
    """Cells may lack traffic, outcomes or both, in either period."""
    exposure0, exposure1, den0, den1, rate0, rate1 = np.array(rows).T
    before, now = Mass(exposure0, rate0 * den0, den0), Mass(exposure1, rate1 * den1, den1)
    if min(den0.sum(), den1.sum()) < 1:
        return
    found = parts(before, now)
    change = now.num.sum() / now.den.sum() - before.num.sum() / before.den.sum()
    assert found.mix.sum() + found.within.sum() == pytest.approx(change, rel=1e-7, abs=1e-7)


def masses(rate: np.ndarray, traffic: np.ndarray) -> HourlyMass:
    """float64[C, K+1, H]."""
    return HourlyMass(traffic, rate * traffic, traffic)


def test_each_day_is_split_against_the_other_days() -> None:
    rng = np.random.default_rng(0)
    mass = masses(rng.uniform(0.4, 0.6, (3, 6, 24)), rng.uniform(50, 100, (3, 6, 24))).blocks()
    before, now = against_history(mass)
    assert before.den[:, 0] == pytest.approx(mass.den[:, 1:-1].sum(1))
    assert before.den[:, -1] == pytest.approx(mass.den[:, :-1].sum(1))
    assert now is mass


def test_a_cell_of_one_day_alone_leaves_nothing_of_rounding_behind() -> None:
    traffic = np.full((2, 4, 3), 0.1)
    traffic[1] = 0.0
    traffic[1, 2] = 0.7
    before, _ = against_history(masses(np.full((2, 4, 3), 0.3), traffic).blocks())
    assert before.exposure[1].tolist() == pytest.approx([2.1, 2.1, 0.0, 2.1])
    assert before.exposure[1, 2] == 0.0


@pytest.mark.parametrize("days", [8, 14])
def test_the_bounds_hold_the_part_that_days_which_remember_would_have_anyway(days: int) -> None:
    """Nothing planted: the true part within is zero, the swings of the days (AR(0.5)) are the only noise."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        swing = lfilter([1.0], [1.0, -0.5], 0.05 * rng.normal(size=(2, days + 31)), axis=-1)[:, -days - 1 :]
        rate = np.repeat((0.7 + swing)[..., None], 24, axis=-1)
        found = value_parts("country", ("a", "b"), masses(rate, np.full(rate.shape, 100.0)))
        held += found[0].within.low <= 0 <= found[0].within.high
    assert held >= 180


def test_with_few_days_the_bounds_come_from_the_hours() -> None:
    rng = np.random.default_rng(1)
    rate = 0.7 + 0.05 * rng.normal(size=(2, 3, 24))
    rate[0, -1] -= 0.2
    found = value_parts("country", ("a", "b"), masses(rate, np.full(rate.shape, 100.0)))
    assert found[0].within.low < found[0].within.value < found[0].within.high < 0
    assert found[1].within.low <= 0 <= found[1].within.high
    assert "swings from day to day are not in it" in interval_from(2, by_hours=True)


def test_with_few_days_and_few_hours_there_is_an_estimate_without_bounds() -> None:
    found = value_parts("country", ("a", "b"), masses(np.full((2, 3, 4), 0.5), np.full((2, 3, 4), 9.0)))
    assert hour_draws(4) is None
    assert found[0].within.value == 0.0
    assert np.isnan(found[0].within.low)
    assert "fewer than 12 hours" in interval_from(2, by_hours=False)


def test_without_a_baseline_there_are_no_parts() -> None:
    assert value_parts("country", ("a",), masses(np.full((1, 1, 4), 0.5), np.full((1, 1, 4), 9.0))) == ()
    assert "holds no day" in interval_from(0, by_hours=False)
