"""How large the values of a feature are: another scale, or another unit."""

import math

import numpy as np
from numpy.typing import NDArray

from tools.stats.compared import Compared
from tools.stats.departures import departures
from tools.stats.drift import total_variation, zero_bin
from tools.stats.hourly import Hourly, ratio
from tools.stats.precedent import range_of_medians
from tools.stats.profile import Counts, Floats
from tools.stats.signs import MIN_ROWS, Signs
from tools.stats.unit_change import LEAST_FACTOR, unit_change

_MIN_RATIO = math.log10(5)
_MIN_MOVED = 0.2
_FLOOR, _UNIT_FLOOR = 0.1, 0.05
_MIN_ROWS_UNIT = 100
_LEAST_BEYOND = math.log10(LEAST_FACTOR) / 2


def scale(table: Hourly, half: Compared, before: NDArray[np.bool_], checked: NDArray[np.bool_]) -> Signs:
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
    p, width = d.p_values("both", _FLOOR), d.half(_FLOOR)
    for i in np.flatnonzero((beyond >= _LEAST_BEYOND) & (moved >= _MIN_MOVED) & np.isfinite(d.effect)):
        if large[i]:
            series = _magnitude_by_hour(table, int(i), int(zero[i]))
            large[i], p[i] = _lasts(series, half, before), _apart(series, half)
        if not large[i]:
            p_unit = _another_unit(table, half, before, int(i))
            large[i], p[i] = np.isfinite(p_unit), np.fmin(p_unit, p[i])
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


def _another_unit(table: Hourly, half: Compared, before: NDArray[np.bool_], i: int) -> float:
    """The p value of the factor by which all quantiles changed, against those of the earlier days; NaN where they did
    not, or where stretches of the baseline that are as long changed by a third of it."""
    blocks, counts = half.histogram[:, i], table.histograms.of(i)[before]
    hours = max(int(half.blocks[-1].sum()), 1)
    starts = range(0, len(counts) - hours + 1, max(hours // 2, 1))
    stretches = np.array([counts[t : t + hours].sum(axis=0) for t in starts])
    usual, full = blocks[:-1].sum(axis=0), stretches.sum(axis=1) >= MIN_ROWS
    found = unit_change(usual, np.vstack([stretches[full], blocks[:-1]]), blocks[-1], table.edges[i])
    if blocks[-1].sum() < _MIN_ROWS_UNIT or found is None or not found.sure:
        return math.nan
    days = np.log(found.before[-half.earlier :, None])
    return float(departures(days, np.log([found.factor])).p_values("both", _UNIT_FLOOR)[0])


def _lasts(series: Floats, half: Compared, before: NDArray[np.bool_]) -> bool:
    """Whether the median hour of the later half lies beyond those of any stretch of the baseline as long. A
    few wild values or one wild hour carry a root mean square, and not this."""
    now = series[half.blocks[-1]]
    now = now[np.isfinite(now)]
    now = now[len(now) // 2 :]
    lowest, highest = range_of_medians(series[before], len(now))
    return len(now) > 0 and max(float(np.median(now)) - highest, lowest - float(np.median(now))) >= _MIN_RATIO


def _apart(series: Floats, half: Compared) -> float:
    """The p value of the median hour against those of the earlier blocks."""
    hours = [series[block & np.isfinite(series)] for block in half.blocks]
    middle = np.array([[np.median(own) if len(own) else np.nan] for own in hours])
    return float(departures(middle[:-1], middle[-1]).p_values("both", _FLOOR)[0])
