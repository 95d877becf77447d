"""Which of many series changed most: how far beyond its own noise, and how far by its own measure."""

import numpy as np

from tools.stats.profile import Floats

_LEVEL_WEIGHT = 2
_QUANTILES = (0.05, 0.5, 0.95)
_WIDE = 3.29  # the middle 90% of a normal distribution, in standard deviations


def strength(baseline: Floats, current: Floats) -> Floats:
    """The strength, float64[F], of the change from `baseline` float64[T, F] to `current` float64[S, F]; NaN is unknown.

    The 90% point of the distance of current values from the baseline's median, over the width of the baseline's middle
    90% (in standard deviations of a normal distribution): a robust N-sigma, for a change that lasts a tenth of the time
    or longer, whichever way it goes. It counts by the square of the relative change, distance / (distance + level):
    a series that holds still to a thousandth, such as memory in use, drifts many widths and is not the one to look at.
    A series is known no better than the smallest step it makes (the error of rounding to steps, step / √12).
    """
    low, middle, high = _quantiles(baseline, _QUANTILES)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        distance = _quantiles(np.abs(current - middle), (0.9,))[0]
        width = np.hypot((high - low) / _WIDE, _step(np.vstack([baseline, current])) / np.sqrt(12))
        relative = distance / (distance + np.abs(middle))
        found = np.where(distance > 0, distance / width * relative**_LEVEL_WEIGHT, 0.0)
    return np.where(np.isfinite(distance), found, np.nan)


def _quantiles(series: Floats, at: tuple[float, ...]) -> Floats:
    """Quantiles of the finite values of each series, float64[len(at), F]."""
    known = np.isfinite(series)
    found = np.full((len(at), series.shape[1]), np.nan)
    whole = known.all(axis=0)
    if len(series):
        found[:, whole] = np.quantile(series[:, whole], at, axis=0)
    for i in np.flatnonzero(~whole & known.any(axis=0)):
        found[:, i] = np.quantile(series[known[:, i], i], at)
    return found


def _step(series: Floats) -> Floats:
    """The smallest difference between two values of each series; a difference of rounding errors is none."""
    ordered = np.sort(np.where(np.isfinite(series), series, np.nan), axis=0)
    apart = np.diff(ordered, axis=0)
    real = apart > 1e-9 * np.nan_to_num(np.abs(ordered)).max(axis=0, initial=0.0)
    return np.asarray(np.where(real, apart, np.inf).min(axis=0, initial=np.inf))
