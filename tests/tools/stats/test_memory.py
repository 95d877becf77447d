"""By chance, how far apart two means of a series with a memory lie: as often as said, for any memory."""

import numpy as np
import pytest

from tools.stats.memory import chance_apart


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_error_is_no_smaller_than_the_truth(memory: float, noise: float) -> None:
    rng = np.random.default_rng(0)
    x = np.empty((168, 400))
    x[0] = rng.normal(0, 1, 400)
    for t in range(1, 168):
        x[t] = memory * x[t - 1] + np.sqrt(1 - memory**2) * rng.normal(0, 1, 400)
    x += noise * rng.normal(0, 1, x.shape)
    ts = 3600 * np.arange(168)
    apart = chance_apart(x, ts, ts < ts[144], ts >= ts[144])
    t = (x[144:].mean(axis=0) - x[:144].mean(axis=0)) / apart.error
    assert t.std() < 1.35
    assert t.std() > 0.4
    assert (apart.df >= 2).all()


def test_gaps_and_unknown_series() -> None:
    x = np.random.default_rng(1).normal(0, 1, (100, 3))
    x[:, 1], x[::2, 2] = np.nan, np.nan
    ts = 3600 * np.delete(np.arange(101), 50)
    apart = chance_apart(x, ts, ts < ts[80], ts >= ts[80])
    assert np.isfinite(apart.error).tolist() == [True, False, True]
