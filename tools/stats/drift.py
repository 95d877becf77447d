"""How far a distribution has moved, from histograms on the baseline's bins. Effect sizes only: none of them is a test.

All take counts by bin and give NaN where one side holds nothing.
"""

import numpy as np
from numpy.typing import NDArray

from tools.stats.profile import Counts, Floats


def shares(histogram: Counts) -> Floats:
    """Counts [..., B] → shares [..., B]; NaN where there are none."""
    total = histogram.sum(axis=-1, keepdims=True)
    found: Floats = np.divide(histogram, total, out=np.full(histogram.shape, np.nan), where=total > 0)
    return found


def ridits(baseline: Counts) -> Floats:
    """The mean rank of each bin in the baseline, in (0, 1): [..., B] → [..., B].

    The mean ridit of other samples is the chance that one of them exceeds a baseline sample, ties counting half: the
    Mann-Whitney U of binned data over its maximum (Bross 1958).
    """
    share = shares(baseline)
    middle: Floats = np.cumsum(share, axis=-1) - share / 2
    return middle


def total_variation(baseline: Counts, current: Counts) -> Floats:
    """Half the sum of absolute differences of shares, in [0, 1]."""
    found: Floats = np.abs(shares(current) - shares(baseline)).sum(axis=-1) / 2
    return found


def psi(baseline: Counts, current: Counts) -> Floats:
    """Population stability index: Σ (c - b) ln(c / b). Half a count is added to each bin, so that none is empty.

    The habit of the trade calls 0.1 a small move and 0.25 a large one.
    """
    used = (baseline + current) > 0
    b, c = (shares(np.where(used, h + 0.5, 0.0)) for h in (baseline, current))
    log_ratio = np.log(np.divide(c, b, out=np.ones(np.broadcast(b, c).shape), where=used & (b > 0)))
    found: Floats = np.where(
        baseline.sum(axis=-1) * current.sum(axis=-1) > 0, ((c - b) * log_ratio).sum(axis=-1), np.nan
    )
    return found


def wasserstein(baseline: Counts, current: Counts) -> Floats:
    """The mean distance that samples moved, in shares of the baseline's samples that they moved past, in [0, 1].

    The 1-Wasserstein distance after every value is replaced by its rank in the baseline: free of units and of outliers.
    """
    place = ridits(baseline)
    gaps = np.diff(place, axis=-1)
    apart = np.abs(np.cumsum(shares(current), axis=-1) - np.cumsum(shares(baseline), axis=-1))
    found: Floats = (apart[..., :-1] * gaps).sum(axis=-1)
    return found


def unseen_share(baseline: Counts, current: Counts) -> Floats:
    """The share of current samples that lie in bins where the baseline has none."""
    found: Floats = np.where(baseline == 0, shares(current), 0.0).sum(axis=-1)
    return found


def zero_bin(edges: Floats) -> NDArray[np.int64]:
    """The bin of each feature that holds zeros alone, int64[F], or -1; `baseline_edges` isolate a frequent value."""
    upper = np.argmax(edges == 0.0, axis=-1)
    rows = np.arange(len(edges))
    lower = edges[rows, np.maximum(upper - 1, 0)]
    alone = (edges[rows, upper] == 0.0) & (upper > 0) & (lower == np.nextafter(0.0, -1.0))
    return np.where(alone, upper, -1)
