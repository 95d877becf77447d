"""Has a feature come in another unit? Then all of its quantiles are the old ones times one factor."""

from dataclasses import dataclass

import numpy as np

from tools.stats.profile import Counts, Floats

LEAST_FACTOR = 1.4
_AT = np.linspace(0.1, 0.9, 17)
_LEAST_KNOWN = 9
_BROAD = 1.5
_UNEVEN = 0.1
_TIMES = 3.0


@dataclass(frozen=True)
class UnitChange:
    """The current quantiles are `factor` times what they were, but for `uneven`: what the factor leaves of their move,
    as a share of it (root mean squares); `as_move` is what a move of all values by as much leaves. `before` are the
    factors of other samples against the same ones."""

    factor: float
    uneven: float
    as_move: float
    before: Floats

    @property
    def sure(self) -> bool:
        """Whether that is one factor and no move, large enough, and three times as far from one as any other was."""
        if not self.factor > 0:
            return False
        far, others = abs(np.log(self.factor)), self.before[self.before > 0]
        habit = float(np.abs(np.log(others)).max(initial=0.0))
        even = self.uneven <= min(_UNEVEN, self.as_move / 3)
        return bool(even and far >= max(np.log(LEAST_FACTOR), _TIMES * habit))


def unit_change(baseline: Counts, others: Counts, current: Counts, edges: Floats) -> UnitChange | None:
    """The factor between the quantiles of `baseline` and `current` int64[B], and those of each of `others` int64[S, B],
    on inner `edges` float64[B - 1]: least squares of quantiles from 10% to 90%, where they are within the edges.

    None where fewer than nine are known, or where these lie so close together that a factor looks like a move.
    """
    usual, new = _quantiles(baseline, edges), _quantiles(current, edges)
    known = np.isfinite(usual) & np.isfinite(new)
    if known.sum() < _LEAST_KNOWN:
        return None
    size, now = usual[known], new[known]
    if size.min() * size.max() > 0 and np.abs(size).max() < _BROAD * np.abs(size).min():
        return None
    factor, move = _factor(now, size), now - size
    whole = float(np.sqrt(np.mean(move**2)))
    if not whole > 0:
        return None
    uneven, as_move = float(np.sqrt(np.mean((now - factor * size) ** 2))) / whole, float(move.std()) / whole
    return UnitChange(factor, uneven, as_move, np.array([_factor(_quantiles(o, edges)[known], size) for o in others]))


def _quantiles(counts: Counts, edges: Floats) -> Floats:
    """The quantiles at `_AT`, a bin's values taken to lie evenly in it; NaN outside the edges."""
    total = counts.sum()
    if not total or not np.isfinite(edges).all():
        return np.full(len(_AT), np.nan)
    upto = np.cumsum(counts)[:-1] / total
    found = np.interp(_AT, upto, edges, left=np.nan, right=np.nan)
    return np.asarray(found)


def _factor(now: Floats, before: Floats) -> float:
    both = np.isfinite(now)
    square = float((before[both] ** 2).sum())
    return float((now[both] * before[both]).sum()) / square if square > 0 else float("nan")
