"""When did it start: the onset of a shift in an hourly series, with an interval that knows the noise's own memory."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.panel import Floats

RAMP_H = 12
"""A rollout grows in stages: next to a step, a shift that grows over this many hours is tried."""
BLOCK_H = 24
DRAWS = 400
LEVEL = 0.95


@dataclass(frozen=True)
class Onset:
    """`at` is the index of the most likely first shifted hour, [low, high] its 95% interval, `p_value` the chance of so
    strong a shift from noise alone, `size` the shift in the unit of the series (its final size where it grows)."""

    at: int
    low: int
    high: int
    p_value: float
    size: float


def onset(series: Floats, noise: Floats, seed: int = 0) -> Onset | None:
    """Find an upward shift from zero in `series` float64[n]; `noise` float64[m] is how it runs on ordinary days.

    The likelihood gain of a step or a ramp at each hour, given white noise, is only the statistic. What counts as
    large, and how far it may fall from its maximum at the true onset, are read off moving blocks of the real noise
    (Künsch 1989), so correlated hours widen the interval: it holds the hours that a test of "the onset is here", with
    the shift that fits best there, does not reject. NaN hours are left out. None where there is too little of either.
    """
    known, calm = np.isfinite(series), noise[np.isfinite(noise)]
    scale = float(calm.std()) if len(calm) else 0.0
    if known.sum() < BLOCK_H or len(calm) < 4 * BLOCK_H or not scale > 0:
        return None
    shapes = _shapes(len(series)) * known
    match = _match(np.where(known, series, 0.0)[None] / scale, shapes)
    gains, sizes = _gains(match, shapes)
    gain, at = gains[0].max(axis=0), int(gains[0].max(axis=0).argmax())
    draws = _blocks((calm - calm.mean()) / scale, len(series), np.random.default_rng(seed))
    drawn = _match(draws, shapes)
    null = _gains(drawn, shapes)[0].max(axis=(1, 2))
    inside = np.flatnonzero(_possible(gain, sizes[0], drawn, shapes))
    size = float(sizes[0, int(gains[0, :, at].argmax()), at]) * scale
    return Onset(at, int(inside[0]), int(inside[-1]), _tail(null, float(gain[at])), size)


def _possible(gain: Floats, sizes: Floats, drawn: Floats, shapes: Floats) -> NDArray[np.bool_]:
    """bool[n]: the hours at which the onset may lie. `drawn` float64[r, s, n] is how noise alone matches the shapes; a
    shift of one shape adds its own match with all others."""
    below = float(gain.max()) - gain
    inside = below <= 0
    for shape, hour in zip(*np.nonzero(sizes > 0), strict=True):
        if not inside[hour]:
            shift = sizes[shape, hour] * (shapes @ shapes[shape, hour])
            again = _gains(drawn + shift, shapes)[0].max(axis=1)
            inside[hour] = below[hour] <= np.quantile(again.max(axis=1) - again[:, hour], LEVEL)
    return inside


def _tail(null: Floats, gain: float) -> float:
    """The chance of a larger maximum, from a Gumbel distribution with the mean and deviation of the drawn maxima: a few
    days of noise repeat themselves in the draws, and their own tail ends too early."""
    scale = float(null.std()) * math.sqrt(6) / math.pi
    location = float(null.mean()) - float(np.euler_gamma) * scale
    return -math.expm1(-math.exp(-(gain - location) / scale)) if scale > 0 else 1.0


def _shapes(length: int) -> Floats:
    """float64[2, n, n]: for each shape (step, ramp) and each onset, the shift by hour."""
    since = np.arange(length)[None] - np.arange(length)[:, None]
    return np.stack([(since >= 0).astype(float), np.clip((since + 1) / RAMP_H, 0, 1)])


def _match(series: Floats, shapes: Floats) -> Floats:
    """The inner products of float64[r, n] with all shapes and onsets, float64[r, s, n]."""
    match: Floats = np.einsum("rt,sot->rso", series, shapes)
    return match


def _gains(match: Floats, shapes: Floats) -> tuple[Floats, Floats]:
    """For each series, shape and onset, float64[r, s, n]: the log-likelihood gain and the size of the shift. Only
    upward shifts gain."""
    energy = (shapes**2).sum(-1)
    size = np.divide(match, energy, out=np.zeros_like(match), where=energy > 0)
    return np.where(size > 0, size * match / 2, 0.0), size


def _blocks(calm: Floats, length: int, rng: np.random.Generator) -> Floats:
    """float64[DRAWS, length]: noise made of moving blocks of the calm series, wrapped around its end."""
    count = -(-length // BLOCK_H)
    starts = rng.integers(0, len(calm), (DRAWS, count))
    index = (starts[..., None] + np.arange(BLOCK_H)) % len(calm)
    drawn: Floats = calm[index].reshape(DRAWS, -1)[:, :length]
    # The calm series has lost its own mean, and lent it to the series: long runs of it stay too close to zero.
    widened: Floats = drawn * np.sqrt(1 + 2 * length / len(calm))
    return widened
