import numpy as np
import pytest

from tools.stats.changepoint import onset
from tools.stats.contrast_onset import FOUND
from tools.stats.panel import Floats


def ar(length: int, memory: float, rng: np.random.Generator) -> Floats:
    series = np.zeros(length)
    for i in range(1, length):
        series[i] = memory * series[i - 1] + rng.normal() * np.sqrt(1 - memory**2)
    return series


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_noise_seldom_has_an_onset(memory: float) -> None:
    rng = np.random.default_rng(5)
    found = [onset(ar(45, memory, rng), ar(24 * 14, memory, rng)) for _ in range(40)]
    assert sum(o is not None and o.p_value < FOUND for o in found) <= 3


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_the_interval_covers_the_true_onset(memory: float) -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(40):
        shifted = ar(45, memory, rng) + 3.0 * (np.arange(45) >= 24)
        found = onset(shifted, ar(24 * 14, memory, rng))
        assert found is not None
        covered += found.low <= 24 <= found.high
    assert covered >= 35


def test_an_onset_is_where_it_was_planted_and_the_same_each_time() -> None:
    rng = np.random.default_rng(7)
    series, noise = ar(45, 0.3, rng) + 6.0 * (np.arange(45) >= 30), ar(24 * 14, 0.3, rng)
    found = onset(series, noise)
    assert found is not None
    assert abs(found.at - 30) <= 1
    assert found.p_value < 0.01
    assert found == onset(series, noise)


def test_too_little_to_go_by_is_none() -> None:
    noise = np.random.default_rng(8).normal(size=200)
    assert onset(np.full(45, np.nan), noise) is None
    assert onset(np.zeros(45), np.zeros(200)) is None
    assert onset(np.zeros(45), noise[:20]) is None
