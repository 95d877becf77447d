"""Has a feature broken? Its nulls, infinities, scale, variation and categories against its own earlier days.

Weather moves a distribution, a broken pipeline its structure. So structure alone counts as breakage, and only where it
is worse than on every comparable day of the baseline: readings that are missing for hours happen, and so do dry weeks.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.compared import Compared, compared
from tools.stats.hourly import Hourly
from tools.stats.late import Repeats, repeats
from tools.stats.magnitude import scale
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.rises import CHECKS, NEW, new_bins, rise_by_hour
from tools.stats.robust import MIN_HISTORY
from tools.stats.signs import MIN_ROWS, Change, Signs, Symptom
from tools.stats.single_value import Runs, others_expected, runs
from tools.stats.stuck import stuck

_MIN_RUN_H = 6
_LEAD_UP = timedelta(days=1)
_MIN_OTHERS = 50


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
    inside, ever, before = (table.within(span) for span in (window, baseline, _settled(baseline, window)))
    found = [sign for half in halves for sign in _against_earlier_days(table, half, ever, before, categorical)]
    runs_of_hours = [_constant(table, inside, before), _delayed(table, inside, before)]
    return _worst(table.features, [*found, *runs_of_hours])


def _settled(baseline: Window, window: Window) -> Window:
    """The baseline up to a day before the window. A fault is often older than its alert: what leads up to the window
    may be its beginning, and is no precedent for it."""
    end = min(baseline.end, window.start - _LEAD_UP)
    return baseline.model_copy(update={"end": end}) if end > baseline.start else baseline


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
    table: Hourly,
    half: Compared,
    ever: NDArray[np.bool_],
    before: NDArray[np.bool_],
    categorical: NDArray[np.bool_],
) -> list[Signs]:
    if half.earlier < MIN_HISTORY:
        return []
    sums = half.sums
    checked = ((sums.seen[:-1] > 0).sum(axis=0) >= MIN_HISTORY) & (sums.rows[-1] >= MIN_ROWS)
    counted = sums.judged.any(axis=0)
    # Around a level that wanders, values crowd for days: here the day ahead of the window is a precedent, too, and a
    # sensor that hung long before the alert is missed.
    found = [scale(table, half, before, checked & ~categorical), stuck(table, half, ever, checked & ~categorical)]
    found.append(new_bins(half.histogram, checked & categorical & ~counted))
    for check in CHECKS:
        found.append(rise_by_hour(check, table, half, before, checked & counted if check is NEW else checked))
    return found


def _constant(table: Hourly, inside: NDArray[np.bool_], before: NDArray[np.bool_]) -> Signs:
    """Features that kept one value over the last hours of the window, longer than they ever did in the baseline."""
    found = runs(table, inside, before, 4 * _MIN_RUN_H)
    large = np.isfinite(found.p_value) & (found.length >= _MIN_RUN_H) & (found.rows >= MIN_ROWS)
    large &= found.length > 1.5 * found.longest
    for i in np.flatnonzero(large):
        large[i] = others_expected(table, int(i), inside, before, found) >= _MIN_OTHERS
    return _run_of_hours("constant", found, large)


def _delayed(table: Hourly, inside: NDArray[np.bool_], before: NDArray[np.bool_]) -> Signs:
    """Features whose last hours are those of some hours before."""
    found = repeats(table, inside, before, _MIN_RUN_H)
    large = np.isfinite(found.p_value) & (found.length > 1.5 * found.longest)
    return _run_of_hours("delayed", found, large)


def _run_of_hours(change: Change, found: Runs | Repeats, large: NDArray[np.bool_]) -> Signs:
    """What is told of a run: its hours beside those of the longest one before."""
    unknown, none = np.full(len(large), np.nan), np.zeros(len(large), dtype=np.int64)
    usual, now = found.longest.astype(np.float64), found.length.astype(np.float64)
    return Signs(change, usual, now, unknown, unknown, large.astype(np.float64), found.p_value, none, large)
