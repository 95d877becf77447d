"""Has a feature broken? Its nulls, infinities, scale, variation and categories against its own earlier days.

Weather moves a distribution, a broken pipeline its structure. So structure alone counts as breakage, and only where it
is worse than on every comparable day of the baseline: readings that are missing for hours happen, and so do dry weeks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.drift import total_variation, zero_bin
from tools.stats.floored import judged
from tools.stats.hourly import Hourly, Totals, hour_noise, matched_blocks, pooled, ratio
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.profile import Counts, Floats
from tools.stats.robust import MIN_HISTORY, departure

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
    q_value: float = math.nan

    @property
    def broken(self) -> bool:
        return self.large and self.q_value <= MAX_Q


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


def symptoms(table: Hourly, window: Window, baseline: Window, kinds: Mapping[str, str]) -> list[Symptom]:
    """The worst symptom of each feature that could be checked, with q values, in the order of features.

    `kinds` is feature → "dense" or "categorical". The whole window is looked at, and its second half, which alone shows
    a fault that began late and made a number smaller. Features with too little history are left out.
    """
    halves = (window, window.model_copy(update={"start": window.start + (window.end - window.start) / 2}))
    found: dict[str, list[Symptom]] = {feature: [] for feature in table.features}
    for span in halves:
        for symptom in _against_earlier_days(table, span, baseline, kinds):
            found[symptom.feature].append(symptom)
    for symptom in _constant(table, window, baseline):
        found[symptom.feature].append(symptom)
    worst = [_worst(found[feature]) for feature in table.features if found[feature]]
    q = benjamini_hochberg([symptom.p_value for symptom in worst])
    return [replace(symptom, q_value=float(value)) for symptom, value in zip(worst, q, strict=True)]


def _worst(of_feature: list[Symptom]) -> Symptom:
    """The least likely of the large ones, or of all; its p value pays for having been picked."""
    best = min(of_feature, key=lambda s: (not s.large, s.p_value, -s.severity, s.change))
    return replace(best, p_value=min(best.p_value * len(of_feature), 1.0))


def _against_earlier_days(table: Hourly, window: Window, baseline: Window, kinds: Mapping[str, str]) -> list[Symptom]:
    days = matched_blocks(table, window, baseline)
    if not len(days):
        return []
    blocks = np.vstack([days, table.within(window)])
    sums = pooled(table, blocks)
    known_before = (sums.seen[:-1] > 0).sum(axis=0) >= MIN_HISTORY
    judged = [int(i) for i in np.flatnonzero(known_before & (sums.rows[-1] >= MIN_ROWS))]
    found = [_scale(table, i, sums) for i in judged if kinds.get(table.features[i]) != "categorical"]
    found += [
        _new_categories(table.features[i], sums.histogram[:, i])
        for i in judged
        if kinds.get(table.features[i]) == "categorical"
    ]
    for check in _CHECKS:
        part, whole = check.of(sums)
        noise = hour_noise(*check.of(table.totals), blocks)
        found += [_rise(table.features[i], check, part[:, i], whole[:, i], noise[:, i]) for i in judged]
    return [symptom for symptom in found if symptom is not None]


def _rise(feature: str, check: _Share, part: Counts, whole: Counts, noise: Floats) -> Symptom | None:
    """A share that rose: part / whole on the earlier days and now, both [K + 1], with their standard errors `noise`."""
    share = ratio(part, whole)
    d = departure(share[:-1], float(share[-1]), "high", noise=noise[:-1], noise_now=float(noise[-1]))
    if not d.known:
        return None
    usual, now = float(share[-1] - d.effect), float(share[-1])
    sampling = _sampling_error(part[:-1], whole[:-1], usual, float(whole[-1]))
    worst_day = float(np.nanmax(share[:-1]))
    large = d.effect >= check.least and now >= worst_day + check.least / 2 and beyond_habit(usual, now)
    p, half = judged(d, math.hypot(check.floor, sampling), "high")
    low, high = d.effect - half, d.effect + half
    severity = min(max(d.effect, 0.0), 1.0)
    return Symptom(feature, check.change, usual, now, low, high, severity, p, d.blocks, bool(large))


def _sampling_error(part: Counts, whole: Counts, usual: float, now: float) -> float:
    """The standard error of a share of `now` samples if nothing has changed (the null of a score test).

    What never happened in the baseline is taken to be as frequent as would have left it unseen half of the time or so.
    """
    share = max(usual, (float(part.sum()) / _SAMPLES_ALIKE + 0.5) / (float(whole.sum()) / _SAMPLES_ALIKE + 1))
    return math.sqrt(min(share, 0.5) * (1 - min(share, 0.5)) * _SAMPLES_ALIKE / now)


def _new_categories(feature: str, histogram: Counts) -> Symptom | None:
    """The share of values in bins that no other day had; each earlier day is judged by the others."""
    baseline = histogram[:-1].sum(axis=0)
    others = np.vstack([baseline - histogram[:-1], baseline])
    new = np.where(others == 0, histogram, 0).sum(axis=1)
    quiet = np.zeros(len(histogram))
    return _rise(feature, _NEW, new, histogram.sum(axis=1), quiet)


def _scale(table: Hourly, i: int, sums: Totals) -> Symptom | None:
    """The root mean square of the values that are not zero, in log10: that rain fell at all is no change of scale."""
    zero = int(zero_bin(table.edges[[i]])[0])
    zeros = sums.histogram[:, i, zero] if zero >= 0 else np.zeros(len(sums.count), dtype=np.int64)
    others = sums.count[:, i] - zeros
    square = np.where(others > 0, np.minimum(ratio(sums.total2[:, i], others), 1e300), np.nan)
    usable = (others >= MIN_ROWS) & (square > 0)
    magnitude = np.log10(square, out=np.full(len(square), np.nan), where=usable) / 2
    d = departure(magnitude[:-1], float(magnitude[-1]), "both")
    if not d.known:
        return None
    history, now = magnitude[:-1][np.isfinite(magnitude[:-1])], float(magnitude[-1])
    beyond = max(now - history.max(), history.min() - now) * math.log(10)
    moved = float(total_variation(sums.histogram[:-1, i].sum(axis=0), sums.histogram[-1, i]))
    severity = min(abs(d.effect) / 3, 1.0) * moved
    p, half = judged(d, 0.1, "both")
    low, high, large = d.effect - half, d.effect + half, beyond >= _MIN_RATIO and moved >= _MIN_MOVED
    return Symptom(table.features[i], "scale", now - d.effect, now, low, high, severity, p, d.blocks, bool(large))


def beyond_habit(usual: float, now: float) -> bool:
    """Whether the odds of a share are at least ten times the usual ones; a share is taken to lie in [0.005, 0.995].

    Nulls that are a habit follow the world: a cancelled flight has no aircraft, and a storm takes them from 16% to 43%.
    """
    before, after = (min(max(share, 0.005), 0.995) for share in (usual, now))
    return after / (1 - after) >= 10 * before / (1 - before)


def _constant(table: Hourly, window: Window, baseline: Window) -> list[Symptom]:
    """Features that kept one value over the last hours of the window, longer than they ever did in the baseline."""
    inside, before = table.within(window), table.within(baseline)
    found = []
    for i, feature in enumerate(table.features):
        length, rows = _last_run(table, i, inside)
        longest, repeats, steps = _runs(table, i, before)
        if steps < 4 * _MIN_RUN_H or not length:
            continue
        p = ((repeats + 1) / (steps + 2)) ** max(length - 1, 0)
        large = length >= _MIN_RUN_H and rows >= MIN_ROWS and length > 1.5 * longest
        unknown = math.nan, math.nan
        found.append(Symptom(feature, "constant", longest, length, *unknown, 1.0 if large else 0.0, p, 0, large))
    return found


def _last_run(table: Hourly, i: int, inside: NDArray[np.bool_]) -> tuple[int, int]:
    """How many of the last hours, and samples in them, hold one value only; hours without values are passed over."""
    hours = np.flatnonzero(inside & (table.totals.count[:, i] > 0))[::-1]
    if not len(hours):
        return 0, 0
    value = table.minimum[hours[0], i]
    same = (table.minimum[hours, i] == value) & (table.maximum[hours, i] == value)
    length = len(hours) if same.all() else int(np.argmin(same))
    return length, int(table.totals.count[hours[:length], i].sum())


def _runs(table: Hourly, i: int, before: NDArray[np.bool_]) -> tuple[int, int, int]:
    """The longest run of hours with one value, how often the next hour kept it, and how many next hours there were."""
    hours = np.flatnonzero(before & (table.totals.count[:, i] > 0))
    low, high = table.minimum[hours, i], table.maximum[hours, i]
    single = low == high
    kept = single[1:] & single[:-1] & (low[1:] == low[:-1])
    breaks = np.flatnonzero(~kept)
    gaps = np.diff(np.concatenate([[-1], breaks, [len(kept)]])) - 1
    longest = int(gaps.max()) + 1 if len(hours) and single.any() else 0
    return longest, int(kept.sum()), len(kept)
