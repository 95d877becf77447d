"""Shares that rose: of nulls, of infinite values, of samples without the feature, of values that nobody knows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.stats.compared import Compared
from tools.stats.departures import departures
from tools.stats.hourly import Hourly, Totals, hour_noise, ratio
from tools.stats.new_values import new_shares
from tools.stats.precedent import chance_of_bad_hours, worst_share
from tools.stats.profile import Counts, Floats
from tools.stats.robust import MIN_HISTORY
from tools.stats.signs import Change, Signs

_SAMPLES_ALIKE = 10  # samples of a page share their hour, their airport and often their flight


class Share(NamedTuple):
    """A share that may rise: at least by `least`, judged by a standard error of at least `floor`."""

    change: Change
    least: float
    floor: float

    def of(self, sums: Totals) -> tuple[Counts, Counts]:
        """The part and the whole."""
        if self is LACKING:
            return sums.rows - sums.seen, sums.rows
        if self is NEW:
            return sums.unseen, sums.judged
        return (sums.nulls if self.change == "nulls" else sums.nonfinite), sums.seen


LACKING = Share("unseen", 0.5, 0.01)
"""Samples that do not carry the feature at all."""
NEW = Share("unseen", 0.05, 0.01)
"""Samples with a value that the baseline's vocabulary does not know."""
CHECKS = (Share("nulls", 0.05, 0.01), Share("non_finite", 0.01, 0.003), LACKING, NEW)


def rise_by_hour(
    check: Share, table: Hourly, half: Compared, before: NDArray[np.bool_], checked: NDArray[np.bool_]
) -> Signs:
    """A share that rose to what no stretch of the baseline as long as this one ever showed, at whatever hour, for
    longer than its bad hours last; of values, to more than new ones ever make up."""
    part, whole = check.of(table.totals)
    now = half.blocks[-1]
    blocks = _new_values(table, half) if check is NEW else check.of(half.sums)
    sign = rise(check, *blocks, hour_noise(part, whole, half.blocks), checked)
    at = np.flatnonzero(sign.large)
    worst = worst_share(part[np.ix_(before, at)], whole[np.ix_(before, at)], int(now.sum()))
    sign.large[at] = sign.now[at] >= worst + check.least / 2
    bad = ratio(part[:, at], whole[:, at]) >= (sign.usual[at] + sign.now[at]) / 2
    lead = _between(before, now)
    sign.p_value[at] = np.fmax(sign.p_value[at], chance_of_bad_hours(bad[before], bad[lead], bad[now]))
    return sign


def _between(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The hours after those of `before` and ahead of those of `now`, all bool[T]."""
    hours = np.arange(len(now))
    return np.asarray(
        (hours > np.flatnonzero(before).max(initial=-1)) & (hours < np.flatnonzero(now).min(initial=len(now)))
    )


def _new_values(table: Hourly, half: Compared) -> tuple[Counts, Counts]:
    """Samples with a value that no earlier hour had and that the vocabulary does not know, and all, [K + 1, F]. Ids of
    new things come every day, and are new only once: so each day is judged by those before it, from the middle of the
    baseline on."""
    part, whole = half.sums.unseen.copy(), half.sums.judged.copy()
    for i in np.flatnonzero(ratio(part[-1], whole[-1]) >= NEW.least):
        shares = new_shares(table.values[table.features[i]], table.totals.count[:, i], half.blocks)
        whole[: _learned(half.earlier), i] = 0
        part[:, i] = np.minimum(np.rint(np.nan_to_num(shares) * whole[:, i]).astype(np.int64), part[:, i])
    return part, whole


def _learned(days: int) -> int:
    """The first day that is judged by those before it."""
    return max(min(days // 2, days - MIN_HISTORY), 1)


def rise(check: Share, part: Counts, whole: Counts, noise: Floats, checked: NDArray[np.bool_]) -> Signs:
    """A share that rose: part / whole on the earlier days and now, both [K + 1, F], with their standard errors."""
    share = np.where(checked, ratio(part, whole), np.nan)
    d = departures(share[:-1], share[-1], noise)
    usual, now = share[-1] - d.effect, share[-1]
    floor = np.hypot(check.floor, _sampling_error(part[:-1], whole[:-1], usual, whole[-1]))
    worst = np.nan_to_num(share[:-1], nan=0.0).max(axis=0)
    large = (d.effect >= check.least) & (now >= worst + check.least / 2) & beyond_habit(usual, now)
    half, severity = d.half(floor), np.clip(d.effect, 0.0, 1.0)
    return Signs(
        check.change, usual, now, d.effect - half, d.effect + half, severity, d.p_values("high", floor), d.blocks, large
    )


def _sampling_error(part: Counts, whole: Counts, usual: Floats, now: Counts) -> Floats:
    """The standard error of each share of `now` samples if nothing has changed (the null of a score test).

    What never happened in the baseline is taken to be as frequent as would have left it unseen half of the time or so.
    """
    before = (part.sum(axis=0) / _SAMPLES_ALIKE + 0.5) / (whole.sum(axis=0) / _SAMPLES_ALIKE + 1)
    share = np.minimum(np.fmax(usual, before), 0.5)
    return np.asarray(np.sqrt(share * (1 - share) * ratio(np.full(len(now), _SAMPLES_ALIKE), now)))


def new_bins(histogram: Counts, checked: NDArray[np.bool_]) -> Signs:
    """Where values are not counted: the share of values in bins that were empty before. Each earlier day is judged by
    those before it, since what is new on one day is there on the next."""
    part, whole = np.zeros(histogram.shape[:2], dtype=np.int64), histogram.sum(axis=-1)
    whole[: _learned(len(whole) - 1)] = 0
    for i in np.flatnonzero(checked):
        upto = np.cumsum(histogram[:-1, i], axis=0)
        part[1:, i] = np.where(upto == 0, histogram[1:, i], 0).sum(axis=1)
    part[whole == 0] = 0
    return rise(NEW, part, whole, np.zeros(part.shape), checked)


def beyond_habit(usual: Floats | float, now: Floats | float) -> NDArray[np.bool_]:
    """Whether the odds of a share are at least ten times the usual ones; a share is taken to lie in [0.005, 0.995].

    Nulls that are a habit follow the world: a cancelled flight has no aircraft, and a storm takes them from 16% to 43%.
    """
    before, after = (np.clip(share, 0.005, 0.995) for share in (usual, now))
    return np.asarray(after / (1 - after) >= 10 * before / (1 - before))
