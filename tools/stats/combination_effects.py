"""The combinations behind a drop with what each adds, how sure that is, and the exact parts of the drop.

Where the baseline holds enough whole blocks, a combination is judged as the single places are: its contrast against
the rest in the same hours and models, block by block. Otherwise by steps at the grain of the points. The q values pay
for every combination that the search looked at, not only for those that it brought up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tools.records import Cube, Window
from tools.stats.combinations import Totals, ViableShare, search, share_of_drop
from tools.stats.cuboids import Combination, gather
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.panel import Coded, Codes, Floats, Panel, added, encode
from tools.stats.robust import MIN_HISTORY, UNKNOWN, Departure, Tail
from tools.stats.step_contrast import Series, noise, step_departure
from tools.stats.steps import Steps, sound_rows, steps


@dataclass(frozen=True)
class CombinationEffect:
    """One combination. `departure` is in the metric's own unit. `share` is what of the drop would not be there had
    it kept its rate. The change of the whole metric is `within` (its own rate) + `others` (the rate of the rest) +
    `mix` (traffic between the two), exactly."""

    combination: Combination
    departure: Departure
    share: float
    within: float
    others: float
    mix: float
    q_value: float = float("nan")


@dataclass(frozen=True)
class Combinations:
    """`tested` best first; `cause` is the best, several where they are the cause together. `looked` combinations were
    looked at; `change` is that of the whole metric, over `length_s` seconds of the window where steps were used."""

    tested: tuple[CombinationEffect, ...]
    cause: tuple[Combination, ...]
    looked: int
    change: float
    history: int
    length_s: int | None = None


NOTHING = Combinations((), (), 0, float("nan"), 0)

Judge = Callable[[Combination, NDArray[np.bool_]], Departure]
"""Tests a combination, whose rows these are, bool[n]."""


def combinations_in_blocks(panel: Panel, dimensions: Sequence[str], tail: Tail, judge: Judge) -> Combinations:
    """Search the last block of a panel against its earlier ones."""
    now = panel.cells // panel.blocks.hours == panel.blocks.history
    coded = {name: panel.coded(name) for name in dimensions}
    return _tested(coded, panel.num, panel.den, now, tail, judge, panel.blocks.history)


def combinations_in_steps(
    cube: Cube, dimensions: Sequence[str], window: Window, baseline: Window, tail: Tail
) -> Combinations:
    """Search the window against the baseline at the grain of the points."""
    rows = sound_rows(cube)
    sign = _sign(tail, _change(cube, rows, window, baseline))
    laid = steps(cube, rows, window, baseline, sign)
    coded = {name: encode(cube.dims[name][laid.rows]) for name in dimensions if name in cube.dims}
    num, den = cube.numerator[laid.rows], cube.denominator[laid.rows]
    judge = _StepJudge(laid, coded, num, den, sign, tail)
    found = _tested(coded, num, den, laid.period == laid.history, tail, lambda _, inside: judge(inside), laid.history)
    return replace(found, length_s=laid.length * laid.step_s)


def _tested(
    coded: dict[str, Coded],
    num: Floats,
    den: Floats,
    now: NDArray[np.bool_],
    tail: Tail,
    judge: Judge,
    history: int,
) -> Combinations:
    sums = np.array([num * now, den * now, num * ~now, den * ~now])
    totals = Totals(sums.sum(1))
    if not totals.known:
        return NOTHING
    sign = _sign(tail, totals.drop)
    flip = np.array([[sign], [1.0], [sign], [1.0]])
    totals = Totals(totals.sums * flip[:, 0])
    leaves, leaf = gather(coded, sums * flip, ViableShare(totals))
    found = search(leaves, totals)
    rows = [_row(c, leaves.sums[:, leaves.inside(c)].sum(1), totals, sign) for c in found.ranked]
    rows = [replace(r, departure=judge(r.combination, leaves.inside(r.combination)[leaf])) for r in rows]
    p = [r.departure.p_value if r.departure.known else 1.0 for r in rows]
    looked = found.looked + sum(len(values.names) for values in coded.values())
    q = benjamini_hochberg([*p, *[1.0] * (looked - len(p))])
    rows = [replace(r, q_value=float(q[i]) if r.departure.known else float("nan")) for i, r in enumerate(rows)]
    return Combinations(tuple(rows), found.cause, looked, sign * totals.drop, history)


def _row(combination: Combination, sums: Floats, totals: Totals, sign: float) -> CombinationEffect:
    within, others, mix = parts(sums, totals.sums)
    share = float(share_of_drop(sums[:, None], totals)[0])
    return CombinationEffect(combination, UNKNOWN, share, sign * within, sign * others, sign * mix)


def parts(group: Floats, total: Floats) -> tuple[float, float, float]:
    """The change of a ratio, exactly, as what the group's rate makes of it, what the rate of all others makes, and
    what traffic between the two makes; each of the sums float64[4]: numerator and denominator now, then before.

    The midpoint decomposition (Kitagawa 1955) over two cells. A cell that one period lacks keeps its rate of the
    other, so its coming or going is all mix."""
    share_now, share_before = group[1] / total[1], group[3] / total[3]
    now, before = _both(group)
    others_now, others_before = _both(total - group)
    share = (share_now + share_before) / 2
    within, others = share * (now - before), (1 - share) * (others_now - others_before)
    mix = (share_now - share_before) * ((now + before) - (others_now + others_before)) / 2
    return float(within), float(others), float(mix)


def _both(sums: Floats) -> tuple[float, float]:
    """The rates now and before; where one is missing, the other."""
    now = float(sums[0] / sums[1]) if sums[1] > 0 else float("nan")
    before = float(sums[2] / sums[3]) if sums[3] > 0 else now
    now = before if np.isnan(now) else now
    return (0.0, 0.0) if np.isnan(now) else (now, before)


def _sign(tail: Tail, change: float) -> float:
    if tail == "both":
        return 1.0 if change >= 0 else -1.0
    return -1.0 if tail == "low" else 1.0


def _change(cube: Cube, rows: Codes, window: Window, baseline: Window) -> float:
    """Of the whole ratio from the baseline to the window."""
    levels = []
    for span in (window, baseline):
        inside = (cube.ts[rows] >= span.start.timestamp()) & (cube.ts[rows] < span.end.timestamp())
        den = float(cube.denominator[rows][inside].sum())
        levels.append(float(cube.numerator[rows][inside].sum()) / den if den > 0 else float("nan"))
    return levels[0] - levels[1]


class _StepJudge:
    """Contrasts per step, with the noise learnt from all single values."""

    def __init__(self, laid: Steps, coded: dict[str, Coded], num: Floats, den: Floats, sign: float, tail: Tail) -> None:
        self._laid, self._num, self._den, self._sign = laid, sign * num, den, sign
        self._looks = laid.looks * (2 if tail == "both" else 1)
        everything = np.zeros(len(num), dtype=np.int64)
        self._total = self._series(everything, 1)
        self._noise = None
        if laid.history >= MIN_HISTORY and self._total.den[:, :-1].sum() > 0:
            singles = [self._series(c.codes, len(c.names)) for c in coded.values() if len(c.names) > 1]
            self._noise = noise(_stacked(singles, laid.history + 1), self._total, _counted(num, den))

    def _series(self, group: Codes, count: int, rows: NDArray[np.bool_] | slice = slice(None)) -> Series:
        periods = self._laid.history + 1
        at = group * periods + self._laid.period[rows]
        shape = (count, periods)
        return Series(added(at, self._num[rows], shape), added(at, self._den[rows], shape))

    def __call__(self, rows: NDArray[np.bool_]) -> Departure:
        if self._noise is None:
            return UNKNOWN
        group = self._series(np.zeros(int(rows.sum()), dtype=np.int64), 1, rows)
        found = step_departure(group, self._total, self._noise, self._looks)
        if self._sign > 0:
            return found
        return replace(found, effect=-found.effect, low=-found.high, high=-found.low)


def _stacked(series: Sequence[Series], periods: int) -> Series:
    none = np.empty((0, periods))
    return Series(np.concatenate([none, *(s.num for s in series)]), np.concatenate([none, *(s.den for s in series)]))


def _counted(num: Floats, den: Floats) -> bool:
    """Whether the numerators count units of the denominator."""
    return bool(np.all(num == np.floor(num)) and np.all(num <= den) and np.all(num >= 0))
