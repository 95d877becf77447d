"""Is today's value of each of many daily series where its own past would put it?

Every series is predicted one day ahead by several simple rules (its level, yesterday, a week ago, its weekday, its
weekday with the level of late, a year ago) and goes by the rule that erred least: differencing picks itself, as in
Auto-Validate-by-History (Tu et al. 2023) and GATE (Shankar et al. 2023). The errors that the same procedure made on the
days before say how large an error is by chance: they are pooled over the series of one kind, since a single short
series cannot tell how heavy its tails are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from tools.stats.profile import Floats
from tools.stats.robust_scale import groups_of, moderated

MIN_DAYS = 12
"""Days of a series before anything is said about the next: a weekday must have come round, and errors been made."""
_MEMORY = 28
_FIRST_ERRORS = 4
_MANY = 60  # errors of a kind that can tell how heavy their tails are
_CUT = 8.0  # errors beyond this many deviations are incidents, which later days must not be predicted from
_YEAR = 364  # the same weekday of the same season


@dataclass(frozen=True)
class Ahead:
    """What the past says of today, for each of S series: `predicted` float64[S], `p_value` float64[S] (two sided; NaN
    where nothing can be said), `half` half the width of the 95% interval, `days` how many days speak, and `z`
    float64[T, S], the errors of all days in their scales, today's last."""

    predicted: Floats
    p_value: Floats
    half: Floats
    days: np.ndarray
    z: Floats


def day_ahead(values: Floats, kinds: Sequence[str], noise: Floats) -> Ahead:
    """Judge the last row of float64[T, S], one row a day (NaN where a day is missing), by the rows before it.

    `kinds` names what each series is; tails are pooled within a kind. `noise` float64[T, S] is the least standard error
    of each value, by what it was counted on.

    The past is walked twice, as it was and with its incidents passed over, and the milder of the two judgements stands:
    an incident must not make the day after it one, nor a change that has come to stay each day from then on.
    """
    as_it_was, passed_over = (_judge(values, kinds, noise, passed_over) for passed_over in (False, True))
    milder = np.nan_to_num(passed_over.p_value, nan=2.0) > np.nan_to_num(as_it_was.p_value, nan=2.0)
    both = {name: (getattr(as_it_was, name), getattr(passed_over, name)) for name in Ahead.__annotations__}
    return Ahead(**{name: np.where(milder, second, first) for name, (first, second) in both.items()})


def _judge(values: Floats, kinds: Sequence[str], noise: Floats, passed_over: bool) -> Ahead:
    walk = _Walk(values, kinds, noise, passed_over)
    for day in range(1, len(values)):
        walk.step(day)
    z = walk.errors / walk.scales
    p, half = _p_values(np.abs(z), groups_of(kinds))
    days = walk.known[:-1].sum(axis=0)
    p[(days < MIN_DAYS) | ~np.isfinite(z[-1])] = np.nan
    return Ahead(values[-1] - walk.errors[-1], p, half * walk.scales[-1], days, z)


class _Tail(NamedTuple):
    """Of errors |z|: a tenth are beyond `start`, and those follow a generalised Pareto law of this shape and scale."""

    start: float
    shape: float
    scale: float

    def beyond(self, z: Floats) -> Floats:
        """The chance of an error of at least z, for z beyond the start."""
        far = np.maximum(z - self.start, 0.0) / self.scale
        if self.shape < 1e-3:
            return np.asarray(0.1 * np.exp(-far))
        return np.asarray(0.1 * (1 + self.shape * far) ** (-1 / self.shape))


def _p_values(z: Floats, groups: Sequence[np.ndarray]) -> tuple[Floats, Floats]:
    """Two-sided p values of the last row of |z| float64[T, S], and the z that 95% stay within, by series.

    By the errors of all series of a kind on the days before: by their share within what they have shown, and beyond it
    by their tail (peaks over a threshold, Pickands 1975). A kind with few errors takes the typical tail of the others.
    """
    p, half = np.full(z.shape[1], np.nan), np.full(z.shape[1], np.nan)
    pasts = [_lively(z[-1 - _MEMORY : -1, group]) for group in groups]
    tails = [_tail(past) if len(past) >= _MANY else None for past in pasts]
    shapes = [tail.shape for tail in tails if tail]
    typical = min(1 / max(float(np.median(shapes)), 1 / 30), 30.0) if shapes else 5.0
    for group, past, tail in zip(groups, pasts, tails, strict=True):
        if tail is None:
            p[group], half[group] = _of_few(z[-1, group], past, typical)
            continue
        share = ((past[None, :] >= z[-1, group][:, None]).sum(axis=1) + 1) / (len(past) + 1)
        p[group] = np.where(z[-1, group] > tail.start, np.fmin(tail.beyond(z[-1, group]), share), share)
        half[group] = float(np.quantile(past, 0.95))
    return p, half


def _lively(z: Floats) -> Floats:
    """The known errors of the series that move at all: one that never does would make the others look wild."""
    size = np.sqrt(_mean(list(np.minimum(z, 4.0) ** 2)))
    found: Floats = z[:, size >= 0.3]
    return found[np.isfinite(found)]


def _tail(past: Floats) -> _Tail:
    """By probability-weighted moments (Hosking & Wallis 1987), the shape between 0 and 1/3; what is far beyond all else
    is an incident of the past, and is drawn in."""
    start = float(np.quantile(past, 0.9))
    excess = np.sort(np.minimum(past, np.quantile(past, 0.998))[past > start] - start)
    n, first = len(excess), float(excess.mean())
    weighted = float(np.mean((1 - (np.arange(1, n + 1) - 0.35) / n) * excess))
    apart = max(first - 2 * weighted, 1e-9)
    shape = min(max(2 - first / apart, 0.0), 1 / 3)
    return _Tail(start, shape, max(first * (1 - shape), 1e-3))


def _of_few(z: Floats, past: Floats, typical: float) -> tuple[Floats, float]:
    """p values by Student's t, of as many degrees of freedom as the typical tail and the number of errors allow."""
    df = 1 / (1 / typical + 1 / max(len(past), MIN_DAYS - _FIRST_ERRORS))
    scale = max(1.0, math.sqrt(float(np.mean(np.minimum(past, 4.0) ** 2)))) if len(past) else 1.0
    return np.asarray(2 * stats.t.sf(z / scale, df)), float(stats.t.isf(0.025, df)) * scale


class _Walk:
    """The days one after another, each predicted from those before it."""

    def __init__(self, values: Floats, kinds: Sequence[str], noise: Floats, passed_over: bool) -> None:
        days, series = values.shape
        self.values, self.known = values, np.isfinite(values)
        self._groups, self._passed_over = groups_of(kinds), passed_over
        self._noise = np.where(np.isfinite(noise), noise, 0.0)
        self._usual_noise = np.maximum(_median(noise), 1e-12)
        self._clean = np.full((days, series), np.nan)
        self._clean[0] = values[0]
        self._weekday = np.full((days, series), np.nan)
        self._wrong = np.full((days, len(_RULES), series), np.nan)
        self._cut = np.zeros((days, series), dtype=bool)
        self.errors, self.scales = np.full((days, series), np.nan), np.full((days, series), np.nan)

    def step(self, day: int) -> None:
        """Predict a day by every rule, and hold it against what came."""
        self._weekday[day] = _mean([self._clean[day - back] for back in (7, 14, 21, 28) if back <= day])
        told = np.stack([rule(self._clean, self._weekday, day) for rule in _RULES])
        past = self._wrong[max(0, day - _MEMORY) : day]
        spread, counted = _spread(past)
        spread[counted < _FIRST_ERRORS] = np.inf
        best = np.argmin(np.where(np.isfinite(told), spread, np.inf), axis=0)
        at = np.arange(told.shape[1])
        predicted, own, n = told[best, at], spread[best, at], counted[best, at]
        usable = np.isfinite(own)
        lent = moderated(np.where(usable, own, np.nanmedian(own[usable]) if usable.any() else 1.0), n, self._groups)
        noisier = np.maximum(self._noise[day] / self._usual_noise, 1.0)
        self.scales[day] = np.where(usable, np.maximum(lent * noisier, self._noise[day]), np.nan)
        self._wrong[day] = self.values[day] - told
        self.errors[day] = self.values[day] - predicted
        self._keep(day, predicted)

    def _keep(self, day: int, predicted: Floats) -> None:
        """What later days are predicted from: an incident is passed over, unless it stays for a third day."""
        far = np.abs(self.errors[day]) > _CUT * self.scales[day]
        stays = self._cut[day - 1] & self._cut[day - 2] if day >= 2 else np.zeros_like(far)
        self._cut[day] = far & ~stays
        missing = ~self.known[day] | (self._cut[day] & self._passed_over)
        self._clean[day] = np.where(missing, predicted, self.values[day])
        gap = np.isnan(self._clean[day])
        self._clean[day, gap] = self._clean[day - 1, gap]


def _level(clean: Floats, _weekday: Floats, day: int) -> Floats:
    return _median(clean[max(0, day - 14) : day])


def _yesterday(clean: Floats, _weekday: Floats, day: int) -> Floats:
    told: Floats = clean[day - 1]
    return told


def _lately(clean: Floats, _weekday: Floats, day: int) -> Floats:
    return _mean(list(clean[max(0, day - 4) : day]))


def _week_ago(clean: Floats, _weekday: Floats, day: int) -> Floats:
    told: Floats = clean[day - 7] if day >= 7 else np.full(clean.shape[1], np.nan)
    return told


def _same_weekday(_clean: Floats, weekday: Floats, day: int) -> Floats:
    told: Floats = weekday[day]
    return told


def _weekday_at_level(clean: Floats, weekday: Floats, day: int) -> Floats:
    """Its weekday, and by how much the last week ran above its weekdays."""
    told: Floats = weekday[day] + _median(clean[max(0, day - 7) : day] - weekday[max(0, day - 7) : day])
    return told


def _weekday_and_yesterday(clean: Floats, weekday: Floats, day: int) -> Floats:
    """Its weekday, and most of what yesterday was above its own."""
    told: Floats = weekday[day] + 0.7 * (clean[day - 1] - weekday[day - 1])
    return told


def _on_its_way(clean: Floats, _weekday: Floats, day: int) -> Floats:
    """Yesterday and a usual step more, as ids and counters go."""
    if day < 3:
        return np.full(clean.shape[1], np.nan)
    told: Floats = clean[day - 1] + _median(np.diff(clean[max(0, day - 8) : day], axis=0))
    return told


def _last_year(clean: Floats, _weekday: Floats, day: int) -> Floats:
    """The same weekday of the same season, at the level of late."""
    if day < _YEAR + 7:
        return np.full(clean.shape[1], np.nan)
    told: Floats = clean[day - _YEAR] + _median(clean[day - 7 : day] - clean[day - _YEAR - 7 : day - _YEAR])
    return told


_RULES = (
    _level, _yesterday, _lately, _week_ago, _same_weekday, _weekday_at_level, _weekday_and_yesterday, _on_its_way,
    _last_year,
)  # fmt: skip


def _spread(errors: Floats) -> tuple[Floats, np.ndarray]:
    """The robust deviation of errors [D, R, S] over the days, and their number: the root mean square of errors that are
    drawn in to three median deviations (Huber's second proposal, one step)."""
    counted = np.isfinite(errors).sum(axis=0)
    size = np.abs(errors)
    middle = 1.4826 * _median(size)
    drawn = np.minimum(size, 3 * middle) ** 2
    total = np.nansum(drawn, axis=0)
    square = np.divide(total, counted, out=np.full(total.shape, np.inf), where=counted > 0)
    return np.sqrt(square), counted


def _mean(rows: Sequence[Floats]) -> Floats:
    """The mean over rows, NaN left out; NaN where all are."""
    stacked = np.array(rows) if len(rows) else np.empty((0, 0))
    if not len(rows):
        return np.array(np.nan)
    counted = np.isfinite(stacked).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    found: Floats = np.divide(total, counted, out=np.full(total.shape, np.nan), where=counted > 0)
    return found


def _median(rows: Floats) -> Floats:
    """The median over the first axis, NaN left out; NaN where all are."""
    ordered = np.sort(rows, axis=0)  # NaN goes last
    counted = np.isfinite(rows).sum(axis=0)
    if not len(rows):
        return np.full(rows.shape[1:], np.nan)
    low, high = np.maximum((counted - 1) // 2, 0), np.minimum(counted // 2, len(rows) - 1)
    picked = [np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, high)]
    found: Floats = np.where(counted > 0, (picked[0] + picked[1]) / 2, np.nan)
    return found
