import numpy as np
import pytest

from tools.stats.clock_skew import shifted


def courses(seed: int, late: int, kept: float = 1.0) -> np.ndarray:
    """15 days of hourly traffic, the last one late by so many hours and of another size."""
    rng = np.random.default_rng(seed)
    hours = np.arange(24)
    of_day = 200 * (0.3 + np.sin(np.pi * hours / 24) ** 2 + 0.4 * (hours > 17))
    days = rng.poisson(of_day * rng.uniform(0.8, 1.2, (15, 1))).astype(float)
    days[-1] = np.roll(rng.poisson(of_day * kept), late)
    return days


@pytest.mark.parametrize(("late", "kept"), [(-4, 1.0), (-2, 1.0), (2, 1.0), (2, 0.5), (5, 1.0), (5, 0.5)])
def test_a_course_that_is_late_or_early_is_found(late: int, kept: float) -> None:
    assert sum(shifted(courses(seed, late, kept)) == late for seed in range(20)) >= 18


def test_ordinary_days_and_days_of_another_size_are_no_shift() -> None:
    assert not [seed for seed in range(100) if shifted(courses(seed, 0)) or shifted(courses(seed, 0, 3.0))]


def test_an_hour_without_traffic_is_no_shift() -> None:
    days = courses(0, 0)
    days[-1, 8:12] = 0
    assert shifted(days) == 0


def test_too_little_traffic_or_history_says_nothing() -> None:
    assert shifted(courses(0, 3)[-4:]) == 0
    assert shifted(courses(0, 3) * 1e-4) == 0
