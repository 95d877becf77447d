import numpy as np
import pytest
from scipy.signal import lfilter

from tools.stats.newcomers import LEAST_HOURS, concurrent
from tools.stats.panel import Sums

HOURS = 24


def pair(rng: np.random.Generator, memory: float, apart: float) -> tuple[Sums, Sums]:
    """Two groups in two strata, strata × hours; the difference of their rates wanders around `apart`."""
    steps = 0.03 * np.sqrt(1 - memory**2) * rng.normal(size=HOURS + 30)
    wander = lfilter([1.0], [1.0, -memory], steps)[-HOURS:]
    common = np.array([[0.8], [0.6]]) + 0.05 * np.sin(np.arange(HOURS))
    den = np.full((2, HOURS), 400.0)
    mine = rng.binomial(400, np.clip(common + apart + wander, 0, 1)).astype(float)
    theirs = rng.binomial(400, common).astype(float)
    return Sums(mine.ravel(), den.ravel()), Sums(theirs.ravel(), den.ravel())


@pytest.mark.parametrize("memory", [0.0, 0.5])
@pytest.mark.parametrize("apart", [0.0, -0.1])
def test_the_interval_holds_the_difference_although_hours_remember(memory: float, apart: float) -> None:
    rng = np.random.default_rng(int(10 * memory) + 1)
    held = 0
    for _ in range(300):
        effect, half, _, hours = concurrent(*pair(rng, memory, apart), HOURS)
        held += abs(effect - apart) <= half
        assert hours == HOURS
    assert held >= 270


def test_with_few_hours_there_is_a_difference_without_an_interval() -> None:
    few = Sums(np.array([5.0, 5.0]), np.array([10.0, 10.0]))
    others = Sums(np.array([8.0, 8.0]), np.array([10.0, 10.0]))
    effect, half, p, hours = concurrent(few, others, 2)
    assert effect == pytest.approx(-0.3)
    assert hours < LEAST_HOURS
    assert np.isnan(half)
    assert np.isnan(p)


def test_where_nobody_else_serves_nothing_is_said() -> None:
    alone = Sums(np.full(24, 5.0), np.full(24, 10.0))
    effect, *_, hours = concurrent(alone, Sums(np.zeros(24), np.zeros(24)), 24)
    assert np.isnan(effect)
    assert hours == 0


def test_hours_that_are_all_alike_are_no_certainty_of_a_fault() -> None:
    same = Sums(np.full(24, 5.0), np.full(24, 10.0))
    effect, half, p, _ = concurrent(same, same, 24)
    assert (effect, half) == (0.0, 0.0)
    assert np.isnan(p)
