"""Has a part of a feature's values become one and the same: a sensor that hangs at one place, a default filled in?"""

import numpy as np
from numpy.typing import NDArray

from tools.stats.compared import Compared
from tools.stats.hourly import Hourly
from tools.stats.profile import Counts, Floats
from tools.stats.rises import Share, beyond_habit, rise
from tools.stats.signs import Signs

_CHECK = Share("stuck", 0.1, 0.01)
_NARROW = 0.02
"""A bin that is this part of the middle half of the values wide holds one value, as far as anybody can tell."""


def stuck(table: Hourly, half: Compared, before: NDArray[np.bool_], checked: NDArray[np.bool_]) -> Signs:
    """The largest share of the values that one narrow bin holds, against that of earlier days, whichever bins held it,
    and of all stretches of the baseline that are as long."""
    narrow = narrow_bins(table.edges, half.histogram[:-1].sum(axis=0))
    part = np.where(narrow, half.histogram, 0).max(axis=2)
    whole = np.where(narrow.any(axis=1), half.histogram.sum(axis=2), 0)
    sign = rise(_CHECK, part, whole, np.zeros(part.shape), checked)
    for i in np.flatnonzero(sign.large):
        worst = most_before(table, int(i), narrow[i], before, int(half.blocks[-1].sum()))
        sign.large[i] = sign.now[i] >= worst + _CHECK.least and bool(beyond_habit(worst, sign.now[i]))
    return sign


def narrow_bins(edges: Floats, baseline: Counts) -> NDArray[np.bool_]:
    """Which bins, bool[F, B], are so narrow that many values in one are one value. The outer ones never are.

    `edges` float64[F, B - 1]; `baseline` int64[F, B] the counts that say where the middle half of the values lies.
    """
    upto = np.cumsum(baseline, axis=1)
    total = np.maximum(upto[:, -1:], 1)
    rows = np.arange(len(edges))
    last = edges.shape[1] - 1
    low, high = (edges[rows, np.minimum((upto < q * total).sum(axis=1), last)] for q in (0.25, 0.75))
    with np.errstate(invalid="ignore", over="ignore"):
        width = np.diff(edges, axis=1)
        narrow = width <= _NARROW * (high - low)[:, None]
    outer = np.zeros((len(edges), 1), dtype=bool)
    return np.hstack([outer, narrow, outer])


def most_before(table: Hourly, i: int, narrow: NDArray[np.bool_], before: NDArray[np.bool_], hours: int) -> float:
    """The largest share that any narrow bin ever held over so many neighbouring hours of the baseline."""
    counts = table.histograms.of(i)[before]
    upto = np.cumsum(np.vstack([np.zeros((1, counts.shape[1]), dtype=np.int64), counts]), axis=0)
    hours = min(max(hours, 1), len(counts))
    sums = upto[hours:] - upto[: len(upto) - hours]
    whole = np.maximum(sums.sum(axis=1), 1)
    return float((sums[:, narrow].max(axis=1, initial=0) / whole).max(initial=0.0))
