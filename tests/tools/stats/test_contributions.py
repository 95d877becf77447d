"""How much of a shift a feature explains: who is confirmed, who is cleared, and who is neither."""

import numpy as np
from numpy.typing import NDArray

from tools.stats.contributions import Contributions, contributions

ROWS, HOURS = 480, 24
Floats = NDArray[np.float64]


def told(effect: Floats, moved: Floats, hours: int = HOURS, seed: int = 0) -> Contributions:
    """A prediction that is a sum of features, of these effects, whose means moved by so much (float64[F])."""
    rng = np.random.default_rng(seed)
    then = rng.normal(size=(ROWS, len(effect))) * effect
    now = (rng.normal(size=(ROWS, len(effect))) + moved) * effect
    ts = 3600 * (np.arange(ROWS) * hours // ROWS)
    return contributions(then, now, then.sum(axis=1), now.sum(axis=1), ts, ts)


def test_the_feature_that_moved_explains_the_shift_and_one_that_is_not_used_is_cleared() -> None:
    found = told(np.array([0.1, 0.1, 0.0005]), np.array([1.0, 0.0, 1.0]))
    assert found.rulings == ("confirmed", "open", "cleared")
    assert 0.8 < found.share(0) < 1.2
    assert found.low[0] < 0.1 < found.high[0]


def test_nobody_is_confirmed_where_nothing_shifted() -> None:
    rulings = [told(np.full(10, 0.1), np.zeros(10), seed=seed).rulings for seed in range(30)]
    confirmed = [ruling == "confirmed" for one in rulings for ruling in one]
    assert np.mean(confirmed) <= 0.05
    assert all(ruling != "cleared" for one in rulings for ruling in one)


def test_few_hours_settle_nothing() -> None:
    found = told(np.array([0.1, 0.0]), np.array([1.0, 0.0]), hours=4)
    assert found.rulings == ("open", "open")
    assert np.isnan(found.share(0))
    assert np.isnan(found.low).all()
