"""The stretch of a window that departs most from its history, and how often such a history shows one like it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

MAD_TO_SIGMA = 1.4826
TOLERATED = 0.05  # of the history may have been as extreme: an old incident must not hide a new one
TAIL_TO_SIGMA = 1.645  # where 5% of a normal distribution lie beyond
SHARE_AFFECTED = 0.4  # of the window's runs: a fault that lasts, not a single odd run
HEAVIEST_DF, MOST_DF = 3.0, 8.0  # histories are short and their tails heavy
MOST_LENGTHS = 8
MIN_STRETCHES = 5


@dataclass(frozen=True)
class Stretch:
    """Runs `first` to `last` of the window (both included), in direction `sign`; `z` in scales that stretches of the
    same length have in the history; `p_value` two-sided, for having looked at all stretches."""

    first: int
    last: int
    sign: int
    z: float
    p_value: float


def spread(departures: Floats, sign: int) -> float:
    """The scale of departures from usual in one direction: the MAD, or more where that tail is heavier."""
    if not len(departures):
        return math.nan
    typical = MAD_TO_SIGMA * _quantile(np.abs(departures), 0.5)
    return max(typical, _quantile(sign * departures, 1 - TOLERATED) / TAIL_TO_SIGMA)


def _quantile(values: Floats, share: float) -> float:
    """As `numpy.quantile`, without its overhead: it is asked for thousands of short series."""
    place = (len(values) - 1) * share
    below, above = math.floor(place), math.ceil(place)
    ordered = np.partition(values, (below, above))
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def strongest(window: Floats, history: Floats, rises: bool) -> Stretch | None:
    """The strongest of all stretches of at least 40% of the runs of `window`, float64[n] in scales of single runs.

    A stretch counts by its lower median, so that half of its runs at least are as far off, and is measured against the
    stretches of the same length of `history` float64[m]: if runs hang together, so do those, and their scale is wide.
    """
    if not len(window) or not len(history):
        return None
    least = max(math.ceil(SHARE_AFFECTED * len(window)), 1)
    lengths = np.unique(np.geomspace(least, len(window), MOST_LENGTHS).round().astype(int))
    found = [
        _best(window, history, int(length), sign, len(window) - least + 1)
        for length in lengths
        for sign in ((1,) if rises else (1, -1))
    ]
    return max(found, key=lambda stretch: (stretch.z, -stretch.first))


def _best(window: Floats, history: Floats, length: int, sign: int, places: int) -> Stretch:
    levels = _levels(sign * window, length)
    first = int(levels.argmax())
    memory = _memory(history)
    z = float(levels[first]) / _scale(history, length, sign, memory)
    df = min(max(len(history) * (1 - memory) / (1 + memory) - 1, HEAVIEST_DF), MOST_DF)
    p = min(2 * float(special.stdtr(df, -z)) * places, 1.0)
    return Stretch(first, first + length - 1, sign, z, p)


def _levels(values: Floats, length: int) -> Floats:
    """The lower median of each stretch of this length."""
    moving = np.lib.stride_tricks.sliding_window_view(values, length)
    middle: Floats = np.partition(moving, (length - 1) // 2, axis=1)[:, (length - 1) // 2]
    return middle


def _scale(history: Floats, length: int, sign: int, memory: float) -> float:
    """From the stretches of the history, but no less than that of the mean of runs with this memory."""
    lags = np.arange(1, length)
    together = 1 + 2 * float(((1 - lags / length) * memory**lags).sum())
    smallest = math.sqrt(together / length)
    if len(history) < length + MIN_STRETCHES - 1:
        return smallest
    return max(spread(_levels(sign * history, length), 1), smallest)


def _memory(history: Floats) -> float:
    """The correlation of neighbouring runs, in [0, 0.8], without the bias that it has in short histories (Kendall
    1954)."""
    square, n = float(history @ history), len(history)
    if square <= 0 or n <= MIN_STRETCHES:
        return 0.0
    seen = float(history[1:] @ history[:-1]) / square
    return min(max((seen + 1 / n) / (1 - 3 / n), 0.0), 0.8)
