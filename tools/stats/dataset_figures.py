"""What the statistics of a run say about a dataset, as figures that can be compared from run to run."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tools.records import ColumnStatistics, DatasetStatistics, Histogram

Floats = NDArray[np.float64]
Runs = Sequence[DatasetStatistics]
Kind = Literal["nulls", "volume", "freshness", "shift", "distribution", "schema"]

MIN_ROWS = 20  # a share, a mean or a histogram over fewer rows swings by itself
MAD_TO_SIGMA = 1.4826
WORSE_ODDS = 1.5  # nulls that were common before must become this much likelier


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure of a dataset by run: `value` float64[n], NaN where a run says nothing of it.

    `rows` float64[n] is set for a share of rows, whose noise is that of counting. `smallest_scale` is the smallest
    spread that is believed, `effect` the smallest departure that matters, both in the unit of `value`. `rises` where
    only a rise is a fault. `mass` float64[n] is the same figure summed over the rows, for telling how much of a
    departure downstream it could carry; NaN where that makes no sense. `shown` turns values into those that a person
    reads: rows for their logarithm.
    """

    kind: Kind
    column: str | None
    name: str
    value: Floats
    mass: Floats
    smallest_scale: float
    effect: float
    rises: bool = False
    rows: Floats | None = None
    shown: Callable[[Floats], Floats] = lambda values: values

    def matters(self, value: float, usual: float, share: float = 1.0) -> bool:
        """Whether a departure is at least this share of the smallest one that matters."""
        if abs(value - usual) < share * self.effect:
            return False
        if self.kind != "nulls":
            return True
        worse = 1 + share * (WORSE_ODDS - 1)
        return _odds(value) >= worse * _odds(usual)


def _odds(share: float) -> float:
    return share / max(1 - share, 1e-9)


def volume(runs: Runs) -> Figure:
    """The logarithm of the row count."""
    rows = _rows(runs)
    return Figure("volume", None, "rows", np.log1p(rows), rows, 0.1, math.log(1.5), shown=np.expm1)


def figures(runs: Runs, history: NDArray[np.bool_], column: str, with_values: bool) -> Iterator[Figure]:
    """The figures of a column: its nulls, and `with_values` its mean, spread, number of values and histogram.

    `history` bool[n] marks the runs that say what usual is.
    """
    rows = _rows(runs)
    known = [_sound(run, column) for run in runs]
    nulls = _column(known, lambda c: c.null_count)
    enough = rows >= MIN_ROWS
    share = np.where(enough, np.divide(nulls, rows, out=np.full(len(rows), np.nan), where=rows > 0), np.nan)
    yield Figure("nulls", column, "null share", share, nulls, 0.0, 0.01, rises=True, rows=rows)
    if with_values:
        judged = enough | np.isnan(rows)
        filled = rows - np.where(np.isfinite(nulls), nulls, 0.0)
        yield from _of_values(known, history, judged, filled, column)


def _of_values(
    known: Sequence[ColumnStatistics | None],
    history: NDArray[np.bool_],
    judged: NDArray[np.bool_],
    rows: Floats,
    column: str,
) -> Iterator[Figure]:
    mean = np.where(judged, _column(known, lambda c: c.mean), np.nan)
    variance = np.where(judged, _column(known, lambda c: c.variance), np.nan)
    unit, within = _unit(mean[history], variance[history])
    smallest, effect = (0.1, 1.0) if within else (0.5, 2.0)
    yield Figure("shift", column, "mean", mean / unit, mean * rows, smallest, effect, shown=lambda v: v * unit)
    spread = np.log(np.where(variance > 0, variance, np.nan)) / 2
    none = np.full(len(rows), np.nan)
    yield Figure("distribution", column, "standard deviation", spread, none, 0.15, math.log(3), shown=np.exp)
    distinct = np.log1p(_column(known, lambda c: c.distinct_count))
    distinct = np.where(judged, distinct, np.nan)
    yield Figure("distribution", column, "distinct values", distinct, none, 0.15, math.log(3), shown=np.expm1)
    away = np.where(judged, _away_from_usual([c.histogram if c else None for c in known], history), np.nan)
    yield Figure("distribution", column, "share of values that moved", away, none, 0.03, 0.15, rises=True)


def _unit(means: Floats, variances: Floats) -> tuple[float, bool]:
    """What a mean is measured in: the deviation within the runs, or else that between them; NaN where neither is."""
    inside = variances[np.isfinite(variances) & (variances > 0)]
    if len(inside):
        return math.sqrt(float(np.median(inside))), True
    past = means[np.isfinite(means)]
    if not len(past):
        return math.nan, False
    middle = float(np.median(past))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(past - middle))) or float(np.std(past))
    return (spread if spread > 0 else math.nan), False


def _away_from_usual(histograms: Sequence[Histogram | None], history: NDArray[np.bool_]) -> Floats:
    """Total variation between each run's histogram and the median one of the history, on the newest edges of it."""
    past = [h for h, old in zip(histograms, history, strict=True) if old and h is not None]
    away = np.full(len(histograms), np.nan)
    if not past:
        return away
    edges = past[-1].edges
    shares = {i: _shares(h) for i, h in enumerate(histograms) if h is not None and h.edges == edges}
    old = [share for i, share in shares.items() if history[i]]
    usual = np.median(old, axis=0)
    usual = usual / max(float(usual.sum()), 1e-12)
    for i, share in shares.items():
        away[i] = np.abs(share - usual).sum() / 2
    return away


def _shares(histogram: Histogram) -> Floats:
    counts = np.asarray(histogram.counts, dtype=np.float64)
    return counts / max(float(counts.sum()), 1.0)


def _rows(runs: Runs) -> Floats:
    found = [run.row_count for run in runs]
    return np.array([math.nan if rows is None or rows < 0 else float(rows) for rows in found])


def _column(known: Sequence[ColumnStatistics | None], read: Callable[[ColumnStatistics], float | None]) -> Floats:
    found = [None if column is None else read(column) for column in known]
    values = np.array([math.nan if value is None else float(value) for value in found])
    return np.where(np.isfinite(values), values, np.nan)


def _sound(run: DatasetStatistics, column: str) -> ColumnStatistics | None:
    """The column's statistics where they do not contradict one another."""
    found = run.columns.get(column)
    return None if found is None or contradiction(run, column) else found


def contradiction(run: DatasetStatistics, column: str) -> str | None:
    """Why what a run says of a column cannot be true, or None."""
    found = run.columns.get(column)
    if found is None:
        return None
    rows, nulls = run.row_count, found.null_count
    checks = (
        (nulls is not None and nulls < 0, "fewer than no nulls"),
        (nulls is not None and rows is not None and nulls > rows >= 0, "more nulls than rows"),
        (_above(found.distinct_count, rows), "more distinct values than rows"),
        (_above(found.min, found.max), "a minimum above the maximum"),
        (_above(found.mean, found.max) or _above(found.min, found.mean), "a mean outside of its range"),
        (found.variance is not None and found.variance < 0, "a negative variance"),
        (found.histogram is not None and not _is_histogram(found.histogram), "a histogram that is none"),
    )
    return next((why for wrong, why in checks if wrong), None)


def _above(one: float | None, other: float | None) -> bool:
    """With room for sums that were rounded."""
    if one is None or other is None or not (math.isfinite(one) and math.isfinite(other)):
        return False
    return one > other + 1e-6 * max(abs(one), abs(other), 1e-12)


def _is_histogram(histogram: Histogram) -> bool:
    edges = np.asarray(histogram.edges, dtype=np.float64)
    return (
        len(histogram.counts) == len(edges) - 1 >= 1
        and not np.isnan(edges).any()
        and bool((np.diff(edges) > 0).all())
        and min(histogram.counts) >= 0
    )
