"""Concurrent contrasts: one group against another in the same hours, per block."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.stats.panel import Floats, Sums

Kind = Literal["difference", "log_ratio"]


@dataclass(frozen=True)
class Contrast:
    """Per block, float64[..., K+1]: `effect` (group minus others, or the logarithm of their ratio), its `noise`
    (standard error from within the block), the `level` of the others in the same hours (as a logarithm for a ratio),
    and `weight`, the group's share of the denominators."""

    effect: Floats
    noise: Floats
    level: Floats
    weight: Floats


def contrast(group: Sums, others: Sums, kind: Kind) -> Contrast:
    """Compare two groups stratum by stratum; both float64[..., K+1, S]. Strata where one of them is absent do not
    count.

    Mantel-Haenszel weights (Mantel & Haenszel 1959; Greenland & Robins 1985), so empty strata and zero numerators do no
    harm, and a different mix of hours in the two groups does not show as a difference. NaN where nothing can be
    compared.
    """
    upper, lower = contrast_terms(group, others, kind)
    effect = _estimate(upper.sum(-1), lower.sum(-1), kind)
    noise = _jackknife(upper, lower, kind)
    seen = group.den > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(seen, others.num, 0).sum(-1) / np.where(seen, others.den, 0).sum(-1)
        level = np.log(level) if kind == "log_ratio" else level
        weight = group.den.sum(-1) / (group.den.sum(-1) + others.den.sum(-1))
    return Contrast(effect, noise, np.where(np.isfinite(level), level, np.nan), weight)


def contrast_terms(group: Sums, others: Sums, kind: Kind) -> tuple[Floats, Floats]:
    """The two Mantel-Haenszel sums, not yet summed over strata; float64[..., K+1, S]."""
    total = group.den + others.den
    share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    first, second = group.num * others.den * share, others.num * group.den * share
    if kind == "log_ratio":
        return first, second
    return first - second, group.den * others.den * share


def _estimate(upper: Floats, lower: Floats, kind: Kind) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = upper / lower
        value = np.log(ratio) if kind == "log_ratio" else ratio
    return np.where(np.isfinite(value), value, np.nan)


def _jackknife(upper: Floats, lower: Floats, kind: Kind) -> Floats:
    """Standard error of the estimate per block, from the estimates that leave out one stratum; NaN for fewer than two.

    Taken from the differences of neighbours (von Neumann 1941), so that an effect that sets in or grows during the
    block does not count as noise. Only its size relative to other blocks is ever used.
    """
    without = _estimate(upper.sum(-1, keepdims=True) - upper, lower.sum(-1, keepdims=True) - lower, kind)
    without = np.where((lower != 0) | (upper != 0), without, np.nan)
    square = np.diff(without, axis=-1) ** 2
    pairs = np.isfinite(square).sum(-1)
    total = np.where(np.isfinite(square), square, 0).sum(-1)
    strata = np.isfinite(without).sum(-1)
    noise: Floats = np.where(pairs > 0, np.sqrt(total / np.maximum(pairs, 1) * strata / 2), np.nan)
    return noise
