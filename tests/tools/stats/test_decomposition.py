import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.stats.decomposition import Mass, split

cells = st.lists(st.tuples(*[st.floats(0, 1000)] * 3, *[st.floats(0, 1)] * 3), min_size=1, max_size=12)


def masses(rows: list[tuple[float, ...]]) -> tuple[Mass, Mass]:
    a = np.array(rows)
    den0, den1 = a[:, 0], a[:, 1]
    return Mass(den0, den0 * a[:, 3], den0), Mass(den1, den1 * a[:, 4], den1)


@given(cells)
def test_parts_add_up_to_the_change(rows: list[tuple[float, ...]]) -> None:
    reference, current = masses(rows)
    if min(reference.den.sum(), current.den.sum()) < 1:
        return
    found = split(reference, current)
    change = current.num.sum() / current.den.sum() - reference.num.sum() / reference.den.sum()
    assert found.total == pytest.approx(change, abs=1e-9)
    assert found.mix + found.within == pytest.approx(found.total, abs=1e-12)


@given(cells)
def test_it_is_the_midpoint_split_where_exposure_is_the_denominator(rows: list[tuple[float, ...]]) -> None:
    rows = [(r[0] + 1, r[1] + 1, *r[2:]) for r in rows]
    reference, current = masses(rows)
    found = split(reference, current)
    s0, s1 = reference.den / reference.den.sum(), current.den / current.den.sum()
    r0, r1 = reference.num / reference.den, current.num / current.den
    assert found.mix == pytest.approx(float(((s1 - s0) * (r0 + r1) / 2).sum()), abs=1e-9)
    assert found.within == pytest.approx(float(((r1 - r0) * (s0 + s1) / 2).sum()), abs=1e-9)


@given(cells)
def test_swapping_the_periods_turns_the_signs(rows: list[tuple[float, ...]]) -> None:
    reference, current = masses([(r[0] + 1, r[1] + 1, *r[2:]) for r in rows])
    there, back = split(reference, current), split(current, reference)
    assert there.mix == pytest.approx(-back.mix, abs=1e-9)


def test_a_model_that_picks_differently_is_no_mix_shift() -> None:
    exposure = np.array([100.0, 100.0])
    reference = Mass(exposure, np.array([80.0, 10.0]), np.array([90.0, 20.0]))
    current = Mass(exposure, np.array([40.0, 40.0]), np.array([45.0, 80.0]))
    found = split(reference, current)
    assert found.mix == 0
    assert found.within == pytest.approx(found.total)


def test_a_cell_that_comes_is_all_mix() -> None:
    reference = Mass(np.array([100.0, 0.0]), np.array([90.0, 0.0]), np.array([100.0, 0.0]))
    current = Mass(np.array([50.0, 50.0]), np.array([45.0, 10.0]), np.array([50.0, 50.0]))
    found = split(reference, current)
    assert found.mix == pytest.approx(found.total)


def test_an_empty_period_gives_nan() -> None:
    nothing = Mass(np.zeros(2), np.zeros(2), np.zeros(2))
    full = Mass(np.ones(2), np.ones(2), np.ones(2))
    assert np.isnan(split(nothing, full).total)
