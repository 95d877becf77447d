"""Many tests at once: false discovery rates, and what a p value can say about the odds of an effect."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """q values, float64[n], of p values (NaN stays NaN and does not count as a test).

    Benjamini & Hochberg 1995; valid too under the positive dependence that contrasts of one cube have
    (Benjamini & Yekutieli 2001, PRDS).
    """
    values = np.asarray(p, dtype=np.float64)
    q = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return q
    order = known[np.argsort(values[known], kind="stable")]
    scaled = values[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def probability_of_effect(p: float) -> float:
    """A cautious probability, in [0, 0.99], that there is an effect, given its p (or q) value and even odds before.

    1 / (1 - e p ln p): the bound of Sellke, Bayarri & Berger 2001 on how far a p value can move even odds. A p value of
    0.05 gives 0.71, of 0.01 gives 0.89, of 0.001 gives 0.98.
    """
    if not math.isfinite(p) or p >= 1 / math.e:
        return 0.5
    if p <= 0:
        return 0.99
    return min(1 / (1 - math.e * p * math.log(p)), 0.99)
