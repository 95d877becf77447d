"""Since when has a distribution been where it is now?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from tools.records import Window
from tools.stats.breakage_onset import two_levels
from tools.stats.changepoint import onset
from tools.stats.correlation import without_hours_of_day
from tools.stats.hourly import DAY_S, Hourly
from tools.stats.profile import Floats

_SURE = 0.05
_TOGETHER_H = 3


@dataclass(frozen=True)
class Began:
    """A shift began at `at`; [low, high] is its 95% interval."""

    at: datetime
    low: datetime
    high: datetime


def began(table: Hourly, level: Floats, window: Window) -> Began | None:
    """Dates the shift of one feature's hourly `level` float64[T], hours of the day taken out, in the window and the day
    before it; what it did before is its noise. None where no step or ramp stands out of that."""
    series, at = _recent(table, level, window)
    noise = series[table.ts < table.ts[at][0]]
    usual = float(np.median(noise[np.isfinite(noise)])) if np.isfinite(noise).any() else 0.0
    now = series[table.within(window)]
    sign = 1.0 if np.nanmean(now) >= usual else -1.0
    found = onset(sign * (series[at] - usual), sign * (noise - usual))
    if found is None or found.p_value > _SURE:
        return None
    hours = table.ts[at]
    return Began(*(datetime.fromtimestamp(int(hours[k]), UTC) for k in (found.at, found.low, found.high)))


def together(
    table: Hourly, levels: Floats, window: Window, moved: Sequence[str], nodes: Mapping[str, str | None]
) -> tuple[tuple[str, ...], ...]:
    """Features, of those that `moved`, that are read from one node and changed level within three hours of one
    another: two or more, the largest group first. `levels` float64[T, F + 1]."""
    dated: dict[str, list[tuple[int, str]]] = {}
    for name in moved:
        node = nodes.get(name)
        series, at = _recent(table, levels[:, table.features.index(name)], window)
        split = two_levels(table.ts[at], series[at], np.ones(at.sum(), dtype=np.int64)) if node else None
        if node and split:
            dated.setdefault(node, []).append((split[0], name))
    found = [group for own in dated.values() for group in _close(sorted(own))]
    return tuple(sorted((group for group in found if len(group) > 1), key=lambda group: (-len(group), group)))


def _recent(table: Hourly, level: Floats, window: Window) -> tuple[Floats, np.ndarray]:
    at = (table.ts >= window.start.timestamp() - DAY_S) & (table.ts < window.end.timestamp())
    return without_hours_of_day(level, table.ts), at


def _close(dated: Sequence[tuple[int, str]]) -> list[tuple[str, ...]]:
    groups: list[list[tuple[int, str]]] = []
    for one in dated:
        if groups and one[0] - groups[-1][0][0] <= _TOGETHER_H * 3600:
            groups[-1].append(one)
        else:
            groups.append([one])
    return [tuple(name for _, name in group) for group in groups]
