"""A comparison of two snapshots by its own hours, on correlated noise."""

import numpy as np
import pytest
from scipy.signal import lfilter

from tools.records import MetricRole
from tools.stats.panel import Floats, Sums
from tools.stats.rollout_hours import Spread, alone, by_hours
from tools.stats.rollout_sides import Side, Sides

HOURS = 24
NONE = Sums(np.zeros((1, HOURS)), np.zeros((1, HOURS)))


def split(worse: Floats) -> Sides:
    """A new snapshot whose log ratio to the old one is `worse` float64[H], with equal traffic."""
    den = np.full((1, HOURS, 1), 100.0)
    return Sides(Side(den * 0.5 * np.exp(worse)[None, :, None], den), Side(den * 0.5, den), NONE, NONE)


def noise(memory: float, rng: np.random.Generator) -> Floats:
    steps = rng.normal(size=HOURS + 100) * np.sqrt(1 - memory**2)
    drawn: Floats = 0.1 * lfilter([1.0], [1.0, -memory], steps)[100:]
    return drawn


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_noise_that_remembers_is_seldom_a_difference(memory: float) -> None:
    rng = np.random.default_rng(3)
    p = []
    for _ in range(300):
        found = by_hours(split(noise(memory, rng)), 0, MetricRole.log_loss)
        assert found is not None
        p.append(alone(found, Spread(0.0, 10.0), "high").p_value)
    assert np.mean(np.array(p) < 0.01) <= 0.03


def test_the_interval_holds_the_difference() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        found = by_hours(split(0.3 + noise(0.5, rng)), 0, MetricRole.log_loss)
        assert found is not None
        seen = alone(found, Spread(0.0, 10.0), "high")
        covered += seen.low <= 0.3 <= seen.high
    assert covered >= 184


def test_a_sure_difference_must_exceed_what_snapshots_usually_differ_by() -> None:
    found = by_hours(split(np.where(np.arange(HOURS) % 2, 0.019, 0.021)), 0, MetricRole.log_loss)
    assert found is not None
    assert alone(found, Spread(0.0, 10.0), "high").p_value < 1e-6
    assert alone(found, Spread(0.015, 10.0), "high").p_value > 0.05


def test_two_hours_say_nothing() -> None:
    few = split(np.zeros(HOURS))
    few.new.den[:, 2:] = 0.0
    assert by_hours(few, 0, MetricRole.log_loss) is None
