"""When a model left the others: its hourly contrast with them, freed of the usual course of the day, and its onset."""

import warnings
from dataclasses import dataclass

import numpy as np

from tools.records import Cube, MetricRole, Window
from tools.stats.blocks import DAY_H, HOUR_S, Blocks
from tools.stats.changepoint import Onset, onset
from tools.stats.panel import Floats, Panel, Sums
from tools.stats.robust import MIN_HISTORY, Tail
from tools.stats.rollout_dose import hourly_contrast
from tools.stats.suspects import MODEL

LEAD_H = 24
"""How long before the window an onset is looked for: alerts are late."""
NEIGHBOURS = 2
"""So many hours on either side lend an hour their deviation."""
FOUND = 0.01
"""Lower than the usual level, because two weeks of noise know little of their own tail: with this, noise that keeps
0.5 to 0.8 of itself from hour to hour has an onset in 1 to 3 of 100 windows."""


@dataclass(frozen=True)
class ContrastOnset:
    """The onset in the metric of `role`. `low`, `at` and `high` are unix hours; `hours` and `series` are what it was
    found in, in standard deviations of the same hour of the baseline days, upwards being worse. `found` says whether
    noise alone would not do it."""

    role: MetricRole
    at: int
    low: int
    high: int
    p_value: float
    hours: tuple[int, ...]
    series: Floats

    @property
    def found(self) -> bool:
        return self.p_value < FOUND


def contrast_onset(
    cube: Cube, role: MetricRole, tail: Tail, model: str, window: Window, baseline: Window
) -> ContrastOnset | None:
    """The onset of the model's worsening against the others; None where the hours or the baseline do not suffice."""
    first, last = int(baseline.start.timestamp()) // HOUR_S, -(-int(window.end.timestamp()) // HOUR_S)
    start = int(window.start.timestamp()) // HOUR_S - LEAD_H
    history = [h for h in range(start - DAY_H, first - 1, -DAY_H) if h + DAY_H <= start]
    if len(history) < MIN_HISTORY:
        return None
    days = _effects(cube, role, model, Blocks(np.array(history[::-1]), DAY_H))
    current = _effects(cube, role, model, Blocks(np.array([start]), last - start))[0]
    found, series = onset_beyond_course(days, current, -1.0 if tail == "low" else 1.0)
    if found is None:
        return None
    return ContrastOnset(
        role=role,
        at=start + found.at,
        low=start + found.low,
        high=start + found.high,
        p_value=found.p_value,
        hours=tuple(range(start, last)),
        series=series,
    )


def onset_beyond_course(days: Floats, current: Floats, sign: float) -> tuple[Onset | None, Floats]:
    """The onset of a shift of `current` float64[n] (of this sign) from the course of the days float64[K, 24] that it
    begins with the first hour of, and the series that it was found in."""
    usual, spread = _course(days)
    phase = np.arange(len(current)) % DAY_H
    series: Floats = sign * (current - usual[phase]) / spread[phase]
    return onset(series, sign * _as_new(days).ravel()), series


def _effects(cube: Cube, role: MetricRole, model: str, blocks: Blocks) -> Floats:
    """The model's contrast with the others, float64[blocks, hours]; NaN where they cannot be compared."""
    panel = Panel(cube, blocks)
    names = panel.coded(MODEL).names
    if model not in names:
        return np.full((len(blocks.starts), blocks.hours), np.nan)
    sums, m = panel.sums((MODEL,)), names.index(model)
    mine = Sums(sums.num[m], sums.den[m])
    return hourly_contrast(mine, Sums(sums.num.sum(0) - mine.num, sums.den.sum(0) - mine.den), role).effect


def _as_new(days: Floats) -> Floats:
    """Each day by the course of the other days, as the current hours are seen: float64[days, hours]."""
    courses = [_course(np.delete(days, i, axis=0)) for i in range(len(days))]
    return np.stack([(day - usual) / spread for day, (usual, spread) in zip(days, courses, strict=True)])


def _course(days: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each hour over the days, NaN where fewer than three days have it. The deviation is that of
    the hour and its neighbours on either side, since a few days alone know little of it."""
    enough = np.isfinite(days).sum(0) >= 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # hours that no day has are NaN, and dropped below
        mean, variance = np.nanmean(days, axis=0), np.nanvar(days, axis=0, ddof=1)
        variance = np.where(enough, variance, np.nan)
        near = np.stack([np.roll(variance, by) for by in range(-NEIGHBOURS, NEIGHBOURS + 1)])
        deviation = np.sqrt(np.nanmean(near, axis=0))
    sound = enough & (deviation > 0)
    return np.where(sound, mean, np.nan), np.where(sound, deviation, np.nan)
