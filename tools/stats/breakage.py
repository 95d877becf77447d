"""Has a feature broken? Its nulls, infinities, scale, variation and categories against its own earlier days.

Weather moves a distribution, a broken pipeline its structure. So structure alone counts as breakage, and only where it
is worse than on every comparable day of the baseline: readings that are missing for hours happen, and so do dry weeks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.compared import Compared, compared
from tools.stats.departures import departures
from tools.stats.drift import total_variation, zero_bin
from tools.stats.hourly import Hourly, Totals, hour_noise, ratio
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.new_values import new_shares
from tools.stats.precedent import chance_of_bad_hours, range_of_medians, worst_share
from tools.stats.profile import Counts, Floats
from tools.stats.robust import MIN_HISTORY
from tools.stats.single_value import runs

Change = Literal["nulls", "constant", "scale", "non_finite", "unseen"]

MIN_ROWS = 30
MAX_Q = 0.01
_MIN_RATIO = math.log10(5)
_MIN_MOVED = 0.2
_MIN_RUN_H = 6
_SAMPLES_ALIKE = 10  # samples of a page share their hour, their airport and often their flight


@dataclass(frozen=True)
class Symptom:
    """One thing that one feature shows. `usual`, `now` and the interval of the difference are in the unit of `change`:
    shares for nulls, non_finite and unseen, log10 of the magnitude for scale, hours in a row for constant.

    `severity` in [0, 1] compares symptoms of different kinds. `p_value` is corrected for the symptoms looked at within
    the feature, `q_value` for the features. `large` says that the effect is beyond its floor and every earlier day.
    """

    feature: str
    change: Change
    usual: float
    now: float
    low: float
    high: float
    severity: float
    p_value: float
    days: int
    large: bool
    q_value: float

    @property
    def broken(self) -> bool:
        return self.large and self.q_value <= MAX_Q


@dataclass(frozen=True)
class Signs:
    """One kind of change looked for in all F features: the fields of `Symptom` as arrays [F], `p_value` NaN where a
    feature could not be checked for it."""

    change: Change
    usual: Floats
    now: Floats
    low: Floats
    high: Floats
    severity: Floats
    p_value: Floats
    days: Counts
    large: NDArray[np.bool_]


class _Share(NamedTuple):
    """A share that may rise: at least by `least`, judged by a standard error of at least `floor`."""

    change: Change
    least: float
    floor: float

    def of(self, sums: Totals) -> tuple[Counts, Counts]:
        """The part and the whole."""
        if self is _LACKING:
            return sums.rows - sums.seen, sums.rows
        if self is _NEW:
            return sums.unseen, sums.judged
        return (sums.nulls if self.change == "nulls" else sums.nonfinite), sums.seen


_LACKING = _Share("unseen", 0.5, 0.01)
"""Samples that do not carry the feature at all."""
_NEW = _Share("unseen", 0.05, 0.01)
"""Samples with a value that the baseline's vocabulary does not know."""
_CHECKS = (_Share("nulls", 0.05, 0.01), _Share("non_finite", 0.01, 0.003), _LACKING, _NEW)


def symptoms(
    table: Hourly, whole: Compared, window: Window, baseline: Window, kinds: Mapping[str, str]
) -> list[Symptom]:
    """The worst symptom of each feature that could be checked, with q values, in the order of features.

    `kinds` is feature → "dense" or "categorical". The whole window is looked at, and its second half, which alone shows
    a fault that began late and made a number smaller. Features with too little history are left out.
    """
    second = window.model_copy(update={"start": window.start + (window.end - window.start) / 2})
    categorical = np.array([kinds.get(feature) == "categorical" for feature in table.features], dtype=bool)
    halves = (whole, compared(table, second, baseline))
    before = table.within(baseline)
    found = [sign for half in halves for sign in _against_earlier_days(table, half, before, categorical)]
    return _worst(table.features, [*found, _constant(table, window, baseline)])


def _worst(features: Sequence[str], signs: Sequence[Signs]) -> list[Symptom]:
    """Of each feature the least likely of the large ones, or of all; its p value pays for having been picked."""
    ordered = sorted(signs, key=lambda sign: sign.change)
    p = np.stack([sign.p_value for sign in ordered])
    small, severity = np.stack([~sign.large for sign in ordered]), np.stack([sign.severity for sign in ordered])
    known = np.isfinite(p)
    best = np.lexsort((-severity, np.where(known, p, np.inf), small, ~known), axis=0)[0]
    at = np.flatnonzero(known.any(axis=0))
    paid = np.minimum(p[best[at], at] * known[:, at].sum(axis=0), 1.0)
    q = benjamini_hochberg(paid)
    return [
        _symptom(features[int(i)], ordered[int(best[i])], int(i), float(own), float(of_all))
        for i, own, of_all in zip(at, paid, q, strict=True)
    ]


def _symptom(feature: str, sign: Signs, i: int, p_value: float, q_value: float) -> Symptom:
    return Symptom(
        feature=feature,
        change=sign.change,
        usual=float(sign.usual[i]),
        now=float(sign.now[i]),
        low=float(sign.low[i]),
        high=float(sign.high[i]),
        severity=float(sign.severity[i]),
        p_value=p_value,
        days=int(sign.days[i]),
        large=bool(sign.large[i]),
        q_value=q_value,
    )


def _against_earlier_days(
    table: Hourly, half: Compared, before: NDArray[np.bool_], categorical: NDArray[np.bool_]
) -> list[Signs]:
    if half.earlier < MIN_HISTORY:
        return []
    sums, histogram = half.sums, half.histogram
    checked = ((sums.seen[:-1] > 0).sum(axis=0) >= MIN_HISTORY) & (sums.rows[-1] >= MIN_ROWS)
    counted = sums.judged.any(axis=0)
    found = [_scale(table, half, before, checked & ~categorical)]
    found.append(_new_bins(histogram, checked & categorical & ~counted))
    for check in _CHECKS:
        found.append(_rise_by_hour(check, table, half, before, checked & counted if check is _NEW else checked))
    return found


def _rise_by_hour(
    check: _Share, table: Hourly, half: Compared, before: NDArray[np.bool_], checked: NDArray[np.bool_]
) -> Signs:
    """A share that rose to what no stretch of the baseline as long as this one ever showed, at whatever hour, for
    longer than its bad hours last; of values, to more than new ones ever make up."""
    part, whole = check.of(table.totals)
    now = half.blocks[-1]
    blocks = _new_values(table, half) if check is _NEW else check.of(half.sums)
    sign = _rise(check, *blocks, hour_noise(part, whole, half.blocks), checked)
    at = np.flatnonzero(sign.large)
    worst = worst_share(part[np.ix_(before, at)], whole[np.ix_(before, at)], int(now.sum()))
    sign.large[at] = sign.now[at] >= worst + check.least / 2
    bad = ratio(part[:, at], whole[:, at]) >= (sign.usual[at] + sign.now[at]) / 2
    sign.p_value[at] = np.fmax(sign.p_value[at], chance_of_bad_hours(bad[before], bad[now]))
    return sign


def _new_values(table: Hourly, half: Compared) -> tuple[Counts, Counts]:
    """Samples with a value that no earlier hour had and that the vocabulary does not know, and all, [K + 1, F]. Ids of
    new things come every day, and are new only once: so each day is judged by those before it, from the middle of the
    baseline on."""
    part, whole = half.sums.unseen.copy(), half.sums.judged.copy()
    for i in np.flatnonzero(ratio(part[-1], whole[-1]) >= _NEW.least):
        shares = new_shares(table.values[table.features[i]], table.totals.count[:, i], half.blocks)
        whole[: _learned(half.earlier), i] = 0
        part[:, i] = np.minimum(np.rint(np.nan_to_num(shares) * whole[:, i]).astype(np.int64), part[:, i])
    return part, whole


def _learned(days: int) -> int:
    """The first day that is judged by those before it."""
    return max(min(days // 2, days - MIN_HISTORY), 1)


def _rise(check: _Share, part: Counts, whole: Counts, noise: Floats, checked: NDArray[np.bool_]) -> Signs:
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


def _new_bins(histogram: Counts, checked: NDArray[np.bool_]) -> Signs:
    """Where values are not counted: the share of values in bins that were empty before. Each earlier day is judged by
    those before it, since what is new on one day is there on the next."""
    part, whole = np.zeros(histogram.shape[:2], dtype=np.int64), histogram.sum(axis=-1)
    whole[: _learned(len(whole) - 1)] = 0
    for i in np.flatnonzero(checked):
        upto = np.cumsum(histogram[:-1, i], axis=0)
        part[1:, i] = np.where(upto == 0, histogram[1:, i], 0).sum(axis=1)
    part[whole == 0] = 0
    return _rise(_NEW, part, whole, np.zeros(part.shape), checked)


def _scale(table: Hourly, half: Compared, before: NDArray[np.bool_], checked: NDArray[np.bool_]) -> Signs:
    """The root mean square of the values that are not zero, in log10: that rain fell at all is no change of scale."""
    sums, histogram = half.sums, half.histogram
    zero = zero_bin(table.edges)
    zeros = np.where(zero >= 0, np.take_along_axis(histogram, np.maximum(zero, 0)[None, :, None], axis=2)[..., 0], 0)
    others = sums.count - zeros
    magnitude = np.where(checked & (others >= MIN_ROWS), log_magnitude(sums.total2, others), np.nan)
    d, now = departures(magnitude[:-1], magnitude[-1]), magnitude[-1]
    moved = np.nan_to_num(total_variation(histogram[:-1].sum(axis=0), histogram[-1]))
    beyond = _beyond(now, np.where(np.isfinite(magnitude[:-1]), magnitude[:-1], np.nan))
    large = (beyond >= _MIN_RATIO) & (moved >= _MIN_MOVED) & np.isfinite(d.effect)
    p, width = d.p_values("both", 0.1), d.half(0.1)
    for i in np.flatnonzero(large):
        series = _magnitude_by_hour(table, int(i), int(zero[i]))
        large[i], p[i] = _lasts(series, half, before), _apart(series, half)
    severity = np.minimum(np.abs(d.effect) / 3, 1.0) * moved
    return Signs("scale", now - d.effect, now, d.effect - width, d.effect + width, severity, p, d.blocks, large)


def log_magnitude(total2: Floats, count: Counts) -> Floats:
    """log10 of the root mean square; NaN where there is none. Squares that overflow stand at 1e300."""
    square = np.where(count > 0, np.minimum(ratio(total2, count), 1e300), 0.0)
    return np.asarray(np.log10(square, out=np.full(square.shape, np.nan), where=square > 0) / 2)


def _beyond(now: Floats, days: Floats) -> Floats:
    """How far each of `now` [F] lies above or below all known `days` [K, F]."""
    above = now - np.where(np.isfinite(days), days, -np.inf).max(axis=0)
    return np.asarray(np.fmax(above, np.where(np.isfinite(days), days, np.inf).min(axis=0) - now))


def _magnitude_by_hour(table: Hourly, i: int, zero: int) -> Floats:
    zeros = table.histograms.of(i)[:, zero] if zero >= 0 else 0
    return log_magnitude(table.totals.total2[:, i], table.totals.count[:, i] - zeros)


def _lasts(series: Floats, half: Compared, before: NDArray[np.bool_]) -> bool:
    """Whether the median hour of the later half lies beyond that of any stretch of the baseline as long. A few wild
    values or one wild hour carry a root mean square, and not this."""
    now = series[half.blocks[-1]]
    now = now[np.isfinite(now)]
    now = now[len(now) // 2 :]
    lowest, highest = range_of_medians(series[before], len(now))
    return len(now) > 0 and max(float(np.median(now)) - highest, lowest - float(np.median(now))) >= _MIN_RATIO


def _apart(series: Floats, half: Compared) -> float:
    """The p value of the median hour against those of the earlier blocks."""
    hours = [series[block & np.isfinite(series)] for block in half.blocks]
    middle = np.array([[np.median(own) if len(own) else np.nan] for own in hours])
    return float(departures(middle[:-1], middle[-1]).p_values("both", 0.1)[0])


def beyond_habit(usual: Floats | float, now: Floats | float) -> NDArray[np.bool_]:
    """Whether the odds of a share are at least ten times the usual ones; a share is taken to lie in [0.005, 0.995].

    Nulls that are a habit follow the world: a cancelled flight has no aircraft, and a storm takes them from 16% to 43%.
    """
    before, after = (np.clip(share, 0.005, 0.995) for share in (usual, now))
    return np.asarray(after / (1 - after) >= 10 * before / (1 - before))


def _constant(table: Hourly, window: Window, baseline: Window) -> Signs:
    """Features that kept one value over the last hours of the window, longer than they ever did in the baseline."""
    found = runs(table, table.within(window), table.within(baseline), 4 * _MIN_RUN_H)
    large = np.isfinite(found.p_value) & (found.length >= _MIN_RUN_H) & (found.rows >= MIN_ROWS)
    large &= found.length > 1.5 * found.longest
    unknown, none = np.full(len(large), np.nan), np.zeros(len(large), dtype=np.int64)
    usual, now = found.longest.astype(np.float64), found.length.astype(np.float64)
    return Signs("constant", usual, now, unknown, unknown, large.astype(np.float64), found.p_value, none, large)
