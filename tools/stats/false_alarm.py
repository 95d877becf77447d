"""The false-alarm limit of a score, from what it was on ordinary days."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

START = 0.3  # scores are taken as log(score + 0.3): below that, smaller ones are no calmer
LEAST_SPREAD = 0.2  # of the logarithm: no score is so steady that 20% would be news
MIN_DAYS = 4


def chance(score: float, ordinary: Floats) -> float:
    """The chance that a score as high or higher comes about on an ordinary day.

    `score` is not negative, and neither is `ordinary` float64[n], the same score of n ordinary days. Their logarithms
    are taken as normal, and the next one is judged by Student's prediction interval (e.g. Draper & Smith 1998, ch. 1):
    so each score is held to its own limit, and few days make the limit wide. NaN below `MIN_DAYS` days.
    """
    days = len(ordinary)
    if days < MIN_DAYS or not math.isfinite(score):
        return math.nan
    logs = np.log(ordinary + START)
    spread = max(float(logs.std(ddof=1)), LEAST_SPREAD) * math.sqrt(1 + 1 / days)
    return float(stats.t.sf((math.log(score + START) - float(logs.mean())) / spread, days - 1))
