"""Has a feature's distribution moved more than it does from one day to the next?"""

from dataclasses import dataclass

import numpy as np

from tools.stats import drift
from tools.stats.category_shift import mix_shift
from tools.stats.compared import Compared
from tools.stats.correlation import without_hours_of_day
from tools.stats.departures import departures
from tools.stats.hourly import Hourly
from tools.stats.levels import baseline_ridits, normal_scores
from tools.stats.memory import Apart, chance_apart
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.profile import Counts, Floats
from tools.stats.signs import MIN_ROWS

MAX_Q = 0.01
MIN_MOVE = 0.03
"""A move by a tenth of a standard deviation; below it a shift is true, and does not matter."""
MIN_SPREAD = 0.1
_SPREAD_DF = 3.0  # spreads of days are skewed, and more so where the days wander; this tail forgives it
_FLAT = 1e-9


@dataclass(frozen=True)
class Shift:
    """`move` is the chance that a current value exceeds a baseline one, less a half; [low, high] its 95% interval.

    `spread` is the logarithm of how much wider the distribution is, in standard deviations of normal scores.
    `psi` and `wasserstein` (in shares of the baseline) are effect sizes. Where values are counted there is no order:
    then `move` and `spread` are NaN, and `wasserstein`, all values being equally far apart, is the share of samples
    with other values than usual. `days` is the number of earlier days and `days_effective` what it is worth after the
    correlation of each day with the next.
    """

    feature: str
    move: float
    low: float
    high: float
    spread: float
    psi: float
    wasserstein: float
    p_value: float
    days: int
    days_effective: float
    q_value: float

    @property
    def moved(self) -> bool:
        far = abs(self.move) >= MIN_MOVE or self.wasserstein >= MIN_MOVE or abs(self.spread) >= MIN_SPREAD
        return self.q_value <= MAX_Q and far


def shifts(table: Hourly, whole: Compared, levels: Floats) -> list[Shift]:
    """Each feature that has enough history, in order of the table's features; `levels` float64[T, F + 1] as
    `hourly_levels` gives them.

    The statistic is the mean of normal scores of the ridits (location, van der Waerden 1952: unlike ridits, scores are
    not squeezed at their ends) or their spread, whichever says more. Location's
    error is the larger one of two: how earlier days differ from one another, and how far the hours of a series with
    this memory carry it by chance. Neither is the number of samples: thousands of samples of one day share one weather,
    and one page is shown many times.
    """
    features, histogram = table.features, whole.histogram
    baseline, now = histogram[:-1].sum(axis=0), histogram[-1]
    rank = baseline_ridits(histogram)
    score = normal_scores(rank)
    chance = departures(*_split(_mean(histogram, rank)))
    location = departures(*_split(_mean(histogram, score))).at_least(_by_chance(table, whole, levels[:, :-1]))
    spread = departures(*_split(_spread(histogram, score))).with_df(_SPREAD_DF)
    p = np.minimum(2 * np.fmin(location.p_values("both"), spread.p_values("both")), 1.0)
    psi, apart = drift.psi(baseline, now), drift.wasserstein(baseline, now)
    effect, half, spreads, days, worth = (
        chance.effect.copy(), chance.half(), spread.effect.copy(), location.blocks.copy(), location.df + 1
    )  # fmt: skip
    for i in (i for i, name in enumerate(features) if name in table.values):
        mix = mix_shift(table, whole, features[i])
        effect[i] = half[i] = spreads[i] = np.nan
        p[i], psi[i], apart[i] = (mix.p_value, mix.psi, mix.other) if mix else (np.nan,) * 3
        days[i], worth[i] = (mix.days, mix.days) if mix else (0, np.nan)
    q = benjamini_hochberg(p)
    return [
        Shift(
            feature=features[i],
            move=float(effect[i]),
            low=float(effect[i] - half[i]),
            high=float(effect[i] + half[i]),
            spread=float(spreads[i]),
            psi=float(psi[i]),
            wasserstein=float(apart[i]),
            p_value=float(p[i]),
            days=int(days[i]),
            days_effective=float(worth[i]),
            q_value=float(q[i]),
        )
        for i in range(len(features))
        if np.isfinite(p[i])
    ]


def _by_chance(table: Hourly, whole: Compared, levels: Floats) -> Apart:
    """How far the mean levels of the window lie from those of the time before it, by the memory of the hours."""
    ts, now = table.ts, whole.blocks[-1]
    series = without_hours_of_day(levels, ts) if whole.by_hour else levels
    return chance_apart(series, ts, ts < ts[now].min(), now)


def _mean(histogram: Counts, score: Floats) -> Floats:
    """The mean score of each block and feature, float64[K + 1, F]; NaN where there are too few values."""
    found = np.full(histogram.shape[:2], np.nan)
    for k, counts in enumerate(histogram):
        size = counts.sum(axis=-1)
        np.divide(np.einsum("fb,fb->f", counts, score), size, out=found[k], where=size >= MIN_ROWS)
    return found


def _spread(histogram: Counts, score: Floats) -> Floats:
    """The logarithm of the standard deviation of each block's scores about their own mean, [K + 1, F]."""
    variance = _mean(histogram, score**2) - _mean(histogram, score) ** 2
    return np.log(variance, out=np.full(variance.shape, np.nan), where=variance > _FLAT) / 2


def _split(blocks: Floats) -> tuple[Floats, Floats]:
    return blocks[:-1], blocks[-1]
