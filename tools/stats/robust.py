"""Is the current block outside what the earlier blocks showed? A prediction interval, with comparable conditions."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Tail = Literal["low", "high", "both"]

MIN_HISTORY = 4
"""Below this many earlier blocks nothing is said: a scale from three values is no scale."""
MIN_FOR_SLOPE = 8
TOLERATED = 0.05
"""The share of earlier blocks that may have been as extreme; a past incident in the baseline must not hide a new
one."""


@dataclass(frozen=True)
class Departure:
    """How far the current value lies from what history predicts for its conditions.

    `effect` is current minus predicted, [low, high] its 95% interval, `scale` its standard error, `df` the degrees of
    freedom, `blocks` the number of earlier blocks, `beyond` whether it is more extreme than nearly all of them.
    """

    effect: float
    low: float
    high: float
    p_value: float
    scale: float
    df: float
    blocks: int
    beyond: bool

    @property
    def known(self) -> bool:
        return math.isfinite(self.p_value)

    def power(self, size: float, alpha: float) -> float:
        """The chance that an effect of this size would have been seen at this one-sided level."""
        if not self.known:
            return 0.0
        return t_above(-t_quantile(alpha, self.df) - abs(size) / self.scale, self.df)


def t_above(t: float, df: float) -> float:
    """The chance that Student's t with these degrees of freedom is above `t`. The special function itself: the class
    of the distribution takes a hundred times as long for one number, and a search asks tens of thousands of times."""
    return float(special.stdtr(df, -t))


def t_quantile(probability: float, df: float) -> float:
    """What Student's t stays below with this probability."""
    return float(special.stdtrit(df, probability))


UNKNOWN = Departure(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, 0, False)


def departure(
    history: Floats,
    current: float,
    tail: Tail,
    conditions: Floats | None = None,
    now: float = math.nan,
    noise: Floats | None = None,
    noise_now: float = math.nan,
) -> Departure:
    """Test `current` against `history` float64[K], oldest first, one value per block; NaN blocks are left out.

    With `conditions` float64[K] and `now` (the same figure for the current block) the prediction is the regression of
    history on conditions, and its interval widens with the distance of `now` from the conditions that history knows.
    With `noise` float64[K] and `noise_now` (standard errors from within the blocks) the interval widens too where the
    current block is noisier than was usual. Correlation between neighbouring blocks lowers the effective number of
    blocks. Student's t prediction interval (e.g. Draper & Smith 1998, ch. 1 and 5).
    """
    use = np.isfinite(history)
    adjust = conditions is not None and math.isfinite(now)
    if conditions is not None and adjust:
        use &= np.isfinite(conditions)
    count = int(use.sum())
    if count < MIN_HISTORY or not math.isfinite(current):
        return UNKNOWN
    values = history[use]
    level = conditions[use] if conditions is not None and adjust and count >= MIN_FOR_SLOPE else None
    predicted, fitted, leverage, spent = _predict(values, level, now)
    left = values - fitted
    scale, df = _scale(left, leverage, spent)
    if noise is not None:
        scale *= _noisier(noise[use], noise_now)
    return _judge(current - predicted, left, scale, df, tail)


def _predict(values: Floats, level: Floats | None, now: float) -> tuple[float, Floats, float, int]:
    """The prediction for the current block, the fitted history, the leverage of `now`, and the parameters spent."""
    middle = float(values.mean())
    if level is not None:
        from_mean = level - level.mean()
        spread = float(from_mean @ from_mean)
        if spread > 1e-12 * len(level):
            slope = float(from_mean @ values) / spread
            ahead = now - float(level.mean())
            return middle + slope * ahead, middle + slope * from_mean, ahead**2 / spread, 2
    return middle, np.full(len(values), middle), 0.0, 1


def _scale(left: Floats, leverage: float, spent: int) -> tuple[float, float]:
    """The standard error of a prediction and its degrees of freedom, for residuals that may be correlated in time."""
    count = len(left)
    square = float(left @ left)
    tiny = 1e-12 + 1e-9 * float(np.abs(left).max())
    rho = min(max(float(left[1:] @ left[:-1]) / square, 0.0), 0.8) if square > 0 else 0.0
    effective = count * (1 - rho) / (1 + rho)
    df = max(effective - spent, 2.0)
    variance = square / max(count - spent * count / effective, 2.0)
    return max(math.sqrt(variance * (1 + 1 / effective + leverage)), tiny), df


def _noisier(noise: Floats, now: float) -> float:
    """How much noisier than usual the current block is inside; never less than one."""
    known = np.sort(noise[np.isfinite(noise)])
    usual = float(known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2 if len(known) else math.nan
    return max(now / usual, 1.0) if math.isfinite(now) and usual > 0 else 1.0


def _judge(effect: float, left: Floats, scale: float, df: float, tail: Tail) -> Departure:
    t = effect / scale
    signed = {"low": -t, "high": t, "both": abs(t)}[tail]
    p = t_above(signed, df) * (2 if tail == "both" else 1)
    sizes = {"low": -left, "high": left, "both": np.abs(left)}[tail]
    size = {"low": -effect, "high": effect, "both": abs(effect)}[tail]
    beyond = int((sizes >= size).sum()) <= int(TOLERATED * len(left))
    half = t_quantile(0.975, df) * scale
    return Departure(effect, effect - half, effect + half, min(p, 1.0), scale, df, len(left), beyond)
