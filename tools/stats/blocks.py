"""Blocks: the window, and the stretches of the baseline that cover the same hours of the day.

Points of one day move together (weather, weekday), so the unit of all our tests is a whole block, not an hour: one
current block against K earlier ones of the same hours. The variation between blocks is then the noise that matters,
whatever the correlation inside a block.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.records import Window

HOUR_S = 3600
DAY_H = 24


@dataclass(frozen=True)
class Blocks:
    """`starts` int64[K+1], unix hours, oldest first; the last is the current window. Each spans `hours` hours. Where
    points are finer than hours, those hours begin `phase_s` seconds after the full ones."""

    starts: NDArray[np.int64]
    hours: int
    phase_s: int = 0

    @property
    def history(self) -> int:
        """K, the number of baseline blocks."""
        return len(self.starts) - 1

    def cells(self, ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each time (unix seconds, int64[n]): block * hours + hour in the block, or -1 outside of all blocks."""
        hour = (ts - self.phase_s) // HOUR_S
        block = np.searchsorted(self.starts, hour, side="right") - 1
        offset = hour - self.starts[np.maximum(block, 0)]
        inside = (block >= 0) & (offset < self.hours)
        cells: NDArray[np.int64] = np.where(inside, block * self.hours + offset, -1)
        return cells

    def hours_of_day(self) -> NDArray[np.int64]:
        """int64[hours]: the hour of the day, UTC, of each hour in a block."""
        hours: NDArray[np.int64] = (self.starts[-1] + np.arange(self.hours)) % DAY_H
        return hours


def aligned(window: Window, baseline: Window, hourly: bool = True) -> Blocks:
    """The blocks of a window and the baseline: the window moved back by whole days, as often as it fits the baseline.

    Blocks do not overlap, also where the window is longer than a day. There may be none but the current one. Unless
    points are `hourly` and carry the start of their hour, the blocks begin with the window to the second.
    """
    phase_s = 0 if hourly else int(window.start.timestamp()) % HOUR_S
    first, last = _hour_up(window.start.timestamp() - phase_s), _hour_up(window.end.timestamp() - phase_s)
    hours = max(last - first, 1)
    step = DAY_H * -(-hours // DAY_H)
    low = _hour_up(baseline.start.timestamp() - phase_s)
    high = min(_hour_up(baseline.end.timestamp() - phase_s), first)
    starts = [s for s in range(first - step, low - 1, -step) if s + hours <= high]
    return Blocks(np.array([*reversed(starts), first], dtype=np.int64), hours, phase_s)


def _hour_up(seconds: float) -> int:
    """The first whole hour at or after a time."""
    return int(-(-seconds // HOUR_S))
