"""Correlation of series that are each correlated with their own past. Such series often agree by chance."""

from dataclasses import dataclass

import numpy as np

from tools.stats.profile import Counts, Floats

MIN_TIMES = 72
"""Below this many hours a circular shift has too few places to go to that are independent of where it began."""
_MIN_SHIFT = 12


@dataclass(frozen=True)
class Agreement:
    """`r` float64[F] the correlations, `p` float64[F] adjusted for having looked at all F, `shifts` the null's size."""

    r: Floats
    p: Floats
    shifts: int


class SeriesTooShort(ValueError):
    """Nothing can be said; the message says how long the series is and how long it would have to be."""


def by_circular_shift(series: Floats, target: Floats) -> Agreement:
    """Pearson correlation of each of `series` float64[T, F] with `target` float64[T], on complete times.

    The null: the target rotated in time against all series at once, which keeps how each hangs together in itself and
    how the series hang together with one another; the largest |r| over the series is compared, so that p holds for the
    best of them (Westfall & Young 1993, with rotations for permutations). A series without variation gets NaN.
    Raises `SeriesTooShort`.
    """
    times = np.isfinite(target)
    if times.sum() < MIN_TIMES:
        raise SeriesTooShort(f"{int(times.sum())} hours with predictions are too few to tell; {MIN_TIMES} are needed")
    x, y = _standardised(_filled(series[times])), _standardised(target[times][:, None])[:, 0]
    rotated = np.fft.irfft(np.fft.rfft(x, axis=0) * np.conj(np.fft.rfft(y))[:, None], n=len(y), axis=0)
    r = rotated[0]
    null = np.fmax.reduce(np.abs(rotated[_MIN_SHIFT : len(y) - _MIN_SHIFT + 1]), axis=1, initial=0.0)
    exceeded = (null[:, None] >= np.abs(r)[None, :] - 1e-12).sum(axis=0)
    return Agreement(r, np.where(np.isnan(r), np.nan, (1 + exceeded) / (1 + len(null))), len(null))


def differences(series: Floats, ts: Counts) -> Floats:
    """The change of `series` float64[T, ...] from each hour to the next, [T - 1, ...]; NaN across a gap.

    Two series that each wander agree in level by chance; their steps do not.
    """
    step = np.diff(series, axis=0)
    step[np.diff(ts) != 3600] = np.nan
    return step


def without_hours_of_day(series: Floats, ts: Counts) -> Floats:
    """`series` float64[T, ...] less the median of its hour of the day; what every day does is not news."""
    left = np.array(series, dtype=np.float64)
    hour = ts // 3600 % 24
    for h in np.unique(hour):
        part = left[hour == h]
        known = np.isfinite(part).any(axis=0)
        middle = np.zeros(part.shape[1:])
        middle[known] = np.nanmedian(part[:, known], axis=0) if part.ndim > 1 else np.nanmedian(part)
        left[hour == h] = part - middle
    return left


def _filled(series: Floats) -> Floats:
    """Missing hours stand at the middle of their series, where they speak for nothing."""
    known = np.isfinite(series)
    count = known.sum(axis=0)
    mean = np.where(known, series, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(known, series, mean)


def _standardised(series: Floats) -> Floats:
    left = series - series.mean(axis=0)
    norm = np.sqrt((left**2).sum(axis=0))
    flat = norm <= 1e-9 * np.sqrt(len(series)) * np.maximum(np.abs(series).max(axis=0), 1e-30)
    return np.asarray(np.divide(left, norm, out=np.full(left.shape, np.nan), where=~flat))
