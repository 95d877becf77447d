"""Values that the baseline does not know: a new model, build or arm. Nobody can say what is usual for them, so they
are never accused; what can be said is how they fare against the rest in the same hours of the window."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.records import Cube, Window
from tools.stats.contrast import Kind, contrast_terms
from tools.stats.panel import Floats, Panel, Sums, added, encode
from tools.stats.robust import MIN_HISTORY
from tools.stats.steps import sound_rows
from tools.stats.suspects import MIN_DENOMINATOR, MODEL, by_place, stratified

LEAST_HOURS = 6
MOST_RHO = 0.8
MISSED = 0.01
"""A value with this share of the usual traffic is missed where it has no points."""


@dataclass(frozen=True)
class Newcomer:
    """A value with `days` baseline days of its own, too few to be tested. `effect` is its difference from the rest in
    the same hours of the window, [low, high] a 95% interval from its hours (NaN where they are too few), `p_value`
    two-sided, `weight` its share of the denominators now. `hours` were compared (steps of the points in `unit` "steps",
    where the baseline holds no day)."""

    dimension: str
    value: str
    days: int
    effect: float
    low: float
    high: float
    p_value: float
    hours: int
    weight: float
    unit: str = "hours"

    @property
    def name(self) -> str:
        return f"{self.dimension}={self.value}"

    def adds(self, sign: float) -> float:
        """How much it adds to a drop, if its whole difference were new; `sign` turns a change into "worse"."""
        return sign * self.effect * self.weight


def newcomers(topline: Panel, dimensions: Sequence[str], segments: Sequence[str]) -> tuple[Newcomer, ...]:
    """All values of the dimensions with traffic in the window and too few baseline days; most traffic first."""
    found = [n for name in dimensions for n in _of(topline, name, segments)]
    return tuple(sorted(found, key=lambda n: (-n.weight, n.name)))


def unseen(cube: Cube, dimensions: Sequence[str], window: Window, baseline: Window) -> tuple[Newcomer, ...]:
    """The same where the baseline is shorter than a day: values without any traffic in it, compared step by step."""
    now, before = cube.within(window), cube.within(baseline)
    now, before = now.where(sound_rows(now)), before.where(sound_rows(before))
    if not len(now) or not before.denominator.sum() > 0:
        return ()
    times, at = np.unique(now.ts, return_inverse=True)
    models = encode(now.dims[MODEL]) if MODEL in now.dims else encode(np.full(len(now), ""))
    found: list[Newcomer] = []
    for name in dimensions:
        values, known = encode(now.dims[name]), set(before.dims[name][before.denominator > 0].tolist())
        stratum = np.zeros(len(now), dtype=np.int64) if name == MODEL else models.codes
        shape = (len(values.names), len(models.names), len(times))
        index = (values.codes * shape[1] + stratum) * shape[2] + at.reshape(-1)
        sums = Sums(added(index, now.numerator, shape), added(index, now.denominator, shape))
        for i, value in enumerate(values.names):
            group = Sums(sums.num[i], sums.den[i])
            if value and value not in known and group.den.sum() >= MIN_DENOMINATOR:
                others = Sums(sums.num.sum(0) - group.num, sums.den.sum(0) - group.den)
                effect, half, p, steps = concurrent(group, others, len(times))
                share = float(group.den.sum() / sums.den.sum())
                found.append(Newcomer(name, value, 0, effect, effect - half, effect + half, p, steps, share, "steps"))
    return tuple(sorted(found, key=lambda n: (-n.weight, n.name)))


def missing(topline: Panel, dimensions: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Values with baseline traffic and no points in the window, with their usual share; most traffic first."""
    found: list[tuple[str, float]] = []
    for name in dimensions:
        by_block = topline.sums((name,)).den.sum(-1)
        usual = by_block[:, :-1].sum(1) / max(float(by_block[:, :-1].sum()), 1e-300)
        values = topline.coded(name).names
        found += [
            (f"{name}={values[i]}", float(usual[i]))
            for i in np.flatnonzero((by_block[:, -1] == 0) & (usual >= MISSED))
            if values[i]
        ]
    return tuple(sorted(found, key=lambda m: (-m[1], m[0])))


def _of(topline: Panel, dimension: str, segments: Sequence[str]) -> Iterator[Newcomer]:
    names = topline.coded(dimension).names
    by_block = topline.sums((dimension,)).den.sum(-1)
    days = (by_block[:, :-1] > 0).sum(1)
    enough = min(MIN_HISTORY, topline.blocks.history)
    new = [i for i in range(len(names)) if names[i] and by_block[i, -1] >= MIN_DENOMINATOR and days[i] < enough]
    if not new:
        return
    sums = stratified(topline, segments) if dimension == MODEL else by_place(topline, dimension)
    total = float(by_block[:, -1].sum())
    for i in new:
        group = Sums(sums.num[i, -1], sums.den[i, -1])
        others = Sums(sums.num[:, -1].sum(0) - group.num, sums.den[:, -1].sum(0) - group.den)
        effect, half, p, hours = concurrent(group, others, topline.blocks.hours)
        share = float(by_block[i, -1]) / total
        yield Newcomer(dimension, names[i], int(days[i]), effect, effect - half, effect + half, p, hours, share)


def concurrent(group: Sums, others: Sums, hours: int, kind: Kind = "difference") -> tuple[float, float, float, int]:
    """The Mantel-Haenszel difference of two groups float64[S], strata with their hour last, half its 95% interval, its
    two-sided p value, and the number of hours compared.

    An hour is a cluster of the ratio estimate (Cochran 1977, ch. 11), which repeated impressions and swings within an
    hour cannot fool; hours that resemble their neighbours count for fewer (AR(1))."""
    upper, lower = (t.reshape(-1, hours).sum(0) for t in contrast_terms(group, others, kind))
    compared = int((lower > 0).sum())
    below = float(lower.sum())
    if not below > 0:
        return math.nan, math.nan, math.nan, 0
    effect = float(upper.sum()) / below
    if compared < LEAST_HOURS:
        return effect, math.nan, math.nan, compared
    left = (upper - effect * lower)[lower > 0]
    rho = _rho(left)
    df = max(compared * (1 - rho) / (1 + rho) - 1, 1.0)
    inflation = (1 + rho) / (1 - rho) * compared / (compared - 1)
    scale = math.sqrt(float(left @ left) * inflation) / below
    p = float(2 * stats.t.sf(abs(effect) / scale, df)) if scale > 0 else math.nan
    return effect, float(stats.t.isf(0.025, df)) * scale, p, compared


def _rho(left: Floats) -> float:
    """The correlation of neighbouring hours, corrected for the bias of a short series (Kendall 1954)."""
    square = float(left @ left)
    if not square > 0:
        return 0.0
    rho = float(left[1:] @ left[:-1]) / square
    return float(min(max(rho + (1 + 3 * rho) / len(left), 0.0), MOST_RHO))
