"""Simple rules that say one day ahead where many daily series will be, for all days at once.

A rule takes `clean` float64[T, S], a row a day without gaps, and `days` int[D], and gives float64[D, S]: what it would
have said of each of those days from the days before it alone, NaN where it cannot tell yet.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tools.stats.profile import Floats
from tools.stats.robust_scale import medians

Days = np.ndarray
_YEAR = 364  # the same weekday of the same season
_WEEKS = (7, 14, 21, 28)


def told(clean: Floats, days: Days) -> Floats:
    """What every rule says of the days, float64[R, D, S]."""
    return np.stack([rule(clean, days) for rule in _RULES])


def lagged(clean: Floats, days: Days, lags: Sequence[int]) -> Floats:
    """The values so many days before, float64[lags, D, S]; NaN before the first day."""
    at = days[None, :] - np.asarray(lags)[:, None]
    found: Floats = clean[np.maximum(at, 0)]
    found[at < 0] = np.nan
    return found


def _level(clean: Floats, days: Days) -> Floats:
    return medians(lagged(clean, days, range(1, 15)))


def _yesterday(clean: Floats, days: Days) -> Floats:
    told: Floats = lagged(clean, days, (1,))[0]
    return told


def _lately(clean: Floats, days: Days) -> Floats:
    return mean(lagged(clean, days, range(1, 5)))


def _week_ago(clean: Floats, days: Days) -> Floats:
    told: Floats = lagged(clean, days, (7,))[0]
    return told


def _same_weekday(clean: Floats, days: Days) -> Floats:
    return mean(lagged(clean, days, _WEEKS))


def _weekday_at_level(clean: Floats, days: Days) -> Floats:
    """The week before, and by how much its weekday used to lie above the week before it; follows a trend exactly."""
    above = mean(np.stack([_above_its_week(clean, days - back) for back in _WEEKS]))
    told: Floats = _week_before(clean, days) + above
    return told


def _weekday_and_yesterday(clean: Floats, days: Days) -> Floats:
    """Its weekday, and most of what yesterday was above its own."""
    told: Floats = _same_weekday(clean, days) + 0.7 * (_yesterday(clean, days) - _same_weekday(clean, days - 1))
    return told


def _on_its_way(clean: Floats, days: Days) -> Floats:
    """Yesterday and a usual step more, as ids and counters go."""
    steps = lagged(clean, days, range(1, 8)) - lagged(clean, days, range(2, 9))
    told: Floats = np.where((days >= 3)[:, None], _yesterday(clean, days) + medians(steps), np.nan)
    return told


def _last_year(clean: Floats, days: Days) -> Floats:
    """The same weekday of the same season, at the level of late."""
    if days[-1] < _YEAR + 7:
        return np.full((len(days), clean.shape[1]), np.nan)
    since = lagged(clean, days, range(1, 8)) - lagged(clean, days - _YEAR, range(1, 8))
    told: Floats = np.where((days >= _YEAR + 7)[:, None], lagged(clean, days, (_YEAR,))[0] + medians(since), np.nan)
    return told


_RULES: tuple[Callable[[Floats, Days], Floats], ...] = (
    _level, _yesterday, _lately, _week_ago, _same_weekday, _weekday_at_level, _weekday_and_yesterday, _on_its_way,
    _last_year,
)  # fmt: skip


def _week_before(clean: Floats, days: Days) -> Floats:
    """The mean of the seven days before; NaN where there are fewer."""
    found: Floats = lagged(clean, days, range(1, 8)).mean(axis=0)
    return found


def _above_its_week(clean: Floats, days: Days) -> Floats:
    found: Floats = lagged(clean, days, (0,))[0] - _week_before(clean, days)
    return found


def mean(rows: Floats) -> Floats:
    """The mean over the first axis, NaN left out; NaN where all are."""
    counted = np.isfinite(rows).sum(axis=0)
    found: Floats = np.divide(np.nansum(rows, axis=0), counted, out=np.full(counted.shape, np.nan), where=counted > 0)
    return found
