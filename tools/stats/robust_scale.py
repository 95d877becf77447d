"""The spread of many short series, each drawn towards that of its kind."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR_DF = 4.0  # the weight of the borrowed spread, in days
HEAVIEST_DF = 5.0  # updates come in bursts: the tails stay heavy, however long the history
MIN_LENDERS = 3
MAD_TO_SIGMA = 1.4826

Groups = list[NDArray[np.int64]]


def medians(values: Floats) -> Floats:
    """The median over the first axis, NaN left out; NaN where all are."""
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    ordered = np.sort(values, axis=0)  # NaN goes last
    counted = len(values) - np.isnan(values).sum(axis=0)
    low, high = np.maximum((counted - 1) // 2, 0), np.minimum(counted // 2, len(values) - 1)
    picked = [np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, high)]
    found: Floats = np.where(counted > 0, (picked[0] + picked[1]) / 2, np.nan)
    return found


def deviations(values: Floats) -> Floats:
    """The MAD of each column of float64[n, K] as a standard deviation, NaN left out; float64[K]."""
    return MAD_TO_SIGMA * medians(np.abs(values - medians(values)))


def moderated(own: Floats, days: Floats | float, groups: Groups) -> Floats:
    """Spreads float64[..., K] of series of so many days, drawn to those of their groups."""
    return drawn(own, lent(own, groups), days)


def lent(own: Floats, groups: Groups) -> Floats:
    """The median spread of each series' group, or of all where fewer than three are in it; float64[..., K], as `own`,
    whose NaN are left out."""
    found = np.empty_like(own)
    for group in groups:
        lenders = own[..., group] if len(group) >= MIN_LENDERS else own
        found[..., group] = medians(np.moveaxis(lenders, -1, 0))[..., None]
    return found


def drawn(own: Floats, lent: Floats, days: Floats | float) -> Floats:
    """Spreads of series of so many days, drawn in squares to the lent ones (Smyth 2004, "Linear models and empirical
    Bayes methods", §4, with a fixed prior weight)."""
    found: Floats = np.sqrt(((days - 1) * own**2 + PRIOR_DF * lent**2) / (days - 1 + PRIOR_DF))
    return found


def groups_of(kinds: Sequence[Hashable]) -> Groups:
    """The places of each kind."""
    return [np.flatnonzero([other == kind for other in kinds]) for kind in dict.fromkeys(kinds)]
