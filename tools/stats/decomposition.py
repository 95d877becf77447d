"""What moved a ratio: the mix of the traffic, or the rates within it. An exact split, cell by cell."""

from dataclasses import dataclass

import numpy as np

from tools.stats.panel import Floats


@dataclass(frozen=True)
class Mass:
    """Cells of one period, float64[C]: `exposure` (traffic, whatever became of it), and the ratio's numerator and
    denominator."""

    exposure: Floats
    num: Floats
    den: Floats


@dataclass(frozen=True)
class Split:
    """`total` = `mix` + `within`, exactly: the change of the ratio from a reference to a current period."""

    total: float
    mix: float
    within: float


def split(reference: Mass, current: Mass) -> Split:
    """Split the change of Σ num / Σ den into the part of the traffic's mix and the part within cells.

    With s the share of the exposure, y = num / exposure and d = den / exposure, the ratio is T(s, y, d) = Σ s y / Σ s
    d. The mix part is the change of T with s, averaged over holding y and d at the reference and at the current
    period: the midpoint decomposition of Kitagawa 1955 (with d = 1 it is that one), as Das Gupta 1993 extends it to
    ratios. Exposure rather than the denominator gives the shares, so that a model which merely picks differently is
    no mix shift. A cell that one period lacks takes its rates from the other, so its coming or going is all mix. NaN
    where a period is empty."""
    s0, y0, d0 = _shares(reference)
    s1, y1, d1 = _shares(current)
    y0, y1 = np.where(np.isfinite(y0), y0, y1), np.where(np.isfinite(y1), y1, y0)
    d0, d1 = np.where(np.isfinite(d0), d0, d1), np.where(np.isfinite(d1), d1, d0)
    before, after = _ratio(s0, y0, d0), _ratio(s1, y1, d1)
    moved_first, moved_last = _ratio(s1, y0, d0) - before, after - _ratio(s0, y1, d1)
    mix = (moved_first + moved_last) / 2
    return Split(after - before, mix, after - before - mix)


def _shares(mass: Mass) -> tuple[Floats, Floats, Floats]:
    exposure = np.maximum(mass.exposure, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = exposure / exposure.sum()
        y, d = mass.num / exposure, mass.den / exposure
    return share, np.where(exposure > 0, y, np.nan), np.where(exposure > 0, d, np.nan)


def _ratio(share: Floats, y: Floats, d: Floats) -> float:
    """Σ s y / Σ s d over the cells that any period knows."""
    known = np.isfinite(y) & np.isfinite(d)
    below = float(np.sum(share[known] * d[known]))
    return float(np.sum(share[known] * y[known])) / below if below > 0 else float("nan")
