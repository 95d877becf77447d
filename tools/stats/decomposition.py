"""What moved a ratio: the mix of the traffic, or the rates within it. An exact split, cell by cell."""

from dataclasses import dataclass

import numpy as np

from tools.stats.panel import Floats

TRACE = 1e-6
"""Traffic below this share of the denominator is no traffic, only what a sum leaves behind."""


@dataclass(frozen=True)
class Mass:
    """Cells of one or more periods, float64[C, ...]: `exposure` (traffic, whatever became of it), and the ratio's
    numerator and denominator."""

    exposure: Floats
    num: Floats
    den: Floats

    def covered(self) -> "Mass":
        """With the denominator as the exposure of cells for which no traffic to speak of is known."""
        return Mass(np.where(self.exposure > TRACE * self.den, self.exposure, self.den), self.num, self.den)

    @property
    def level(self) -> Floats:
        """The ratio of all cells together, float64[...]; NaN without a denominator."""
        den = self.den.sum(0)
        level: Floats = np.divide(self.num.sum(0), den, out=np.full(np.shape(den), np.nan), where=np.asarray(den) > 0)
        return level


@dataclass(frozen=True)
class Parts:
    """What each cell makes of the change of the ratio, float64[C, ...]; all of both add up to the change."""

    mix: Floats
    within: Floats


@dataclass(frozen=True)
class Split:
    """`total` = `mix` + `within`, exactly: the change of the ratio from a reference to a current period."""

    total: float
    mix: float
    within: float


def split(reference: Mass, current: Mass) -> Split:
    """The parts of all cells together; both masses float64[C]."""
    found = parts(reference, current)
    total = float(current.level - reference.level)
    mix = float(found.mix.sum())
    return Split(total, mix, total - mix)


def parts(reference: Mass, current: Mass) -> Parts:
    """Split the change of R = Σ num / Σ den by cell. Both masses float64[C, ...], the same cells.

    With s the share of the exposure, y = num / exposure, d = den / exposure, a bar for the mean of both periods, and
    z = y - R̄ d, the change of R is Σ (s₁z₁ - s₀z₀) / Σ s̄d, and the midpoint decomposition of Kitagawa 1955 splits each
    term into the mix (s₁ - s₀) z̄ and, within the cell, s̄ (z₁ - z₀); with d = 1 it is that of Kitagawa. Exposure rather
    than the denominator gives the shares, so that a model which merely picks differently is no mix shift. A cell that
    one period lacks takes its rates from the other, so its coming or going is all mix. NaN where a period is empty.
    """
    reference, current = reference.covered(), current.covered()
    middle = (reference.level + current.level) / 2
    s0, s1 = _shares(reference.exposure), _shares(current.exposure)
    n0, n1 = _net(reference, middle), _net(current, middle)
    below = (_below(reference) + _below(current)) / 2
    z0, z1 = _per(n0, s0), _per(n1, s1)
    z0, z1 = np.where(np.isfinite(z0), z0, z1), np.where(np.isfinite(z1), z1, z0)
    z = np.where(np.isfinite(z0 + z1), (z0 + z1) / 2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mix: Floats = (s1 - s0) * z / below
        within: Floats = (n1 - n0) / below - mix
    return Parts(mix, within)


def _shares(exposure: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Floats = exposure / exposure.sum(0)
    return shares


def _net(mass: Mass, level: Floats) -> Floats:
    """s z: what the cell's numerator has beyond `level`, per exposure of all cells."""
    with np.errstate(divide="ignore", invalid="ignore"):
        net: Floats = (mass.num - level * mass.den) / mass.exposure.sum(0)
    return net


def _below(mass: Mass) -> Floats:
    """Σ s d."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below: Floats = mass.den.sum(0) / mass.exposure.sum(0)
    return below


def _per(net: Floats, share: Floats) -> Floats:
    rates: Floats = np.divide(net, share, out=np.full(np.shape(net), np.nan), where=share > 0)
    return rates
