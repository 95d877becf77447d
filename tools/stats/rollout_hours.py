"""How sure a comparison of two snapshots is by its own hours: how much it moves from one to the next."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from tools.records import MetricRole
from tools.stats.contrast import contrast
from tools.stats.panel import Floats, Sums
from tools.stats.robust import UNKNOWN, Departure, Tail
from tools.stats.rollout_sides import Sides
from tools.stats.suspects import kind_of

MIN_SHARED_H = 3
USUAL_DIFFERENCE = 0.015
"""No two snapshots are alike: what they are taken to differ by without a fault, as one standard deviation of the log
ratio (of the top line: as a share of it), where no earlier rollouts of the model can say."""
MOST_RHO = 0.9


@dataclass(frozen=True)
class Spread:
    """A standard error and its degrees of freedom."""

    scale: float
    df: float


@dataclass(frozen=True)
class ByHours:
    """The weighted mean of the hourly comparisons of the current block, its error, and how many hours there were."""

    effect: float
    error: Spread
    hours: int


def by_hours(split: Sides, before: int, role: MetricRole) -> ByHours | None:
    """Compare the sides hour by hour, over the places of each. None below three shared hours.

    The error is that of a weighted mean of correlated values: AR(1), the correlation of neighbours freed of its
    small-sample bias, -(1 + 3 rho) / n (Kendall 1954). Degrees of freedom are those of as many independent hours as
    the correlated ones are worth.
    """
    new, old = (Sums(side.num[-1, before:], side.den[-1, before:]) for side in (split.new, split.old))
    per_hour = contrast(new, old, kind_of(role)).effect
    both = new.den + old.den
    weight = np.divide(new.den * old.den, both, out=np.zeros_like(both), where=both > 0).sum(-1)
    use = np.isfinite(per_hour) & (weight > 0)
    if use.sum() < MIN_SHARED_H:
        return None
    effect, error = _weighted(per_hour[use], weight[use])
    return ByHours(effect, error, int(use.sum()))


def alone(found: ByHours, usual: Spread, tail: Tail) -> Departure:
    """The comparison where no earlier rollouts can be held against it: it must exceed its own error and what snapshots
    usually differ by."""
    if not found.error.scale > 0:
        return UNKNOWN
    raw = Departure(found.effect, math.nan, math.nan, math.nan, found.error.scale, found.error.df, found.hours, True)
    return widened(raw, usual, tail)


def usual_difference(split: Sides, before: int, role: MetricRole) -> Spread:
    """`USUAL_DIFFERENCE` in the unit of a role's contrast, taken to be known as well as from ten rollouts."""
    below = split.old.now(before)
    level = abs(float(split.old.num[-1, before:].sum())) / below if below > 0 else math.nan
    return Spread(USUAL_DIFFERENCE * (level if role is MetricRole.topline else 1.0), 10.0)


def widened(found: Departure, by: Spread, tail: Tail) -> Departure:
    """A departure with another, independent error added in squares; degrees of freedom of Welch and Satterthwaite
    (1946)."""
    if not (math.isfinite(found.effect) and math.isfinite(by.scale)):
        return UNKNOWN
    scale = math.hypot(found.scale, by.scale)
    df = scale**4 / (found.scale**4 / found.df + by.scale**4 / by.df)
    size = {"low": -found.effect, "high": found.effect, "both": abs(found.effect)}[tail] / scale
    p_value = min(float(stats.t.sf(size, df)) * (2 if tail == "both" else 1), 1.0)
    half = float(stats.t.isf(0.025, df)) * scale
    low, high = found.effect - half, found.effect + half
    return replace(found, low=low, high=high, p_value=p_value, scale=scale, df=df)


def _weighted(values: Floats, weight: Floats) -> tuple[float, Spread]:
    """The weighted mean and its error: the larger one of that by the weights and that by the residuals themselves."""
    share = weight / weight.sum()
    mean = float(share @ values)
    left = np.sqrt(weight) * (values - mean)
    square = float(left @ left)
    rho = float(left[1:] @ left[:-1]) / square if square > 0 else 0.0
    rho = (rho + 1 / len(left)) / max(1 - 3 / len(left), 0.5)
    rho = min(max(rho, 0.0), MOST_RHO)
    inflated = (1 + rho) / (1 - rho)
    effective = 1 / float((share**2).sum()) / inflated
    by_weight = square / (len(values) - 1) / float(weight.sum())
    apart = share * (values - mean)
    by_residual = float(apart @ apart) * len(values) / (len(values) - 1)
    return mean, Spread(math.sqrt(max(by_weight, by_residual) * inflated), max(effective - 1, 1.0))
