"""Did the importance of a feature change from one snapshot to the next by more than it does from day to day?

Two questions that have to be answered alike. Whether the change is there at all on these rows: a paired bootstrap. And
whether it is unlike the feature's own past: training forward moves the importance of nearly every feature every day, so
that the bootstrap alone calls nine features in ten changed on an ordinary day.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tools.stats.false_alarm import chance
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.robust_scale import HEAVIEST_DF, MAD_TO_SIGMA, PRIOR_DF, moderated

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 1000
STILL = 0.1
"""Importances are compared as log(importance + 0.1 × their mean): of features that hardly count, none has changed."""
LEAST_SCALE = 0.03
LEAST_SHIFT = float(np.log(1.25))
"""A change by less than a quarter is nobody's concern."""
LEAST_DAYS = 5
MOST_FALSE = 0.05


@dataclass(frozen=True)
class ImportanceChanges:
    """For each of F features, float64[F].

    `before` and `now` are mean absolute differences on the same rows; `low` and `high` the 95% interval of now - before
    over rows. `shift` is the logarithm of their ratio against that of the other features, `z` the same in scales of the
    feature's own day-to-day shifts, `p` and `q` what z says; `changed` bool[F]. z, p and q are NaN with less than
    `LEAST_DAYS` earlier shifts.

    `p_day`: how often an ordinary day has a feature as far out as the furthest one of today; `furthest` is its place.
    `beyond` says whether it is further out than any feature on any earlier day.
    """

    before: Floats
    now: Floats
    low: Floats
    high: Floats
    shift: Floats
    z: Floats
    p: Floats
    q: Floats
    changed: NDArray[np.bool_]
    days: int
    p_day: float
    furthest: int | None
    beyond: bool


def importance_changes(before: Floats, now: Floats, past: Floats, clusters: Ints) -> ImportanceChanges:
    """Judge two snapshots' absolute differences float64[n, F] on the same rows.

    `past` float64[days, 2, F]: the importances of each pair of earlier snapshots that lie as far apart, on these rows.
    `clusters` int64[n]: rows of one cluster (one request, one entity) are drawn together.
    """
    first, second = before.mean(axis=0), now.mean(axis=0)
    low, high = paired_interval(before, now, clusters)
    shift = shifts(np.stack([first, second])[None])[0]
    days = len(past)
    nan = np.full(len(first), np.nan)
    if days < LEAST_DAYS:
        return ImportanceChanges(
            first, second, low, high, shift, nan, nan, nan, np.zeros(len(first), bool), days, np.nan, None, False
        )
    earlier = shifts(past)
    z = standing(earlier, shift)
    p = 2 * stats.t.sf(np.abs(z), min(days - 1.0, HEAVIEST_DF) if days - 1 + PRIOR_DF < HEAVIEST_DF else HEAVIEST_DF)
    q = benjamini_hochberg(p.tolist())
    ordinary = np.array([np.abs(standing(np.delete(earlier, day, 0), earlier[day])).max() for day in range(days)])
    furthest = int(np.argmax(np.abs(z)))
    moved = (np.abs(shift) >= LEAST_SHIFT) & ((low > 0) | (high < 0))
    changed = moved & (q <= MOST_FALSE)
    top = float(np.abs(z)[furthest])
    return ImportanceChanges(
        first, second, low, high, shift, z, p, q, changed, days, chance(top, ordinary), furthest, top > ordinary.max()
    )


def paired_interval(before: Floats, now: Floats, clusters: Ints) -> tuple[Floats, Floats]:
    """The 95% interval of the mean of now - before, float64[F], by drawing clusters of rows (the same draws always)."""
    names, member = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(names), before.shape[1]))
    np.add.at(sums, member, now - before)
    sizes = np.bincount(member, minlength=len(names)).astype(np.float64)
    drawn = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    means = (drawn @ sums) / np.maximum(drawn @ sizes, 1.0)[:, None]
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    return low, high


def shifts(pairs: Floats) -> Floats:
    """The logarithm of each importance's growth against that of the others: float64[days, 2, F] → [days, F]."""
    mean = pairs.mean(axis=2, keepdims=True)
    logs = np.log(pairs / np.where(mean > 0, mean, 1.0) + STILL)
    growth: Floats = logs[:, 1] - logs[:, 0]
    return growth - np.median(growth, axis=1, keepdims=True)


def standing(earlier: Floats, today: Floats) -> Floats:
    """z of each feature's shift, float64[F], in robust scales of its own earlier ones float64[days, F]."""
    middle = np.median(earlier, axis=0)
    own = MAD_TO_SIGMA * np.median(np.abs(earlier - middle), axis=0)
    scale = np.maximum(moderated(own, len(earlier), [np.arange(len(own))]), LEAST_SCALE)
    z: Floats = (today - middle) / (scale * np.sqrt(1 + 1 / len(earlier)))
    return z
