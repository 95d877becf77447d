"""What each value of a dimension makes of a change: by its share of the traffic, and within it; with intervals.

With enough baseline days the uncertainty of a part is what the same part was on the baseline days, each against the
others: swings that remember, and impressions that repeat within a day, are in it. With fewer it is read off the hours
of the window, and said to be only that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tools.stats.decomposition import Mass, parts
from tools.stats.panel import Floats
from tools.stats.robust import MIN_HISTORY, departure

DRAWS = 200
BLOCK_H = 4
"""Hours that are drawn together; a day's swings last longer, so few blocks make a wide interval."""
LEAST_BLOCKS = 3


@dataclass(frozen=True)
class Interval:
    """A part of the change with its 95% interval; NaN bounds where none can be had."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ValueParts:
    """One value of one dimension: its share of the traffic before and now, and its parts of the change. All parts of
    a dimension add up to the whole change."""

    dimension: str
    value: str
    usual: float
    share: float
    mix: Interval
    within: Interval


@dataclass(frozen=True)
class HourlyMass:
    """Traffic, numerators and denominators, float64[C, K+1, H], the current block last."""

    exposure: Floats
    num: Floats
    den: Floats

    def blocks(self) -> Mass:
        """float64[C, K+1]."""
        return Mass(self.exposure.sum(-1), self.num.sum(-1), self.den.sum(-1))

    def cells(self) -> Mass:
        """With every hour as a cell of its own, float64[C x H, K+1]."""
        periods = self.den.shape[1]
        return Mass(*(np.moveaxis(a, 1, 2).reshape(-1, periods) for a in (self.exposure, self.num, self.den)))

    def drawn(self, weights: Floats) -> tuple[Mass, Mass]:
        """Baseline and current block with each hour so many times, weights float64[B, H]: float64[C, B] each."""
        before = Mass(*(a[:, :-1].sum(1) @ weights.T for a in (self.exposure, self.num, self.den)))
        return before, Mass(*(a[:, -1] @ weights.T for a in (self.exposure, self.num, self.den)))

    def drawn_cells(self, weights: Floats) -> tuple[Mass, Mass]:
        """The same with every hour as a cell of its own, float64[C x H, B]."""
        all_of = (self.exposure, self.num, self.den)
        before = Mass(*((a[:, :-1].sum(1)[..., None] * weights.T).reshape(-1, len(weights)) for a in all_of))
        return before, Mass(*((a[:, -1][..., None] * weights.T).reshape(-1, len(weights)) for a in all_of))


def against_history(mass: Mass) -> tuple[Mass, Mass]:
    """For each block the mass of the baseline blocks without it, and its own; both float64[C, K+1]."""
    own = np.arange(mass.den.shape[1]) < mass.den.shape[1] - 1
    return Mass(*(_without(a, own) for a in (mass.exposure, mass.num, mass.den))), mass


def _without(sums: Floats, own: NDArray[np.bool_]) -> Floats:
    """All baseline blocks less each; what rounding leaves of a cell that only this block has is nothing."""
    pooled = sums[:, :-1].sum(1, keepdims=True)
    rest = pooled - sums * own
    return np.where(np.abs(rest) > 1e-9 * np.abs(pooled), rest, 0.0)


def value_parts(dimension: str, names: Sequence[str], mass: HourlyMass) -> tuple[ValueParts, ...]:
    """The parts of every value of a dimension; `names` of the C cells. None without a baseline."""
    blocks = mass.blocks()
    if blocks.den.shape[1] < 2:
        return ()
    before, now = against_history(blocks)
    found = parts(before, now)
    drawn = None if history_of(blocks) >= MIN_HISTORY else hour_draws(mass.den.shape[-1])
    noise = None if drawn is None else parts(*mass.drawn(drawn))
    usual, share = (_share(m.covered().exposure[:, -1]) for m in (before, now))
    mix = [interval(found.mix[i], None if noise is None else noise.mix[i], drawn) for i in range(len(names))]
    within = [interval(found.within[i], None if noise is None else noise.within[i], drawn) for i in range(len(names))]
    return tuple(
        ValueParts(dimension, name or "(none)", float(usual[i]), float(share[i]), mix[i], within[i])
        for i, name in enumerate(names)
    )


def history_of(blocks: Mass) -> int:
    """How many baseline blocks have points."""
    return int((blocks.den[:, :-1].sum(0) > 0).sum())


def interval(series: Floats, noise: Floats | None, weights: Floats | None) -> Interval:
    """The last of `series` float64[K+1] with what the earlier ones, or else draws of its hours, say of its noise."""
    value = float(series[-1])
    half = float("nan")
    if noise is not None and weights is not None:
        half = _half(noise, weights.shape[1])
    else:
        judged = departure(series[:-1], value, "both")
        half = (judged.high - judged.low) / 2
    return Interval(value, value - half, value + half)


def interval_from(history: int, by_hours: bool) -> str:
    """What the intervals of the parts rest on, or why there are none."""
    if history >= MIN_HISTORY:
        return f"the same parts of {history} baseline days"
    if history < 1:
        return "no interval: the baseline holds no day with the window's hours"
    if by_hours:
        return (
            f"blocks of {BLOCK_H} hours drawn within {history} baseline days and the window: the swings from day to "
            "day are not in it, so the truth may lie further off"
        )
    return (
        f"no interval: fewer than {MIN_HISTORY} baseline days, and the window has fewer than {BLOCK_H * LEAST_BLOCKS} "
        "hours"
    )


def hour_draws(hours: int) -> Floats | None:
    """How often each hour is drawn, float64[DRAWS, H]: circular blocks of hours, the same of the window and of the
    baseline (Politis & Romano 1992). None where there are too few hours."""
    count = hours // BLOCK_H
    if count < LEAST_BLOCKS:
        return None
    rng = np.random.default_rng(0)
    starts = rng.integers(0, hours, (DRAWS, count))
    at: NDArray[np.int64] = (starts[..., None] + np.arange(BLOCK_H)).reshape(DRAWS, -1) % hours
    flat = at + hours * np.arange(DRAWS)[:, None]
    weights: Floats = np.bincount(flat.ravel(), minlength=DRAWS * hours).reshape(DRAWS, hours).astype(np.float64)
    return weights


def _half(noise: Floats, hours: int) -> float:
    """Half a t interval: a handful of blocks says little of its own spread."""
    known = noise[np.isfinite(noise)]
    if len(known) < DRAWS // 2:
        return float("nan")
    return float(stats.t.isf(0.025, hours // BLOCK_H - 1)) * float(known.std(ddof=1))


def _share(exposure: Floats) -> Floats:
    total = float(exposure.sum())
    return exposure / total if total > 0 else np.full(len(exposure), np.nan)
