"""The strength of a change: scale-free, whichever way it goes, and blind to what only drifts by a hair."""

import numpy as np
import pytest

from tools.stats.joint_rank import joint_rank
from tools.stats.series_change import strength


def test_the_series_that_changed_most_by_its_own_measure() -> None:
    rng = np.random.default_rng(0)
    baseline, current = rng.normal(10, 1, (300, 4)), rng.normal(10, 1, (300, 4))
    current[:, 1] += 20
    baseline[:, 2], current[:, 2] = rng.normal(1000, 0.001, 300), rng.normal(1000.1, 0.001, 300)
    found = strength(baseline, current)
    assert int(np.argmax(found)) == 1
    assert found[2] < found[0]


def test_units_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    baseline, current = rng.normal(5, 1, (100, 3)), rng.normal(8, 1, (100, 3))
    assert strength(1e6 * baseline, 1e6 * current) == pytest.approx(strength(baseline, current))
    assert strength(-baseline, -current) == pytest.approx(strength(baseline, current))


def test_odd_series_have_a_defined_strength() -> None:
    baseline, current = np.ones((50, 5)), np.ones((50, 5))
    current[:, 1], baseline[:, 2], current[:, 3] = 3.0, np.nan, np.inf
    baseline[::2, 4] = np.nan
    found = strength(baseline, current)
    assert found[0] == found[4] == 0
    assert found[1] > 1
    assert np.isnan(found[2])
    assert np.isnan(found[3])
    assert np.isnan(strength(np.empty((0, 2)), np.ones((3, 2)))).all()


def test_the_joint_order_puts_first_what_is_high_everywhere() -> None:
    scores = [np.array([3.0, 9.0, 1.0, 9.0]), np.array([2.0, 8.0, np.nan, 1.0])]
    assert joint_rank(scores).tolist() == [1, 0, 3, 2] or joint_rank(scores)[1] == 0
