"""The strongest stretch: what lasts is found, one odd run and noise with a memory are not."""

import numpy as np
import pytest

from tools.stats.stretch import SHARE_AFFECTED, spread, strongest


def test_a_stretch_that_lasts_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    window = np.concatenate([rng.normal(size=3), 8 + rng.normal(size=5)])
    found = strongest(window, rng.normal(size=60), rises=False)
    assert found is not None
    assert found.first in (2, 3)  # the lower median bears a run too many
    assert (found.last, found.sign) == (7, 1)
    assert found.p_value < 1e-4


def test_one_odd_run_is_no_stretch() -> None:
    rng = np.random.default_rng(1)
    window = rng.normal(size=5)
    window[2] = 500.0
    found = strongest(window, rng.normal(size=60), rises=False)
    assert found is not None
    assert found.p_value > 0.05


def test_a_fall_is_not_looked_for_where_only_a_rise_is_a_fault() -> None:
    rng = np.random.default_rng(2)
    found = strongest(rng.normal(size=5) - 20, rng.normal(size=60), rises=True)
    assert found is not None
    assert found.p_value > 0.5


@pytest.mark.parametrize("memory", [0.0, 0.6])
@pytest.mark.parametrize("runs", [15, 60])
def test_noise_is_as_rarely_significant_as_it_says(memory: float, runs: int) -> None:
    rng = np.random.default_rng(3)
    small = 0
    for _ in range(300):
        series = np.empty(runs + 6)
        series[0] = rng.normal()
        for i in range(1, len(series)):
            series[i] = memory * series[i - 1] + rng.normal() * np.sqrt(1 - memory**2)
        history = series[:runs] - np.median(series[:runs])
        scale = spread(history, 1)
        found = strongest((series[runs:] - np.median(series[:runs])) / scale, history / scale, rises=False)
        small += found is not None and found.p_value <= 0.01
    assert small <= 300 * 0.025


def test_an_old_incident_does_not_hide_a_new_one() -> None:
    rng = np.random.default_rng(4)
    history = rng.normal(size=100)
    history[10:14] += 40
    found = strongest(10 + rng.normal(size=4), history, rises=False)
    assert found is not None
    assert found.p_value < 0.001


def test_nothing_in_the_window_is_nothing() -> None:
    assert strongest(np.empty(0), np.ones(10), rises=False) is None
    assert 0 < SHARE_AFFECTED < 1
