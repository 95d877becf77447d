"""Since when a feature is broken, whether it still is, and which features broke together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tools.records import Window
from tools.stats.hourly import Hourly, ratio
from tools.stats.profile import Counts, Floats
from tools.stats.signs import Symptom
from tools.stats.stuck import narrow_bins

_LOOK_BACK = timedelta(hours=24)
_TOGETHER = timedelta(hours=1)


@dataclass(frozen=True)
class Broken:
    """A broken feature with the hour that it began, and whether its last samples are still as bad."""

    symptom: Symptom
    since: datetime
    lasting: bool


def since_when(table: Hourly, symptom: Symptom, window: Window) -> Broken:
    """Dates a symptom by the hourly series of the window and the day before it."""
    at = (table.ts >= (window.start - _LOOK_BACK).timestamp()) & (table.ts < window.end.timestamp())
    level, weight = series(table, symptom, window)
    split = two_levels(table.ts[at], level[at], weight[at])
    if symptom.change in ("constant", "delayed") or split is None:
        return Broken(symptom, _run_start(table, symptom, window), True)
    start, before, after = split
    late = at & (table.ts >= start) & np.isfinite(level) & (weight > 0)
    last = _last_quarter(level[late], weight[late])
    return Broken(symptom, datetime.fromtimestamp(start, UTC), abs(last - before) >= abs(after - before) / 2)


def _last_quarter(level: Floats, weight: Counts) -> float:
    """The level of the last quarter of the samples and not of the hours: at night they are few, and of other kinds."""
    later = np.cumsum(weight[::-1])[::-1] - weight
    tail = later < weight.sum() / 4
    return float(np.average(level[tail], weights=weight[tail]))


def _run_start(table: Hourly, symptom: Symptom, window: Window) -> datetime:
    hours = table.ts[table.within(window) & (table.totals.count[:, table.features.index(symptom.feature)] > 0)]
    length = int(symptom.now) if symptom.change in ("constant", "delayed") else len(hours)
    return datetime.fromtimestamp(int(hours[-min(length, len(hours))]), UTC) if len(hours) else window.start


def two_levels(ts: Counts, level: Floats, weight: Counts) -> tuple[int, float, float] | None:
    """The time (unix s) from which a series [T] is at another level, and the levels before and after.

    The split into two constant levels with the least weighted squared error (one change point; Hinkley 1970). None
    where fewer than two times are known.
    """
    known = np.isfinite(level) & (weight > 0)
    x, w, at = level[known], weight[known].astype(np.float64), ts[known]
    if len(x) < 2:
        return None
    w_before, s_before = np.cumsum(w)[:-1], np.cumsum(w * x)[:-1]
    w_after, s_after = w.sum() - w_before, (w * x).sum() - s_before
    gain = s_before**2 / w_before + s_after**2 / w_after
    k = int(np.argmax(gain))
    return int(at[k + 1]), float(s_before[k] / w_before[k]), float(s_after[k] / w_after[k])


def series(table: Hourly, symptom: Symptom, window: Window) -> tuple[Floats, Counts]:
    """The symptom by hour, float64[T], with the number of samples that it was taken from, int64[T]."""
    i, sums = table.features.index(symptom.feature), table.totals
    if symptom.change == "nulls":
        return ratio(sums.nulls[:, i], sums.seen[:, i]), sums.seen[:, i]
    if symptom.change == "non_finite":
        return ratio(sums.nonfinite[:, i], sums.seen[:, i]), sums.seen[:, i]
    if symptom.change == "unseen" and sums.judged[:, i].any():
        return ratio(sums.rows[:, i] - sums.seen[:, i] + sums.unseen[:, i], sums.rows[:, i]), sums.rows[:, i]
    if symptom.change == "stuck":
        before, counts = table.ts < window.start.timestamp(), table.histograms.of(i)
        narrow = narrow_bins(table.edges[i][None], counts[before].sum(axis=0)[None])[0]
        most = int(np.argmax(np.where(narrow, counts[table.within(window)].sum(axis=0), -1)))
        return ratio(counts[:, most], sums.count[:, i]), sums.count[:, i]
    if symptom.change == "delayed":
        return np.where(sums.count[:, i] > 0, table.minimum[:, i], np.nan), sums.count[:, i]
    if symptom.change == "unseen":
        before, histogram = table.ts < window.start.timestamp(), table.histograms.of(i)
        new = histogram[:, histogram[before].sum(axis=0) == 0].sum(axis=1)
        return ratio(sums.rows[:, i] - sums.seen[:, i] + new, sums.rows[:, i]), sums.rows[:, i]
    if symptom.change == "constant":
        single = (table.minimum[:, i] == table.maximum[:, i]).astype(np.float64)
        return np.where(sums.count[:, i] > 0, single, np.nan), sums.count[:, i]
    square = np.minimum(ratio(sums.total2[:, i], sums.count[:, i]), 1e300)
    return np.log10(square, out=np.full(len(square), np.nan), where=square > 0) / 2, sums.count[:, i]


def groups(broken: Sequence[Broken], nodes: Mapping[str, str | None]) -> list[tuple[Broken, ...]]:
    """Features that broke within an hour of one another and are read from one lineage node; the largest group first.

    Within a group the severest comes first. A feature whose node is not known stands alone.
    """
    found: list[list[Broken]] = []
    for one in sorted(broken, key=lambda b: (nodes.get(b.symptom.feature) or "", b.since, b.symptom.feature)):
        node = nodes.get(one.symptom.feature)
        last = found[-1] if found else None
        if last and node and nodes.get(last[-1].symptom.feature) == node and one.since - last[-1].since <= _TOGETHER:
            last.append(one)
        else:
            found.append([one])
    ranked = [tuple(sorted(group, key=lambda b: (-b.symptom.severity, b.symptom.feature))) for group in found]
    return sorted(ranked, key=lambda g: (-len(g), -g[0].symptom.severity, g[0].since, g[0].symptom.feature))
