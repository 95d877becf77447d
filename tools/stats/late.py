"""Does a feature show again what it showed hours ago? A source that stopped, or that comes late, is served twice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.hourly import Hourly
from tools.stats.precedent import chance_of_run
from tools.stats.profile import Counts, Floats

LAGS_H = (*range(1, 49), 72, 168)
_LEAST_DIFFERENT = 4
_HOUR_S = 3600


@dataclass(frozen=True)
class Repeats:
    """Of each feature: how many of the window's last hours are in a row exactly those of `lag` hours before, the
    longest such run of the baseline, and the chance of it by habit, paid for all lags; arrays [F], `p_value` NaN where
    nothing is repeated."""

    lag: Counts
    length: Counts
    longest: Counts
    p_value: Floats


def repeats(table: Hourly, inside: NDArray[np.bool_], before: NDArray[np.bool_], least: int) -> Repeats:
    """Looks for a run of at least `least` hours at the end of the window in which the smallest and the largest value
    are to the last bit those of some hours before, while they differ from hour to hour.

    That proves it for features that all rows of an hour share, such as weather, prices and counts of yesterday; a
    calendar repeats itself too, and does so in the baseline. A source that comes D hours late repeats for D hours, and
    then shows values that nobody has seen: profiles do not tell these from real ones.
    """
    features = len(table.features)
    lag, length, longest = (np.zeros(features, dtype=np.int64) for _ in range(3))
    p = np.full(features, np.nan)
    latest = table.minimum[inside][::-1]
    changes = np.vstack([np.zeros((2, features)), np.cumsum(latest[1:] != latest[:-1], axis=0)])
    for hours in LAGS_H:
        same, _ = _same(table, inside, hours)
        run = np.logical_and.accumulate(same[::-1], axis=0).sum(axis=0)
        changed = np.take_along_axis(changes, run[None], axis=0)[0] >= _LEAST_DIFFERENT - 1
        for i in np.flatnonzero((run >= least) & (run > length) & changed):
            if len(np.unique(table.minimum[inside, i][-run[i] :])) >= _LEAST_DIFFERENT:
                lag[i], length[i] = hours, run[i]
                longest[i], p[i] = _habit(*_same(table, before, hours, int(i)), int(run[i]))
    return Repeats(lag, length, longest, np.minimum(p * len(LAGS_H), 1.0))


def _same(
    table: Hourly, chosen: NDArray[np.bool_], lag: int, feature: int | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each chosen hour is what it was `lag` hours before, and whether both are known, bool[t, F]."""
    at = np.flatnonzero(chosen)
    back = np.minimum(np.searchsorted(table.ts, table.ts[at] - lag * _HOUR_S), len(table.ts) - 1)
    there = table.ts[back] == table.ts[at] - lag * _HOUR_S
    column = slice(None) if feature is None else slice(feature, feature + 1)
    low, high = table.minimum[:, column], table.maximum[:, column]
    known = there[:, None] & (table.totals.count[at][:, column] > 0) & (table.totals.count[back][:, column] > 0)
    return known & (low[at] == low[back]) & (high[at] == high[back]), known


def _habit(same: NDArray[np.bool_], known: NDArray[np.bool_], length: int) -> tuple[int, float]:
    """The longest run of one feature's hours that are the same as before, and the chance of one of this length."""
    run = longest = 0
    for one in same[:, 0]:
        run = run + 1 if one else 0
        longest = max(longest, run)
    pairs = same[1:] & same[:-1]
    triples = pairs[1:] & pairs[:-1]
    counts = [np.array([part.sum()]) for part in (known, same, pairs, triples)]
    return longest, float(chance_of_run(counts[0], counts[1], counts[2], counts[3], np.array([length]))[0])
