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
from tools.stats.profile import Counts, Floats
from tools.stats.robust import MIN_HISTORY

Change = Literal["nulls", "constant", "scale", "non_finite", "unseen"]

MIN_ROWS = 30
MAX_Q = 0.01
_MIN_RATIO = math.log(5)
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
        if self.change == "unseen":  # here: samples that do not carry the feature at all
            return sums.rows - sums.seen, sums.rows
        return (sums.nulls if self.change == "nulls" else sums.nonfinite), sums.seen


_CHECKS = (_Share("nulls", 0.05, 0.01), _Share("non_finite", 0.01, 0.003), _Share("unseen", 0.5, 0.01))
_NEW = _Share("unseen", 0.05, 0.01)


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
    found = [sign for half in halves for sign in _against_earlier_days(table, half, categorical)]
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


def _against_earlier_days(table: Hourly, half: Compared, categorical: NDArray[np.bool_]) -> list[Signs]:
    if half.earlier < MIN_HISTORY:
        return []
    sums, histogram = half.sums, half.histogram
    checked = ((sums.seen[:-1] > 0).sum(axis=0) >= MIN_HISTORY) & (sums.rows[-1] >= MIN_ROWS)
    found = [_scale(table, sums, histogram, checked & ~categorical)]
    found.append(_new_categories(histogram, checked & categorical))
    for check in _CHECKS:
        part, whole = check.of(sums)
        found.append(_rise(check, part, whole, hour_noise(*check.of(table.totals), half.blocks), checked))
    return found


def _rise(check: _Share, part: Counts, whole: Counts, noise: Floats, checked: NDArray[np.bool_]) -> Signs:
    """A share that rose: part / whole on the earlier days and now, both [K + 1, F], with their standard errors."""
    share = np.where(checked, ratio(part, whole), np.nan)
    d = departures(share[:-1], share[-1], noise)
    usual, now = share[-1] - d.effect, share[-1]
    floor = np.hypot(check.floor, _sampling_error(part[:-1], whole[:-1], usual, whole[-1]))
    worst_day = np.nan_to_num(share[:-1], nan=0.0).max(axis=0)
    large = (d.effect >= check.least) & (now >= worst_day + check.least / 2) & beyond_habit(usual, now)
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


def _new_categories(histogram: Counts, checked: NDArray[np.bool_]) -> Signs:
    """The share of values in bins that no other day had; each earlier day is judged by the others."""
    part, whole = np.zeros(histogram.shape[:2], dtype=np.int64), histogram.sum(axis=-1)
    for i in np.flatnonzero(checked):
        baseline = histogram[:-1, i].sum(axis=0)
        others = np.vstack([baseline - histogram[:-1, i], baseline])
        part[:, i] = np.where(others == 0, histogram[:, i], 0).sum(axis=1)
    return _rise(_NEW, part, whole, np.zeros(part.shape), checked)


def _scale(table: Hourly, sums: Totals, histogram: Counts, checked: NDArray[np.bool_]) -> Signs:
    """The root mean square of the values that are not zero, in log10: that rain fell at all is no change of scale."""
    zero = zero_bin(table.edges)
    zeros = np.where(zero >= 0, np.take_along_axis(histogram, np.maximum(zero, 0)[None, :, None], axis=2)[..., 0], 0)
    others = sums.count - zeros
    square = np.where(others > 0, np.minimum(ratio(sums.total2, others), 1e300), np.nan)
    usable = checked & (others >= MIN_ROWS) & (square > 0)
    magnitude = np.log10(square, out=np.full(square.shape, np.nan), where=usable) / 2
    d, now = departures(magnitude[:-1], magnitude[-1]), magnitude[-1]
    above = now - np.where(np.isfinite(magnitude[:-1]), magnitude[:-1], -np.inf).max(axis=0)
    below = np.where(np.isfinite(magnitude[:-1]), magnitude[:-1], np.inf).min(axis=0) - now
    moved = np.nan_to_num(total_variation(histogram[:-1].sum(axis=0), histogram[-1]))
    severity = np.minimum(np.abs(d.effect) / 3, 1.0) * moved
    large = (np.fmax(above, below) * math.log(10) >= _MIN_RATIO) & (moved >= _MIN_MOVED) & np.isfinite(d.effect)
    p, half = d.p_values("both", 0.1), d.half(0.1)
    return Signs("scale", now - d.effect, now, d.effect - half, d.effect + half, severity, p, d.blocks, large)


def beyond_habit(usual: Floats | float, now: Floats | float) -> NDArray[np.bool_]:
    """Whether the odds of a share are at least ten times the usual ones; a share is taken to lie in [0.005, 0.995].

    Nulls that are a habit follow the world: a cancelled flight has no aircraft, and a storm takes them from 16% to 43%.
    """
    before, after = (np.clip(share, 0.005, 0.995) for share in (usual, now))
    return np.asarray(after / (1 - after) >= 10 * before / (1 - before))


def _constant(table: Hourly, window: Window, baseline: Window) -> Signs:
    """Features that kept one value over the last hours of the window, longer than they ever did in the baseline."""
    length, rows = _last_run(table, table.within(window))
    longest, repeats, steps = _runs(table, table.within(baseline))
    checked = (steps >= 4 * _MIN_RUN_H) & (length > 0)
    with np.errstate(under="ignore"):
        p = np.where(checked, ((repeats + 1) / (steps + 2)) ** np.maximum(length - 1, 0), np.nan)
    large = checked & (length >= _MIN_RUN_H) & (rows >= MIN_ROWS) & (length > 1.5 * longest)
    unknown, none = np.full(len(p), np.nan), np.zeros(len(p), dtype=np.int64)
    return Signs(
        "constant",
        longest.astype(np.float64),
        length.astype(np.float64),
        unknown,
        unknown,
        large.astype(np.float64),
        p,
        none,
        large,
    )


def _last_run(table: Hourly, inside: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """How many of each feature's last hours, and samples in them, hold one value only, int64[F]; hours without values
    are passed over."""
    features = len(table.features)
    length, rows = np.zeros(features, dtype=np.int64), np.zeros(features, dtype=np.int64)
    value, going = np.full(features, np.nan), np.ones(features, dtype=bool)
    for t in np.flatnonzero(inside)[::-1]:
        filled = table.totals.count[t] > 0
        value = np.where(np.isnan(value) & filled, table.minimum[t], value)
        same = (table.minimum[t] == value) & (table.maximum[t] == value)
        going &= same | ~filled
        length += going & filled
        rows += np.where(going & filled, table.totals.count[t], 0)
    return length, rows


def _runs(table: Hourly, before: NDArray[np.bool_]) -> tuple[Counts, Counts, Counts]:
    """Of each feature the longest run of hours with one value, how often the next hour kept it, and how many next hours
    there were, int64[F]."""
    run, longest, repeats, hours = (np.zeros(len(table.features), dtype=np.int64) for _ in range(4))
    value = np.full(len(table.features), np.nan)
    for t in np.flatnonzero(before):
        filled = table.totals.count[t] > 0
        single = filled & (table.minimum[t] == table.maximum[t])
        kept = single & (table.minimum[t] == value)
        run = np.where(kept, run + 1, np.where(filled, single.astype(np.int64), run))
        value = np.where(filled, np.where(single, table.minimum[t], np.nan), value)
        longest, repeats, hours = np.maximum(longest, run), repeats + kept, hours + filled
    return longest, repeats, np.maximum(hours - 1, 0)
