"""One order from several: what is high in all of them comes first."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tools.stats.profile import Counts, Floats


def joint_rank(scores: Sequence[Floats]) -> Counts:
    """The place of each of F things in the joint order, int64[F], given `scores` float64[F] that are high for what
    matters.

    By the product of the ranks (Breitling et al. 2004); equal scores share a rank, unknown ones are last. Ties keep
    their order.
    """
    logs = [np.log(stats.rankdata(-np.where(np.isnan(score), -np.inf, score))) for score in scores]
    order = np.argsort(np.round(np.sum(logs, axis=0), 9), kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place
