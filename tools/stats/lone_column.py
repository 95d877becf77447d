"""One column of a matrix that moved as never before while the others did not: the input it belongs to has changed."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.stats.false_alarm import chance
from tools.stats.robust_scale import HEAVIEST_DF, Floats, deviations, moderated

STILL = 0.3
"""Columns are compared as log(update + 0.3 × root mean square): those that hardly move say nothing."""
FLOOR = 0.1
LEAST_SPREAD = 0.25  # of a matrix's log z from day to day
ALONE = 1.4  # times the z of the next column


@dataclass(frozen=True)
class LoneColumn:
    """The column that departs furthest, over several matrices.

    `shift` is the logarithm of its update against the other columns' compared with its past, with its 95% interval; `z`
    the same in scales of its past, `alone` whether no other column departs nearly as far, `limit` the largest z of any
    column of the matrix on an earlier day; `p_value` is over all matrices.
    """

    matrix: str
    column: int
    shift: float
    low: float
    high: float
    z: float
    alone: bool
    limit: float
    p_value: float
    days: int

    @property
    def beyond(self) -> bool:
        return self.z > self.limit


def lone_column(history: dict[str, Floats], now: dict[str, Floats]) -> LoneColumn | None:
    """The column that stands out most of the matrices in `now`: name → update norm of each column, float64[C].

    `history` holds float64[n, C] for each of them, a row per earlier day, n the same for all. Each matrix is held to
    its own past: how far its furthest column was from the others' pattern when each earlier day was compared with the
    other days. A column that departs alone goes before one among others. None where no matrix has three moving columns.
    """
    looked = {name: _look(history[name], now[name]) for name in sorted(now) if _moves(history[name], now[name])}
    if not looked:
        return None
    standing = {name: one.standing for name, one in looked.items()}
    name = max(looked, key=lambda name: (looked[name].alone, standing[name], name))
    ordinary = np.exp(np.max([one.earlier for one in looked.values()], axis=0))
    return looked[name].told(name, chance(math.exp(standing[name]), ordinary))


def _moves(history: Floats, now: Floats) -> bool:
    return len(now) >= 3 and bool(np.all(history.sum(axis=1) > 0)) and float(now.sum()) > 0


@dataclass(frozen=True)
class _Look:
    """A matrix: z of each column, the shift of the furthest one with its scale, as plain logarithms, how far it is in
    scales of that of earlier days (`standing`), and theirs in `earlier`."""

    z: Floats
    shift: float
    scale: float
    standing: float
    earlier: Floats
    limit: float

    @property
    def alone(self) -> bool:
        """Whether no other column departs nearly as far."""
        first, second = np.sort(np.abs(self.z))[::-1][:2]
        return bool(first > ALONE * second)

    def told(self, name: str, p_value: float) -> LoneColumn:
        days = len(self.earlier)
        place = int(np.argmax(np.abs(self.z)))
        half = float(stats.t.isf(0.025, min(days - 1.0, HEAVIEST_DF)) * self.scale * math.sqrt(1 + 1 / days))
        return LoneColumn(
            matrix=name,
            column=place,
            shift=self.shift,
            low=self.shift - half,
            high=self.shift + half,
            z=float(abs(self.z[place])),
            alone=self.alone,
            limit=self.limit,
            p_value=p_value,
            days=days,
        )


def _look(history: Floats, now: Floats) -> _Look:
    past, today = _pattern(history, STILL), _pattern(now[None], STILL)[0]
    shift, scale = _depart(past, today)
    furthest = np.log([_furthest(*_depart(np.delete(past, day, 0), past[day])) for day in range(len(past))])
    spread = max(float(furthest.std(ddof=1)), LEAST_SPREAD)
    z = shift / scale
    standing = (math.log(max(float(np.abs(z).max()), 1e-9)) - float(furthest.mean())) / spread
    earlier = (furthest - furthest.mean()) / spread
    place = int(np.argmax(np.abs(z)))
    plain, spread_of = _depart(_pattern(history, 1e-9), _pattern(now[None], 1e-9)[0])
    return _Look(z, float(plain[place]), float(spread_of[place]), standing, earlier, float(np.exp(furthest.max())))


def _pattern(norms: Floats, still: float) -> Floats:
    """The logarithm of each column's update, from the median column of the day; float64[n, C]."""
    size = np.sqrt(np.mean(np.square(norms), axis=1, keepdims=True))
    logs = np.log(norms / size + still)
    pattern: Floats = logs - np.median(logs, axis=1, keepdims=True)
    return pattern


def _depart(past: Floats, today: Floats) -> tuple[Floats, Floats]:
    everything = [np.arange(past.shape[1])]
    scale = np.maximum(moderated(deviations(past), len(past), everything), FLOOR)
    return today - np.median(past, axis=0), scale


def _furthest(shift: Floats, scale: Floats) -> float:
    return max(float(np.abs(shift / scale).max()), 1e-9)
