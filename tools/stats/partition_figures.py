"""A partition as figures that can be followed from day to day, each on a scale where its noise is about as large at
every level: logarithms, deviations of the column, and of shares the arcsine of the root."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np

from tools.records import ColumnStatistics, PartitionRead
from tools.stats.drift import psi, ridits, shares
from tools.stats.profile import Floats
from tools.stats.robust_scale import deviations, medians

Figure = Literal[
    "rows", "duplicates", "label_share", "association", "late", "nulls", "distinct", "mean", "spread", "least", "most",
    "rank", "shape", "correlation", "clock", "size",
]  # fmt: skip


_HEAVY = 15.0  # deviations from the mean to the extremes; of a normal column of a million rows it is 5


@dataclass(frozen=True)
class Scale:
    """How a figure is judged: `floor` is the least standard error of a prediction, `least` the smallest effect that
    matters, both on the figure's own scale; `share` the smallest change of a share that matters, where it is one."""

    floor: float
    least: float
    unit: str
    share: float = 0.0


SCALES: dict[Figure, Scale] = {
    "rows": Scale(0.02, math.log(1.25), "log ratio"),
    "duplicates": Scale(0.01, 0.0, "arcsine of the root", 0.02),
    "label_share": Scale(0.005, 0.0, "arcsine of the root", 0.03),
    "association": Scale(0.02, 0.12, "ratio"),
    "late": Scale(0.25, 3.0, "hours"),
    "nulls": Scale(0.005, 0.0, "arcsine of the root", 0.035),
    "distinct": Scale(0.02, math.log(1.5), "log ratio"),
    "mean": Scale(0.01, 0.25, "deviations"),
    "spread": Scale(0.01, math.log(1.25), "log ratio"),
    "least": Scale(0.05, 1.0, "deviations, asinh"),
    "most": Scale(0.05, 1.0, "deviations, asinh"),
    "rank": Scale(0.005, 0.07, "chance to exceed a usual value"),
    "shape": Scale(0.1, math.log(2), "log PSI"),
    "correlation": Scale(0.01, 0.1, "Fisher z"),
    "clock": Scale(0.1, 6.0, "hours"),
    "size": Scale(0.05, math.log(30), "log ratio"),
}


@dataclass(frozen=True)
class Figures:
    """The figures of a dataset's partitions: `values` float64[T, S] by day (NaN for days without a partition), what
    each column of it is (`figures`, `columns`, the latter None for figures of the whole partition), and `noise` [T, S],
    the least standard error, by the number of rows and what two days may differ by in any case."""

    figures: tuple[Figure, ...]
    columns: tuple[str | None, ...]
    values: Floats
    noise: Floats


_Series = tuple[Figure, str | None, list[float], list[float]]


def figures(partitions: Sequence[PartitionRead]) -> Figures:
    """Of dated partitions, oldest first; the last one is the one in question, and no scale is taken from it."""
    places = _places(partitions)
    found = [*_whole(partitions), *_of_columns(partitions)]
    values, noise = (np.full((places[-1] + 1, len(found)), np.nan) for _ in range(2))
    for series, (figure, _, told, error) in enumerate(found):
        values[places, series] = told
        noise[places, series] = np.hypot(error, SCALES[figure].floor)
    values[~np.isfinite(values)] = np.nan
    return Figures(tuple(f for f, _, _, _ in found), tuple(c for _, c, _, _ in found), values, noise)


def _places(partitions: Sequence[PartitionRead]) -> list[int]:
    """The day of each partition, counted from the first one's."""
    starts = [p.day.start for p in partitions if p.day]
    return [round((start - starts[0]) / timedelta(days=1)) for start in starts]


def _whole(partitions: Sequence[PartitionRead]) -> list[_Series]:
    rows = [float(p.rows) for p in partitions]
    still = [0.0] * len(partitions)
    found: list[_Series] = [("rows", None, [_log(n) for n in rows], still)]
    if any(p.duplicates is not None for p in partitions):
        found.append(("duplicates", None, *_shares([p.duplicates for p in partitions], rows)))
    for label in _labels(partitions):
        counted = [p.label_counts.get(label, 0) if p.label_counts else None for p in partitions]
        found.append(
            ("label_share", label, *_shares(counted, [float(sum(p.label_counts.values())) for p in partitions]))
        )
    slope = _association(partitions)
    if slope is not None:
        found.append(("association", None, *slope))
    late = [_hours(p) for p in partitions]
    if any(math.isfinite(one) for one in late):
        found.append(("late", None, late, still))
    return found


def _labels(partitions: Sequence[PartitionRead]) -> list[str]:
    """The labels, but for the commonest one: of two, one says everything. At most 20 classes are followed."""
    total: dict[str, int] = {}
    for p in partitions:
        for label, count in p.label_counts.items():
            total[label] = total.get(label, 0) + count
    return sorted(total, key=lambda label: (-total[label], label))[1:21]


def _association(partitions: Sequence[PartitionRead]) -> tuple[list[float], list[float]] | None:
    """How strongly the columns go with the label, in units of what is usual, and its standard error: the slope of a
    partition's correlations on the usual ones, through zero, each weighted by how steady it is from day to day. A label
    that is wrong at random in a share f of rows takes it to 1 - 2 f."""
    columns = sorted({c for p in partitions for c in p.label_correlations})
    if not columns:
        return None
    table = np.array([[p.label_correlations.get(c, math.nan) for c in columns] for p in partitions])
    table[~(np.abs(table) <= 1)] = np.nan
    before = table[:-1]
    usable = np.isfinite(before).sum(axis=0) >= 4
    if not usable.any():
        return None
    usual, moves = medians(before[:, usable]), deviations(before[:, usable])
    sampled = 1 / np.sqrt([max(p.rows, 1) for p in partitions])
    weight = usual / np.hypot(moves, np.median(sampled)) ** 2
    known = np.isfinite(table[:, usable])
    signal = np.where(known, weight * usual, 0.0).sum(axis=1)
    total = np.where(known, table[:, usable] * weight, 0.0).sum(axis=1)
    error = np.sqrt(np.where(known, weight**2, 0.0).sum(axis=1)) * sampled
    strong = signal > 5 * error
    slope = np.divide(total, signal, out=np.full(len(table), np.nan), where=strong)
    return slope.tolist(), np.divide(error, signal, out=np.full(len(table), np.nan), where=strong).tolist()


def _hours(p: PartitionRead) -> float:
    return (p.written_at - p.day.end).total_seconds() / 3600 if p.written_at and p.day else math.nan


def _of_columns(partitions: Sequence[PartitionRead]) -> list[_Series]:
    names = sorted({c for p in partitions for c in (*p.columns, *p.null_counts, *p.label_correlations)})
    rows = [float(max(p.rows, 1)) for p in partitions]
    found: list[_Series] = []
    for name in names:
        found.append(("nulls", name, *_shares([p.nulls(name) for p in partitions], rows)))
        told = [p.columns.get(name) for p in partitions]
        if any(told):
            found += _of_statistics(name, partitions, told, rows)
        r = [p.label_correlations.get(name, math.nan) for p in partitions]
        error = [1 / math.sqrt(n) for n in rows]
        found.append(("correlation", name, [math.atanh(v) if abs(v) < 1 else math.nan for v in r], error))
    return [one for one in found if any(math.isfinite(v) for v in one[2])]


def _of_statistics(
    name: str, partitions: Sequence[PartitionRead], told: Sequence[ColumnStatistics | None], rows: Sequence[float]
) -> list[_Series]:
    mean, variance, least, most, distinct = (
        _numbers(told, field) for field in ("mean", "variance", "min", "max", "distinct_count")
    )
    clock = _clock(name, partitions, least, most)
    if clock:
        return clock
    spread = np.sqrt(np.where(variance >= 0, variance, np.nan))
    unit, centre = _unit(mean[:-1], spread[:-1]), _middle(mean[:-1])
    still = [0.0] * len(rows)
    found: list[_Series] = [
        ("distinct", name, [_log(v) for v in distinct], still),
        ("mean", name, (mean / unit).tolist(), [1 / math.sqrt(n) for n in rows]),
        ("spread", name, [_log(v) for v in spread], [1 / math.sqrt(2 * n) for n in rows]),
        ("least", name, np.arcsinh((least - centre) / unit).tolist(), still),
        ("most", name, np.arcsinh((most - centre) / unit).tolist(), still),
    ]
    of_histograms = _of_histograms(name, told, rows)
    if of_histograms and _of_few_rows(least, most, centre, unit):
        found = [one for one in found if one[0] not in ("mean", "spread")]
        found.append(("size", name, [_log(v) for v in np.hypot(mean, spread)], still))
    return [*found, *of_histograms]


def _of_few_rows(least: Floats, most: Floats, centre: float, unit: float) -> bool:
    """Whether the moments of a column are made by a few rows of heavy tails; then its histogram says more."""
    return _middle(np.maximum(np.abs(least - centre), np.abs(most - centre))[:-1]) > _HEAVY * unit


def _of_histograms(name: str, told: Sequence[ColumnStatistics | None], rows: Sequence[float]) -> list[_Series]:
    """Against all partitions before the last, on the bins that most of them have; other bins cannot be compared."""
    edges = [t.histogram.edges for t in told if t and t.histogram]
    if not edges:
        return []
    common = max(sorted(set(edges)), key=edges.count)
    same = [bool(t and t.histogram and t.histogram.edges == common) for t in told]
    table = np.array([t.histogram.counts if ok and t and t.histogram else [0] * (len(common) - 1)
                      for t, ok in zip(told, same, strict=True)], dtype=np.int64)  # fmt: skip
    before = table[:-1].sum(axis=0)
    if before.sum() == 0:
        return []
    rank = (shares(table) * ridits(before)).sum(axis=1)
    moved = psi(before, table)
    error = [0.3 / math.sqrt(n) for n in rows]
    # The PSI of a sample from the very same distribution is about (bins - 1) / rows; below that it says nothing.
    small = [(len(common) - 2) / n for n in rows]
    logs = [_log(v + s) for v, s in zip(moved, small, strict=True)]
    return [("rank", name, rank.tolist(), error), ("shape", name, logs, [0.0] * len(rows))]


def _clock(name: str, partitions: Sequence[PartitionRead], least: Floats, most: Floats) -> list[_Series]:
    """A column of times, in unix seconds or milliseconds, is followed by its distance from the partition's day."""
    starts = np.array([p.day.start.timestamp() if p.day else math.nan for p in partitions])
    for unit in (1.0, 1000.0):
        apart = np.abs(np.concatenate([least / unit - starts, most / unit - starts]))
        known = apart[np.isfinite(apart)]
        if len(known) and float(np.median(known)) < 10 * 86_400:
            still = [0.0] * len(partitions)
            return [("clock", name, (((least + most) / 2 / unit - starts) / 3600).tolist(), still)]
    return []


def _shares(part: Sequence[int | None], whole: Sequence[float]) -> tuple[list[float], list[float]]:
    """The arcsine of the root of shares, and its standard error, 1 / (2 √n), whatever the share (Anscombe 1948)."""
    known = [some is not None and 0 <= some <= every and every > 0 for some, every in zip(part, whole, strict=True)]
    told = [
        math.asin(math.sqrt((some + 0.375) / (every + 0.75))) if ok and some is not None else math.nan
        for some, every, ok in zip(part, whole, known, strict=True)
    ]
    return told, [0.5 / math.sqrt(every + 0.5) if ok else math.nan for every, ok in zip(whole, known, strict=True)]


def _numbers(told: Sequence[ColumnStatistics | None], field: str) -> Floats:
    values = [getattr(t, field) if t else None for t in told]
    return np.array([math.nan if v is None else float(v) for v in values])


def _unit(mean: Floats, spread: Floats) -> float:
    """The usual deviation of a column; without one, how much its mean moves; without that, one."""
    usual = _middle(np.where(spread > 0, spread, np.nan))
    if math.isfinite(usual):
        return usual
    moves = 1.4826 * _middle(np.abs(mean - _middle(mean)))
    return moves if moves > 0 else 1.0


def _middle(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else math.nan


def _log(value: float) -> float:
    return math.log(value) if value > 0 and math.isfinite(value) else math.nan
