"""Is today's value of each of many daily series where its own past would put it?

Every series is predicted one day ahead by several simple rules (`tools.stats.daily_rules`) and goes by the rule that
erred least: differencing picks itself, as in Auto-Validate-by-History (Tu et al. 2023) and GATE (Shankar et al. 2023).
The errors that the same procedure made on the days before say how large an error is by chance
(`tools.stats.error_tails`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tools.stats.daily_rules import lagged, told
from tools.stats.error_tails import p_values
from tools.stats.profile import Floats
from tools.stats.robust_scale import Groups, drawn, groups_of, lent, medians

MIN_DAYS = 12
"""Days of a series before anything is said about the next: a weekday must have come round, and errors been made."""
_MEMORY = 28  # days whose errors say which rule is the best, and how wrong it is
_JUDGED = 42  # days whose errors say how heavy the tails are, none from when less than half of today's past was known
_FIRST_ERRORS = 4
_CUT = 8.0  # errors beyond this many deviations are incidents, which later days must not be predicted from
_BLOCK = 1024  # series at a time, so that memory is bounded


@dataclass(frozen=True)
class Ahead:
    """What the past says of today, for each of S series: `predicted` float64[S], `p_value` float64[S] (two sided; NaN
    where nothing can be said), `half` half the width of the 95% interval, `days` how many days speak, and `z`
    float64[D, S], the errors of the latest days in their scales, today's last."""

    predicted: Floats
    p_value: Floats
    half: Floats
    days: np.ndarray
    z: Floats


def day_ahead(values: Floats, kinds: Sequence[str], noise: Floats) -> Ahead:
    """Judge the last row of float64[T, S], one row a day (NaN where a day is missing), by the rows before it.

    `kinds` names what each series is; tails are pooled within a kind. `noise` float64[T, S] is the least standard error
    of each value, by what it was counted on.

    The past is walked as it was, and again with its incidents passed over where it had any, and the milder of the two
    judgements stands: an incident must not make the day after it one, nor a change that has come to stay each day from
    then on.
    """
    last, groups = len(values) - 1, groups_of(kinds)
    days = np.arange(max(1, last // 2, last - _JUDGED), last + 1)
    noises = _Noise.of(noise, days)
    clean = _without_gaps(values)
    as_it_was = _as_it_was(values, clean, days, noises, groups)
    first = _judged(values, as_it_was, groups)
    held = np.flatnonzero((np.abs(as_it_was.z(values)) > _CUT).any(axis=0))
    if not len(held):
        return first
    second = _judged(values, _passed_over(values, clean, as_it_was, noises, held), groups)
    milder = np.nan_to_num(second.p_value, nan=2.0) > np.nan_to_num(first.p_value, nan=2.0)
    both = {name: (getattr(first, name), getattr(second, name)) for name in Ahead.__annotations__}
    return Ahead(**{name: np.where(milder, now, then) for name, (then, now) in both.items()})


class _Noise(NamedTuple):
    """The least standard errors float64[D, S], and how much noisier than usual each day is, never less than one."""

    least: Floats
    times: Floats

    @staticmethod
    def of(noise: Floats, days: np.ndarray) -> "_Noise":
        least = np.where(np.isfinite(noise[days]), noise[days], 0.0)
        return _Noise(least, np.maximum(least / np.maximum(medians(noise), 1e-12), 1.0))


@dataclass(frozen=True)
class _Walked:
    """What was predicted of each of the days int[D], float64[D, S], in what scale, and the spread that its kind lends
    to a series."""

    days: np.ndarray
    predicted: Floats
    scale: Floats
    lent: Floats

    def z(self, values: Floats) -> Floats:
        found: Floats = (values[self.days] - self.predicted) / self.scale
        return found


class _Best(NamedTuple):
    """What the rule that erred least says, how much it erred, and on how many days."""

    predicted: Floats
    spread: Floats
    counted: Floats

    @staticmethod
    def of(said: Floats, wrong: Floats) -> "_Best":
        """Of what the rules say float64[R, ...], and their errors on the days before float64[past, R, ...]."""
        spread, counted = _spread(wrong)
        spread[counted < _FIRST_ERRORS] = np.inf
        at = np.argmin(np.where(np.isfinite(said), spread, np.inf), axis=0)[None]
        best = _Best(*(np.take_along_axis(of, at, axis=0)[0] for of in (said, spread, counted)))
        return best._replace(spread=np.where(np.isfinite(best.spread), best.spread, np.nan))

    def scale(self, lent: Floats, noise: _Noise) -> Floats:
        found: Floats = np.maximum(drawn(self.spread, lent, self.counted) * noise.times, noise.least)
        return found


def _as_it_was(values: Floats, clean: Floats, days: np.ndarray, noise: _Noise, groups: Groups) -> _Walked:
    walked = np.arange(max(1, days[0] - _MEMORY), days[-1] + 1)
    blocks = []
    for start in range(0, values.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        said = told(clean[:, block], walked)
        wrong = np.moveaxis(values[walked, block] - said, 0, 1)  # [days, rules, series]
        before = np.moveaxis(lagged(wrong, days - walked[0], range(1, _MEMORY + 1)), 1, 2)
        blocks.append(_Best.of(said[:, days - walked[0]], before))
    best = _Best(*(np.concatenate(part, axis=-1) for part in zip(*blocks, strict=True)))
    from_kind = lent(best.spread, groups)
    return _Walked(days, best.predicted, best.scale(from_kind, noise), from_kind)


def _passed_over(values: Floats, clean: Floats, walked: _Walked, noise: _Noise, held: np.ndarray) -> _Walked:
    """The same walk with the incidents of these series int[H] passed over; one that stays for a third day is a change
    of level, and moves the whole past with it."""
    days, clean, values = walked.days, clean[:, held], values[:, held]
    predicted, scale = walked.predicted.copy(), walked.scale.copy()
    earlier = np.arange(max(1, days[0] - _MEMORY), days[0])
    wrong = [*np.moveaxis(values[earlier] - told(clean, earlier), 0, 1)] if len(earlier) else []
    cut, errors = [np.zeros(len(held), dtype=bool)] * 2, [np.zeros(len(held))] * 2
    for at, day in enumerate(days):
        said = told(clean, days[at : at + 1])[:, 0]
        if wrong:
            best = _Best.of(said, np.stack(wrong[-_MEMORY:]))
            predicted[at, held] = best.predicted
            scale[at, held] = best.scale(walked.lent[at, held], _Noise(noise.least[at, held], noise.times[at, held]))
        wrong.append(values[day] - said)
        errors.append(values[day] - predicted[at, held])
        far = np.abs(errors[-1]) > _CUT * scale[at, held]
        stays = far & cut[-1] & cut[-2] & (np.abs(np.sign(errors[-3:]).sum(axis=0)) == 3)
        cut.append(far & ~stays)
        clean[day, cut[-1]] = predicted[at, held][cut[-1]]
        clean[:day, stays] += medians(np.array(errors[-3:]))[stays]
    return replace(walked, predicted=predicted, scale=scale)


def _judged(values: Floats, walked: _Walked, groups: Groups) -> Ahead:
    z = walked.z(values)
    p, half = p_values(np.abs(z), groups)
    known = np.isfinite(values[:-1]).sum(axis=0)
    p[(known < MIN_DAYS) | ~np.isfinite(z[-1])] = np.nan
    return Ahead(walked.predicted[-1], p, half * walked.scale[-1], known, z)


def _without_gaps(values: Floats) -> Floats:
    """Days without a value hold that of a week before, or of the day before."""
    clean = values.copy()
    for day in np.flatnonzero(np.isnan(values).any(axis=1)):
        for back in (7, 1):
            gap = np.isnan(clean[day])
            if day >= back:
                clean[day, gap] = clean[day - back, gap]
    return clean


def _spread(errors: Floats) -> tuple[Floats, Floats]:
    """The robust deviation of errors over the first axis, and their number: the root mean square of errors that are
    drawn in to three median deviations (Huber's second proposal, one step)."""
    size = np.abs(errors)
    counted = np.isfinite(errors).sum(axis=0)
    drawn_in = np.minimum(size, 3 * 1.4826 * medians(size)) ** 2
    total = np.nansum(drawn_in, axis=0)
    square = np.divide(total, counted, out=np.full(total.shape, np.inf), where=counted > 0)
    return np.sqrt(square), counted
