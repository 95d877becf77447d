"""A window beside the earlier times that it can be compared with."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.hourly import Hourly, Totals, full_blocks, matched_blocks, pooled
from tools.stats.profile import Counts
from tools.stats.robust import MIN_HISTORY


@dataclass(frozen=True)
class Compared:
    """K earlier blocks, oldest first, and the window as the last one: their hours `blocks` bool[K + 1, T], their `sums`
    [K + 1, F] and histograms int64[K + 1, F, B] without the prediction's, which is `prediction` int64[K + 1, B].
    `by_hour` says that the blocks are the same hours of earlier days."""

    blocks: NDArray[np.bool_]
    sums: Totals
    histogram: Counts
    prediction: Counts
    by_hour: bool

    @property
    def earlier(self) -> int:
        return len(self.blocks) - 1


def compared(table: Hourly, window: Window, baseline: Window) -> Compared:
    """The window against the same hours of earlier days, or, where the baseline has too few days for that, against the
    stretches of its own length that come before it: they tell a break, and may differ by the time of day."""
    earlier = matched_blocks(table, window, baseline)
    by_hour = len(earlier) >= MIN_HISTORY
    if not by_hour:
        stretches = _stretches(table, window, baseline)
        earlier = stretches if len(stretches) >= MIN_HISTORY else earlier
    blocks = np.vstack([earlier, table.within(window)])
    histogram = table.histograms.pooled(blocks)
    return Compared(blocks, pooled(table, blocks), histogram[:, :-1], histogram[:, -1], by_hour)


def _stretches(table: Hourly, window: Window, baseline: Window) -> NDArray[np.bool_]:
    length, end, found = window.end - window.start, min(baseline.end, window.start), []
    while end - length >= baseline.start:
        found.append(table.within(Window(start=end - length, end=end)))
        end -= max(length, timedelta(seconds=1))
    return full_blocks(table, np.array(found[::-1], dtype=bool).reshape(-1, len(table.ts)))
