"""Many prediction intervals at once are those that each series would have had by itself."""

import numpy as np
import pytest

from tools.stats.departures import departures
from tools.stats.floored import judged
from tools.stats.robust import Tail, departure


@pytest.mark.parametrize("tail", ["low", "high", "both"])
@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_each_series_is_judged_as_if_it_stood_alone(tail: Tail, floor: float) -> None:
    rng = np.random.default_rng(0)
    history, now = rng.normal(size=(12, 40)).cumsum(axis=0), rng.normal(0, 5, 40)
    noise = rng.exponential(size=(13, 40))
    history[rng.random(history.shape) < 0.2] = np.nan
    history[:, 0], history[:9, 1], now[2], noise[:, 3] = 7.0, np.nan, np.nan, np.nan
    found = departures(history, now, noise)
    p, half = found.p_values(tail, floor), found.half(floor)
    for i in range(40):
        one = departure(history[:, i], float(now[i]), tail, noise=noise[:-1, i], noise_now=float(noise[-1, i]))
        assert one.known == np.isfinite(p[i])
        if one.known:
            alone = judged(one, floor, tail)
            assert (found.effect[i], found.scale[i], found.df[i]) == pytest.approx((one.effect, one.scale, one.df))
            assert (p[i], half[i]) == pytest.approx((alone.p_value, alone.half))


def test_nothing_is_said_of_no_history() -> None:
    found = departures(np.empty((0, 3)), np.ones(3))
    assert np.isnan(found.p_values("both")).all()
    assert np.isnan(found.half()).all()
