"""Steps: the window and its baseline at the grain of the points, where the baseline holds too few whole days.

A drop that lasts for minutes is lost in a window that was drawn generously around it, so what counts as current is
the stretch from the window's start in which the top line left the baseline furthest.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.records import Cube, Window
from tools.stats.panel import Floats, repeated_rows, sound_points

DEFAULT_STEP_S = 60
ENOUGH_STRETCHES = 8
"""With this many in the baseline, stretches as long as the current one are compared, and not single steps: slow
swings then count as what they are."""


@dataclass(frozen=True)
class Steps:
    """`rows` int64[n] are the cube's rows that count, `period` int64[n] their period: 0..history-1 the steps of the
    baseline that have rows (or stretches, where it holds enough), `history` the current stretch, which is `length`
    steps of `step_s` seconds. `looks` is how many stretches were tried."""

    rows: NDArray[np.int64]
    period: NDArray[np.int64]
    history: int
    length: int
    step_s: int
    looks: int


def steps(cube: Cube, rows: NDArray[np.int64], window: Window, baseline: Window, sign: float) -> Steps:
    """Lay the rows (those of the cube that are sound) out in steps; `sign` times the ratio is worse when higher."""
    ts = cube.ts[rows]
    start, end = window.start.timestamp(), window.end.timestamp()
    now = (ts >= start) & (ts < end)
    before = (ts >= baseline.start.timestamp()) & (ts < min(baseline.end.timestamp(), start))
    step_s = _step_s(ts[now | before])
    times, period = np.unique(ts[before] // step_s, return_inverse=True)
    history = len(times)
    offset = ((ts[now] - start) // step_s).astype(np.int64)
    usual = _level(cube, rows[before], period.reshape(-1), history, sign)
    length, looks = _stretch(cube, rows[now], offset, usual, sign)
    inside = offset < length
    if history // length >= ENOUGH_STRETCHES:
        back = (start - 1 - ts[before]) // (length * step_s)
        times, period = np.unique(-back, return_inverse=True)
        history = len(times)
    kept = np.concatenate([rows[before], rows[now][inside]])
    periods = np.concatenate([period.reshape(-1), np.full(int(inside.sum()), history)]).astype(np.int64)
    return Steps(kept, periods, history, length, step_s, looks)


def sound_rows(cube: Cube) -> NDArray[np.int64]:
    """int64[m]: the rows that are numbers and are not said again by a later row."""
    return np.flatnonzero(sound_points(cube) & ~repeated_rows(cube))


def _step_s(ts: NDArray[np.int64]) -> int:
    """The usual distance of neighbouring times, at least a second."""
    apart = np.diff(np.unique(ts))
    return max(int(np.median(apart)), 1) if len(apart) else DEFAULT_STEP_S


def _level(cube: Cube, rows: NDArray[np.int64], period: NDArray[np.int64], count: int, sign: float) -> Floats:
    num = np.bincount(period, weights=cube.numerator[rows], minlength=count)
    den = np.bincount(period, weights=cube.denominator[rows], minlength=count)
    level: Floats = np.divide(sign * num, den, out=np.full(len(den), np.nan), where=den > 0)
    return level


def _stretch(
    cube: Cube, rows: NDArray[np.int64], offset: NDArray[np.int64], usual: Floats, sign: float
) -> tuple[int, int]:
    """The number of steps, one or two or four and so on or all, after which the level is furthest from usual in
    standard errors, and how many were tried. All with too little baseline to tell."""
    lengths = _lengths(int(offset.max()) + 1 if len(offset) else 1)
    known = usual[np.isfinite(usual)]
    if len(known) < 2:
        return lengths[-1], 1
    tried: list[tuple[float, int]] = []
    for length in lengths:
        early = rows[offset < length]
        level = float(_level(cube, early, np.zeros(len(early), dtype=np.int64), 1, sign)[0])
        if math.isfinite(level):
            tried.append((level, -length))
    if not tried:
        return lengths[-1], 1
    highest = max(tried)
    if not highest[0] > float(known.max()):
        highest = max(tried, key=lambda t: ((t[0] - float(known.mean())) * math.sqrt(-t[1]), t[1]))
    return -highest[1], len(tried)


def _lengths(whole: int) -> list[int]:
    """1, 2, 4, ... and all."""
    return sorted({*(2**i for i in range(whole.bit_length()) if 2**i < whole), whole})
