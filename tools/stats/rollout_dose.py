"""Dose and response: does the model's contrast with the other models follow the share of a new snapshot?"""

import numpy as np

from tools.records import MetricRole
from tools.stats.contrast import Contrast, contrast
from tools.stats.panel import Floats, Sums
from tools.stats.robust import Departure, Tail, departure
from tools.stats.rollout_sides import Sides
from tools.stats.suspects import kind_of


def against_rollouts(split: Sides, role: MetricRole, tail: Tail) -> Departure:
    """The slope on the new snapshot's share in the current block, against those of the earlier rollouts."""
    return _judged(split.share(), split, role, tail)


def against_days(share: Floats, days: Sides, role: MetricRole, tail: Tail) -> Departure:
    """The slope on `share` float64[H] in the last block, against the slopes on the same share on the days before, which
    did not have it."""
    return _judged(np.broadcast_to(share, days.model.den.shape), days, role, tail)


def hourly_contrast(group: Sums, others: Sums, role: MetricRole) -> Contrast:
    """The contrast of each hour by itself; the arrays of the answer have the shape of the sums."""
    apart = Sums(group.num[..., None], group.den[..., None])
    return contrast(apart, Sums(others.num[..., None], others.den[..., None]), kind_of(role))


def _judged(dose: Floats, split: Sides, role: MetricRole, tail: Tail) -> Departure:
    """A share that varied less than usual tells less about the slope, by the least-squares error of a slope."""
    slopes, spread = _slopes(dose, split.model, split.rest, role)
    noise = np.divide(1.0, np.sqrt(spread), out=np.full(len(spread), np.nan), where=spread > 0)
    return departure(slopes[:-1], float(slopes[-1]), tail, noise=noise[:-1], noise_now=float(noise[-1]))


def _slopes(dose: Floats, model: Sums, rest: Sums, role: MetricRole) -> tuple[Floats, Floats]:
    """The weighted least-squares slope of the model's hourly contrast with the other models on the dose, float64[K+1],
    NaN where the dose does not vary; and the weighted variation of the dose."""
    response = hourly_contrast(model, rest, role).effect
    both = model.den + rest.den
    weight = np.divide(model.den * rest.den, both, out=np.zeros_like(both), where=both > 0)
    weight = np.where(np.isfinite(response), weight, 0.0)
    response = np.where(np.isfinite(response), response, 0.0)
    total = np.maximum(weight.sum(-1, keepdims=True), 1e-300)
    from_mean = dose - (weight * dose).sum(-1, keepdims=True) / total
    spread: Floats = (weight * from_mean**2).sum(-1)
    spread = np.where(spread > 1e-9 * total[:, 0], spread, 0.0)
    slope = (weight * from_mean * response).sum(-1)
    slopes: Floats = np.divide(slope, spread, out=np.full(len(spread), np.nan), where=spread > 0)
    return slopes, spread
