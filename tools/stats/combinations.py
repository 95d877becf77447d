"""The smallest combination of attributes that explains a drop, the alternatives to it, and what it leaves open.

A combination is scored by the share of the drop that it makes times how hard it was hit against the rest, to a small
power (`RISE_POWER`): first of all a cause has to account for the drop, and of two that account for the same the one
that was hit harder is smaller. Several values of the same attributes may be the cause together, at a price per value
(`LIST_PRICE`), as in Squeeze (Li et al. 2019). What the best of all does not account for is searched again, so that a
second cause elsewhere is not hidden behind variants of the first. The constants were fixed once on half of the
incidents of the RobustSpot benchmark; results are flat around them.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.cuboids import Cells, Combination, Leaves, cuboids
from tools.stats.panel import Floats

RISE_POWER = 0.3
LIST_PRICE = 0.7
LEAST_SHARE = 0.05
"""Of the drop: what makes less is not looked into."""
LEAST_LISTED = 0.1
"""Of the drop: what a value must make to be one of several, or to be a second cause."""
MOST_LISTED = 8
SECOND_PLACE = 2
"""Where in the ranking a second cause stands: after the first and its nearest alternative."""


@dataclass(frozen=True)
class Totals:
    """Sums over everything: float64[4], numerator and denominator now, then those of the baseline; signed so that
    more of the numerator is worse."""

    sums: Floats

    @property
    def usual(self) -> float:
        return float(self.sums[2] / self.sums[3])

    @property
    def drop(self) -> float:
        """How much worse the ratio is than it was."""
        return float(self.sums[0] / self.sums[1]) - self.usual

    @property
    def known(self) -> bool:
        """Whether both periods have a denominator."""
        return bool(self.sums[1] > 0 and self.sums[3] > 0)


@dataclass(frozen=True)
class Found:
    """The ranking, best first: `cause` the best (several where they are the cause together), and `looked` the number
    of combinations that were looked at."""

    ranked: tuple[Combination, ...]
    cause: tuple[Combination, ...]
    looked: int


def search(leaves: Leaves, totals: Totals, most: int = 10) -> Found:
    """Rank the combinations of these leaves. Empty where nothing got worse."""
    cells, looked = cuboids(leaves, ViableShare(totals))
    best = _best(cells, totals)
    if not best:
        return Found((), (), looked)
    ranked = list(dict.fromkeys(itertools.chain.from_iterable(best)))
    cause = best[0]
    second, looked_again = _second(leaves, totals, cause)
    if second is not None and second not in ranked[:SECOND_PLACE]:
        ranked = [c for c in ranked if c != second]
        ranked.insert(SECOND_PLACE, second)
    return Found(tuple(ranked[:most]), cause, looked + looked_again)


def share_of_drop(sums: Floats, totals: Totals) -> Floats:
    """float64[C]: how much of the drop would not be there had these cells (float64[4, C]) kept their rate."""
    before, now = _rates(sums, totals)
    share: Floats = sums[1] * (now - before) / (totals.sums[1] * totals.drop)
    return share


@dataclass(frozen=True)
class ViableShare:
    """Says which cells make at least a share of the drop. A cell without a baseline has nothing to have left."""

    totals: Totals
    least: float = LEAST_SHARE

    def __call__(self, sums: Floats) -> NDArray[np.bool_]:
        if not (self.totals.known and self.totals.drop > 0):
            return np.zeros(sums.shape[1], dtype=np.bool_)
        enough: NDArray[np.bool_] = (share_of_drop(sums, self.totals) >= self.least) & (sums[3] > 0)
        return enough


def _best(cells: list[Cells], totals: Totals) -> list[tuple[Combination, ...]]:
    """Combinations, and lists of them, with the highest score first; of equals the one with fewer attributes, then by
    name."""
    scored: list[tuple[float, int, tuple[Combination, ...]]] = []
    for cuboid in cells:
        scores = _scores(cuboid.sums, totals)
        scored += [(float(scores[j]), len(c), (c,)) for j, c in enumerate(cuboid.combinations) if scores[j] > 0]
        scored += _lists(cuboid, scores, totals)
    scored.sort(key=lambda s: (-s[0], s[1], s[2]))
    return [combinations for *_, combinations in scored]


def _lists(cuboid: Cells, scores: Floats, totals: Totals) -> list[tuple[float, int, tuple[Combination, ...]]]:
    """Pairs of cells of one cuboid as a cause together, the better one first."""
    share = share_of_drop(cuboid.sums, totals)
    listed = [j for j in np.argsort(-scores, kind="stable") if share[j] >= LEAST_LISTED and scores[j] > 0]
    pairs = list(itertools.combinations(listed[:MOST_LISTED], 2))
    if not pairs:
        return []
    sums = np.array([cuboid.sums[:, i] + cuboid.sums[:, j] for i, j in pairs]).T
    together = LIST_PRICE * _scores(sums, totals)
    order = len(cuboid.combinations[0])
    names = cuboid.combinations
    return [
        (float(score), order, (names[i], names[j])) for (i, j), score in zip(pairs, together, strict=True) if score > 0
    ]


def _second(leaves: Leaves, totals: Totals, cause: tuple[Combination, ...]) -> tuple[Combination | None, int]:
    """The best combination of what the cause leaves, if it makes enough of the whole drop."""
    left = leaves.where(~np.logical_or.reduce([leaves.inside(c) for c in cause]))
    rest = Totals(left.totals)
    if not (rest.known and rest.drop > 0):
        return None, 0
    cells, looked = cuboids(left, ViableShare(rest))
    best = [found[0] for found in _best(cells, rest) if len(found) == 1][:1]
    made = rest.drop * float(rest.sums[1]) / (totals.drop * float(totals.sums[1]))
    for combination in best:
        inside = left.sums[:, left.inside(combination)].sum(1)[:, None]
        if float(share_of_drop(inside, rest)[0]) * made >= LEAST_LISTED:
            return combination, looked
    return None, looked


def _scores(sums: Floats, totals: Totals) -> Floats:
    """float64[C]; 0 where a cell got no worse, in itself or against the rest."""
    before, now = _rates(sums, totals)
    others_before, others_now = _rates(totals.sums[:, None] - sums, totals)
    rise = (now - before) - (others_now - others_before)
    share = share_of_drop(sums, totals)
    scores: Floats = np.where((share > 0) & (rise > 0), share * np.maximum(rise, 0.0) ** RISE_POWER, 0.0)
    return scores


def _rates(sums: Floats, totals: Totals) -> tuple[Floats, Floats]:
    """The rate of the baseline, drawn to the usual one by as much traffic as makes one unit of the numerator, and the
    rate now; float64[C]. Without traffic now, the rate stays."""
    weight = 1.0 / abs(totals.usual) if math.isfinite(1.0 / totals.usual if totals.usual else math.inf) else 0.0
    below = sums[3] + weight
    before = np.divide(sums[2] + weight * totals.usual, below, out=np.full(below.shape, totals.usual), where=below > 0)
    now = np.divide(sums[0], sums[1], out=before.copy(), where=sums[1] > 0)
    return before, now
