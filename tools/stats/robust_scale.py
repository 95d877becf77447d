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
    """The median of each column of float64[n, K], NaN left out; float64[K]."""
    found: Floats = np.median(values, axis=0) if np.isfinite(values).all() else np.nanmedian(values, axis=0)
    return found


def deviations(values: Floats) -> Floats:
    """The MAD of each column of float64[n, K] as a standard deviation, NaN left out; float64[K]."""
    return MAD_TO_SIGMA * medians(np.abs(values - medians(values)))


def moderated(own: Floats, days: Floats | float, groups: Groups) -> Floats:
    """Spreads float64[K] of series of so many days, drawn in squares to the median one of their group, or of all where
    fewer than three are in it (Smyth 2004, "Linear models and empirical Bayes methods", §4, with a fixed prior
    weight)."""
    lent = np.empty_like(own)
    for group in groups:
        lent[group] = np.median(own[group] if len(group) >= MIN_LENDERS else own)
    drawn: Floats = np.sqrt(((days - 1) * own**2 + PRIOR_DF * lent**2) / (days - 1 + PRIOR_DF))
    return drawn


def groups_of(kinds: Sequence[Hashable]) -> Groups:
    """The places of each kind."""
    return [np.flatnonzero([other == kind for other in kinds]) for kind in dict.fromkeys(kinds)]
