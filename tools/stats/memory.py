"""How far two means of one series lie apart by chance, where the series remembers its past."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.stats.profile import Counts, Floats

MOST_MEMORY = 0.999
_GRID = 48
_HOUR_S = 3600
_LAGS = (1, 2, 4, 8)
_SURE = 3.0


class Apart(NamedTuple):
    """The standard error of the difference of two means, and the degrees of freedom it is known with, float64[F]."""

    error: Floats
    df: Floats


def chance_apart(series: Floats, ts: Counts, before: NDArray[np.bool_], now: NDArray[np.bool_]) -> Apart:
    """For each of `series` float64[T, F], by the hour `ts` int64[T] unix s: how far the mean over `now` lies from that
    over `before` (bool[T] each) if nothing happens.

    The series is taken for a first-order autoregression. Its memory is the correlation of each hour with the next in
    `before`, corrected for being too small in short series (Kendall 1954); so is its variance, which a short piece of
    a slow series does not show. The degrees of freedom are the effective number of hours (Bartlett 1935), less one.
    """
    x = _centred(series[before])
    memory = _memory(x, ts[before])
    grid = np.append(1 - np.geomspace(1.0, 1 - MOST_MEMORY, _GRID - 1), MOST_MEMORY)
    both = before | now
    weight = np.where(now[both], 1 / max(now.sum(), 1), 0.0) - np.where(before[both], 1 / max(before.sum(), 1), 0.0)
    gaps, own = _gaps(ts[both]), _gaps(ts[before])
    apart = np.interp(memory, grid, [weight @ m**gaps @ weight for m in grid])
    lost = np.interp(memory, grid, [float((m**own).mean()) for m in grid])
    hours = np.isfinite(x).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.nansum(x**2, axis=0) / hours / (1 - lost)
        error = np.where(hours > 1, np.sqrt(variance * apart), np.nan)
    return Apart(error, np.maximum(hours * (1 - memory) / (1 + memory) - 1, 2.0))


def _centred(series: Floats) -> Floats:
    known = np.isfinite(series)
    mean = np.where(known, series, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, series - mean, np.nan)


def _memory(x: Floats, ts: Counts) -> Floats:
    """The memory from one hour to the next, [0, MOST_MEMORY], of centred series.

    Sampling noise on top hides it from neighbouring hours and not from distant ones: so the correlation of hours `lag`
    apart, to the power of 1 / lag, stands in where it is larger, and surely not zero. No series is believed to forget
    faster than most of the others do: among thousands, some seem to by luck.
    """
    hours = np.isfinite(x).sum(axis=0)
    variance = np.nansum(x**2, axis=0) / np.maximum(hours, 1)
    found = np.zeros(len(variance))
    for lag in _LAGS:
        r = _autocorrelation(x, ts, lag, variance)
        sure = (lag == 1) | (r > _SURE / np.sqrt(np.maximum(hours, 1)))
        found = np.maximum(found, np.where(sure, np.maximum(r, 0.0) ** (1 / lag), 0.0))
    found = np.maximum(found, np.median(found)) if len(found) else found
    return np.asarray(np.clip(found + (1 + 3 * found) / np.maximum(hours, 1), 0.0, MOST_MEMORY))


def _autocorrelation(x: Floats, ts: Counts, lag: int, variance: Floats) -> Floats:
    apart = ts[lag:] - ts[:-lag] == lag * _HOUR_S
    pairs = (x[:-lag] * x[lag:])[apart]
    known = np.isfinite(pairs)
    covariance: Floats = np.where(known, pairs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    found: Floats = np.divide(covariance, variance, out=np.zeros(len(variance)), where=variance > 0)
    return found


def _gaps(ts: Counts) -> Floats:
    return np.asarray(np.abs(ts[:, None] - ts[None, :]) / _HOUR_S)
