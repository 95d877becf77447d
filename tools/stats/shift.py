"""Has a feature's distribution moved more than it does from one day to the next?"""

import math
from dataclasses import dataclass, replace

import numpy as np

from tools.records import Window
from tools.stats import drift
from tools.stats.breakage import MIN_ROWS
from tools.stats.hourly import Hourly, matched_blocks, pooled
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.profile import Counts
from tools.stats.robust import departure

MAX_Q = 0.01
_MIN_MOVE = 0.1


@dataclass(frozen=True)
class Shift:
    """`move` is the chance that a current value exceeds a baseline one, less a half; [low, high] its 95% interval.

    `psi` and `wasserstein` (in shares of the baseline) are effect sizes. `days` is the number of earlier days and
    `days_effective` what it is worth after the correlation of each day with the next.
    """

    feature: str
    move: float
    low: float
    high: float
    psi: float
    wasserstein: float
    p_value: float
    days: int
    days_effective: float
    q_value: float = math.nan

    @property
    def moved(self) -> bool:
        return self.q_value <= MAX_Q and max(abs(self.move), self.wasserstein) >= _MIN_MOVE


def shifts(table: Hourly, window: Window, baseline: Window) -> list[Shift]:
    """Each feature that has enough history, in order, against the same hours of earlier days.

    The statistic is the mean ridit (location) or the mean distance of ridits from the middle (spread), whichever says
    more. Its error comes from how earlier days differ from one another, not from the number of samples: thousands of
    samples of one day share one weather.
    """
    days = matched_blocks(table, window, baseline)
    if not len(days):
        return []
    histogram = pooled(table, np.vstack([days, table.within(window)])).histogram
    found = [s for i, feature in enumerate(table.features) if (s := _shift(feature, histogram[:, i])) is not None]
    q = benjamini_hochberg([shift.p_value for shift in found])
    return [replace(shift, q_value=float(value)) for shift, value in zip(found, q, strict=True)]


def _shift(feature: str, histogram: Counts) -> Shift | None:
    """`histogram` int64[K + 1, B], the current one last."""
    baseline, now = histogram[:-1].sum(axis=0), histogram[-1]
    share = drift.shares(np.where(histogram.sum(axis=-1, keepdims=True) >= MIN_ROWS, histogram, 0))
    rank = drift.ridits(baseline)
    location, spread = share @ rank, share @ np.abs(rank - 0.5)
    tests = [departure(values[:-1], float(values[-1]), "both") for values in (location, spread)]
    if not all(test.known for test in tests):
        return None
    place = tests[0]
    return Shift(
        feature=feature,
        move=place.effect,
        low=place.low,
        high=place.high,
        psi=float(drift.psi(baseline, now)),
        wasserstein=float(drift.wasserstein(baseline, now)),
        p_value=min(2 * min(test.p_value for test in tests), 1.0),
        days=place.blocks,
        days_effective=place.df + 1,
    )
