"""Variances from few periods, drawn to what is common among many groups."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from tools.stats.panel import Floats

MOST_DF = 30.0
"""The prior never counts for more periods than this, however alike the groups seem: they share their traffic."""
LEAST_GROUPS = 3


@dataclass(frozen=True)
class Prior:
    """An inverse chi-square distribution of variances: about `variance`, worth `df` degrees of freedom."""

    variance: float
    df: float

    def moderate(self, variance: float, df: float) -> tuple[float, float]:
        """A group's variance drawn to the prior, and its degrees of freedom then (Smyth 2004, moderated t)."""
        if self.df <= 0:
            return variance, df
        return (self.df * self.variance + df * variance) / (self.df + df), self.df + df


def fit(variances: Floats, df: float) -> Prior:
    """The prior of sample variances float64[P], each with `df` degrees of freedom, by the moments of their logarithms
    (Smyth 2004, section 6.2). No prior from fewer than `LEAST_GROUPS` groups. Zeros are raised to a small share of the
    median, as a logarithm needs."""
    known = variances[np.isfinite(variances) & (variances >= 0)]
    if len(known) < LEAST_GROUPS or not df > 0 or not np.median(known) > 0:
        return Prior(math.nan, 0.0)
    logs = np.log(np.maximum(known, 1e-3 * np.median(known)))
    level = float(logs.mean()) - float(special.digamma(df / 2)) + math.log(df / 2)
    excess = float(logs.var(ddof=1)) - float(special.polygamma(1, df / 2))
    prior_df = 2 * _trigamma_inverse(excess) if excess > 0 else MOST_DF
    prior_df = min(prior_df, MOST_DF)
    return Prior(math.exp(level + float(special.digamma(prior_df / 2)) - math.log(prior_df / 2)), prior_df)


def _trigamma_inverse(value: float) -> float:
    """x with trigamma(x) = value, within [0.01, MOST_DF / 2]."""
    low, high = 0.01, MOST_DF / 2
    if value >= float(special.polygamma(1, low)):
        return low
    if value <= float(special.polygamma(1, high)):
        return high
    return float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - value, low, high))
