"""A snapshot against the others of its model where there are too few earlier rollouts to hold it against: its noise is
taken from how the same comparison moves from hour to hour."""

import math
from dataclasses import replace

import numpy as np

from tools.records import MetricRole
from tools.stats.contrast import contrast
from tools.stats.floored import judged
from tools.stats.panel import Floats, Sums
from tools.stats.robust import UNKNOWN, Departure, Tail
from tools.stats.rollout_sides import Sides
from tools.stats.suspects import kind_of

MIN_SHARED_H = 4
USUAL_DIFFERENCE = 0.015
"""No two snapshots are alike: what they are taken to differ by without a fault, as one standard deviation of the log
ratio (of the top line: as a share of it), since no history of this model can say."""
MOST_RHO = 0.8


def by_hours(split: Sides, before: int, role: MetricRole, tail: Tail) -> Departure:
    """The weighted mean of the hourly comparisons, float64[H] each over the places of the hour.

    Its standard error is that of a weighted mean of correlated values (AR(1), the correlation of neighbours freed of
    its small-sample bias, Kendall 1954), added in squares to `USUAL_DIFFERENCE`. Unknown below four shared hours.
    """
    new, old = split.new, split.old
    per_hour = contrast(
        Sums(new.num[-1, before:], new.den[-1, before:]),
        Sums(old.num[-1, before:], old.den[-1, before:]),
        kind_of(role),
    ).effect
    both = new.den[-1, before:] + old.den[-1, before:]
    weight = np.divide(new.den[-1, before:] * old.den[-1, before:], both, out=np.zeros_like(both), where=both > 0).sum(
        -1
    )
    use = np.isfinite(per_hour) & (weight > 0)
    if use.sum() < MIN_SHARED_H:
        return UNKNOWN
    effect, scale, df = _weighted(per_hour[use], weight[use])
    if not scale > 0:
        return UNKNOWN
    raw = Departure(effect, effect, effect, math.nan, scale, df, int(use.sum()), True)
    return widened(raw, usual_difference(split, before, role), tail)


def usual_difference(split: Sides, before: int, role: MetricRole) -> float:
    """`USUAL_DIFFERENCE` in the unit of a role's contrast."""
    if role is not MetricRole.topline:
        return USUAL_DIFFERENCE
    below = split.old.now(before)
    return USUAL_DIFFERENCE * abs(float(split.old.num[-1, before:].sum())) / below if below > 0 else math.nan


def widened(found: Departure, usual: float, tail: Tail) -> Departure:
    """A departure whose error does not hold the usual difference of sound snapshots, with that added in squares."""
    if not (math.isfinite(found.effect) and math.isfinite(usual)):
        return UNKNOWN
    p_value, half = judged(found, usual, tail)
    low, high = found.effect - half, found.effect + half
    return replace(found, low=low, high=high, p_value=p_value, scale=math.hypot(found.scale, usual))


def _weighted(values: Floats, weight: Floats) -> tuple[float, float, float]:
    """The weighted mean, its standard error, and degrees of freedom."""
    share = weight / weight.sum()
    mean = float(share @ values)
    left = np.sqrt(weight) * (values - mean)
    square = float(left @ left)
    rho = float(left[1:] @ left[:-1]) / square + 1 / len(left) if square > 0 else 0.0
    rho = min(max(rho, 0.0), MOST_RHO)
    inflated = (1 + rho) / (1 - rho)
    effective = 1 / float((share**2).sum()) / inflated
    by_weight = square / (len(values) - 1) / float(weight.sum())
    robust = float((share * (values - mean)) @ (share * (values - mean))) * len(values) / (len(values) - 1)
    return mean, math.sqrt(max(by_weight, robust) * inflated), max(effective - 1, 1.0)
