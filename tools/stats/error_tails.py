"""How often is an error as large as this one made by chance? By the errors that were made before, of all series of a
kind at once, since a single short series cannot tell how heavy its tails are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.stats.profile import Floats

_MANY = 100  # errors of a kind that can tell how heavy their tails are
_FEWEST = 8.0  # degrees of freedom of the scale of a series with the least history
_LEAST_RATIO = 0.3  # of the square of a scale to the variance: beyond, tails are too heavy to have one
_TOP = 0.1  # the share of errors that make the tail
_CENSORED = 0.005  # the share of errors that may be incidents of the past: they count as large, not by how large
_SHAPES = np.linspace(0.01, 0.5, 15)
_USUAL_SHAPE, _SHAPES_DIFFER = 0.15, 0.15
_SCALES = np.exp(np.linspace(-0.7, 0.7, 29))


def p_values(z: Floats, groups: Sequence[np.ndarray]) -> tuple[Floats, Floats]:
    """Two-sided p values of the last row of |z| float64[T, S], and the z that 95% stay within, by series.

    By the errors of all series of a kind on the days before: by their share within what they have shown, and beyond it
    by their tail. A kind with few errors takes the typical tail of the others.
    """
    p, half = np.full(z.shape[1], np.nan), np.full(z.shape[1], np.nan)
    pasts = [_lively(z[:-1, group]) for group in groups]
    tails = [_Tail.of(past) if len(past) >= _MANY else None for past in pasts]
    shapes = [tail.mean_shape for tail in tails if tail]
    typical = 1 / max(float(np.median(shapes)), 1 / 30) if shapes else 1 / _USUAL_SHAPE
    for group, past, tail in zip(groups, pasts, tails, strict=True):
        p[group], half[group] = tail.judge(z[-1, group]) if tail else _of_few(z[-1, group], past, typical)
    return p, half


def _lively(z: Floats) -> Floats:
    """The known errors of the series that move at all: one that never does would make the others look wild."""
    counted = np.maximum(np.isfinite(z).sum(axis=0), 1)
    size = np.sqrt(np.nansum(np.minimum(z, 4.0) ** 2, axis=0) / counted)
    found: Floats = z[:, size >= 0.3]
    return found[np.isfinite(found)]


@dataclass(frozen=True)
class _Tail:
    """The largest tenth of errors `past`, beyond `start`, follows a generalised Pareto law (Pickands 1975), of one of
    these shapes and scales float64[K], with these chances."""

    past: Floats
    start: float
    shapes: Floats
    scales: Floats
    chances: Floats

    @classmethod
    def of(cls, past: Floats) -> "_Tail":
        """By Bayes' rule over a grid, so that p values pay for what so many errors cannot tell about their tail; the
        very largest errors are censored (see `_CENSORED`)."""
        start, most = (float(q) for q in np.quantile(past, (1 - _TOP, 1 - _CENSORED)))
        known = past[(past > start) & (past <= most)] - start
        beyond = int((past > most).sum())
        mean = max(float(known.mean()) if len(known) else 0.0, 1e-3)
        shape, scale = (grid.ravel() for grid in np.meshgrid(_SHAPES, mean * _SCALES))
        likely = -0.5 * ((shape - _USUAL_SHAPE) / _SHAPES_DIFFER) ** 2 - len(known) * np.log(scale)
        likely -= (1 + 1 / shape) * np.log1p(known[:, None] * (shape / scale)).sum(axis=0)
        likely -= beyond / shape * np.log1p((most - start) * shape / scale)
        chances = np.exp(likely - likely.max())
        return cls(past, start, shape, scale, chances / chances.sum())

    @property
    def mean_shape(self) -> float:
        return float(self.chances @ self.shapes)

    def judge(self, z: Floats) -> tuple[Floats, float]:
        """The chances of errors of at least z, and the error that 95% stay within."""
        share = ((self.past >= z[:, None]).sum(axis=1) + 1) / (len(self.past) + 1)
        far = np.maximum(np.nan_to_num(z) - self.start, 0.0)[:, None] * (self.shapes / self.scales)
        tail = _TOP * ((1 + far) ** (-1 / self.shapes) @ self.chances)
        return np.where(z > self.start, np.fmin(tail, share), share), float(np.quantile(self.past, 0.95))


def _of_few(z: Floats, past: Floats, typical: float) -> tuple[Floats, float]:
    """p values by Student's t, of as many degrees of freedom as the typical tail and the number of errors allow, and of
    the deviation that the errors had, at least that which they were predicted to have."""
    df = 1 / (1 / typical + 1 / max(len(past), _FEWEST))
    deviation = max(1.0, math.sqrt(float(np.mean(np.minimum(past, 4.0) ** 2)))) if len(past) else 1.0
    scale = deviation * math.sqrt(max(1 - 2 / typical, _LEAST_RATIO))
    return np.asarray(2 * stats.t.sf(z / scale, df)), float(stats.t.isf(0.025, df)) * scale
