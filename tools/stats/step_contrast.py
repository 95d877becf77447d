"""Is a group's contrast now outside of what it was in few and noisy earlier periods?

With five or ten periods a group's own variance is hardly known, so it is drawn to what is common among all single
values (`moderated`), per unit of traffic and of rate, since both make a sum noisier. Neighbouring periods share their
noise; how much is taken from all values together, too.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.stats.moderated import Prior, fit
from tools.stats.panel import Floats
from tools.stats.robust import MIN_HISTORY, TOLERATED, UNKNOWN, Departure

MOST_RHO = 0.8


@dataclass(frozen=True)
class Series:
    """Numerators (signed: more is worse) and denominators per group and period, float64[C, K+1], now last."""

    num: Floats
    den: Floats

    def rates(self) -> Floats:
        rates: Floats = np.divide(self.num, self.den, out=np.full(self.num.shape, np.nan), where=self.den > 0)
        return rates


@dataclass(frozen=True)
class Noise:
    """What the single values say together: the prior of the dispersion (variance x traffic / rate), the correlation of
    neighbouring periods, the usual rate, and the least dispersion of counts (0 for other sums)."""

    prior: Prior
    rho: float
    usual: float
    least: float


def noise(values: Series, total: Series, counts: bool) -> Noise:
    """Learn the noise from the baseline periods of all single values. `counts` says that numerators are counts of the
    denominator's units, whose dispersion is at least that of drawing them one by one."""
    below = float(total.den.sum())
    usual = abs(float(total.num[:, :-1].sum())) / float(total.den[:, :-1].sum())
    usual = usual if usual > 0 else abs(float(total.num.sum())) / below
    left = _residuals(_effects(values, total)[:, :-1])
    enough = np.isfinite(left).sum(1) >= MIN_HISTORY
    rho = _rho(left[enough])
    few = Noise(Prior(math.nan, 0.0), rho, usual, max(1.0 - usual, 0.0) if counts else 0.0)
    history = left.shape[1]
    found = np.array([_dispersion(values, left, int(i), few)[0] for i in np.flatnonzero(enough)])
    return Noise(fit(found, _df(history, rho)), rho, usual, few.least)


def step_departure(group: Series, total: Series, known: Noise, looks: int) -> Departure:
    """Test one group (C = 1) for being worse now than its earlier contrasts; p values are one-sided and pay for the
    number of `looks` at the window."""
    effects = _effects(group, total)
    history = effects[0, :-1][np.isfinite(effects[0, :-1])]
    if len(history) < MIN_HISTORY or not math.isfinite(effects[0, -1]):
        return UNKNOWN
    left = _residuals(effects[:, :-1])
    dispersion, traffic, rate = _dispersion(group, left, 0, known)
    dispersion, df = known.prior.moderate(dispersion, _df(len(history), known.rho))
    dispersion = max(dispersion, known.least)
    now = abs(float(group.num[0, -1])) / float(group.den[0, -1])
    variance = dispersion * max(rate, now) / min(traffic, float(group.den[0, -1]))
    scale = math.sqrt(variance * (1 + 1 / _effective(len(history), known.rho)))
    effect = float(effects[0, -1]) - float(history.mean())
    if not scale > 0:
        return UNKNOWN
    half = float(stats.t.isf(0.025, df)) * scale
    p = min(float(stats.t.sf(effect / scale, df)) * looks, 1.0)
    beyond = int((history - history.mean() >= effect).sum()) <= int(TOLERATED * len(history))
    return Departure(effect, effect - half, effect + half, p, scale, df, len(history), beyond)


def _effects(group: Series, total: Series) -> Floats:
    """The group's rate less that of all others in the same period."""
    others = Series(total.num - group.num, total.den - group.den)
    effects: Floats = group.rates() - others.rates()
    return effects


def _residuals(effects: Floats) -> Floats:
    known = np.isfinite(effects)
    mean = np.where(known, effects, 0.0).sum(1) / np.maximum(known.sum(1), 1)
    left: Floats = effects - mean[:, None]
    return left


def _rho(left: Floats) -> float:
    """The mean correlation of neighbours, corrected for the bias of short series (-1/K; Kendall 1954)."""
    if not len(left):
        return 0.0
    square = np.nansum(left**2, axis=1)
    pairs = np.nansum(left[:, 1:] * left[:, :-1], axis=1)
    known = square > 0
    if not known.any():
        return 0.0
    rho = float((pairs[known] / square[known]).mean()) + 1 / left.shape[1]
    return float(min(max(rho, 0.0), MOST_RHO))


def _effective(history: int, rho: float) -> float:
    return float(max(history * (1 - rho) / (1 + rho), 1.0))


def _df(history: int, rho: float) -> float:
    return max(_effective(history, rho) - 1, 1.0)


def _dispersion(group: Series, left: Floats, row: int, known: Noise) -> tuple[float, float, float]:
    """The variance of a contrast per unit of rate and of inverse traffic, the usual traffic of a period, and the
    rate."""
    residuals = left[row][np.isfinite(left[row])]
    count = len(residuals)
    spent = count / _effective(count, known.rho)
    variance = float(residuals @ residuals) / max(count - spent, 1.0)
    below = float(group.den[row, :-1].sum())
    weight = 1.0 / known.usual if known.usual > 0 else 1.0
    rate = (abs(float(group.num[row, :-1].sum())) + weight * known.usual) / (below + weight)
    traffic = below / count
    return (variance * traffic / rate if rate > 0 else 0.0), traffic, rate
