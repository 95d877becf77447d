"""Does a dataset look as it usually does? Its statistics run by run against its own history at the same time of day."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from tools.records import DatasetStatistics, Window

Kind = Literal["nulls", "volume", "shift", "schema"]
MIN_HISTORY = 5
MIN_ROWS = 20  # a share or a mean over fewer rows swings by itself
GUARD = timedelta(hours=24)  # before the window: what broke then may be the incident's beginning, and is no history
SAME_HOUR_H = 1.0
Z = 6.0  # robust scales
TOLERATED = 0.05  # of the history may have been as extreme: an old incident must not hide a new one
SHARE_AFFECTED = 0.5  # of the window's runs must be off: a fault that lasts, not a single odd run
MAD_TO_SIGMA = 1.4826

FLOORS: dict[Kind, tuple[float, float]] = {
    "nulls": (0.01, 0.05),  # of the null share
    "volume": (0.15, math.log(2)),  # of the logarithm of the row count
    "shift": (0.1, 1.0),  # in standard deviations of the column
}
"""Per kind the smallest scale that is believed, and the smallest departure that matters."""


@dataclass(frozen=True)
class Anomaly:
    """What is off: `value` is the median over the affected runs, `usual` that of the history, `scale` its robust scale.

    `onset` is the time of the first affected run, `healthy_until` that of the last good one before it, or None. `z` is
    the smallest among the affected runs; `n` counts the runs of the history. For the kind "schema", `column` is gone.
    """

    kind: Kind
    column: str | None
    onset: datetime
    healthy_until: datetime | None
    value: float
    usual: float
    scale: float
    z: float
    n: int


@dataclass(frozen=True)
class Health:
    """`unchecked` says why nothing could be said, and is None where something could."""

    anomalies: tuple[Anomaly, ...]
    runs: int
    history: int
    unchecked: str | None = None


@dataclass(frozen=True)
class Series:
    """The runs of a dataset by their part: what usual means, what is judged, and all that an onset may lie in."""

    history: tuple[DatasetStatistics, ...]
    recent: tuple[DatasetStatistics, ...]
    current: tuple[DatasetStatistics, ...]


def split(statistics: Sequence[DatasetStatistics], window: Window, baseline: Window) -> Series:
    """History is the baseline but for the day before the window; where nothing was written in the window, the last run
    of that day is judged."""
    inside = [s for s in statistics if baseline.contains(s.ts) and s.ts < window.start]
    history = [s for s in inside if s.ts < window.start - GUARD]
    if len(history) < MIN_HISTORY:
        history = inside
    recent = [s for s in statistics if window.start - GUARD <= s.ts < window.end]
    current = [s for s in recent if window.contains(s.ts)] or recent[-1:]
    return Series(tuple(history), tuple(recent), tuple(current))


def health(series: Series, columns: Iterable[str], judge_means: bool) -> Health:
    """What is off with the volume, and with the nulls, means and presence of `columns`.

    `judge_means` is off where it is not known that the columns have anything to do with the incident.
    """
    runs, history = len(series.current), len(series.history)
    if not runs:
        return Health((), 0, history, "it has no statistics in the window")
    if history < MIN_HISTORY:
        return Health(
            (), runs, history, f"it has {history} earlier runs; {MIN_HISTORY} are needed to know what is usual"
        )
    names = sorted(columns)
    found = [_judge(series, "volume", None, _log_rows)]
    for column in names:
        found.append(_gone(series, column))
        found.append(_judge(series, "nulls", column, _null_share(column)))
        if judge_means:
            found.append(_judge(series, "shift", column, _mean(column, _deviation(series.history, column))))
    anomalies = tuple(anomaly for anomaly in found if anomaly)
    if names and not anomalies and not any(name in run.columns for run in series.current for name in names):
        return Health((), runs, history, f"its runs in the window say nothing of its column {', '.join(names[:3])}")
    return Health(anomalies, runs, history)


def columns_of(series: Series) -> list[str]:
    """All columns that any of the runs has statistics of."""
    return sorted({name for run in (*series.history, *series.current) for name in run.columns})


def shape(kind: Kind, column: str | None) -> Callable[[DatasetStatistics], float]:
    """The figure of a run that an anomaly is about, as it is drawn: a row count, a null share or a mean."""
    if kind == "volume" or column is None:
        return lambda run: math.nan if run.row_count is None else float(run.row_count)
    return _null_share(column) if kind in ("nulls", "schema") else _mean(column, 1.0)


def _log_rows(run: DatasetStatistics) -> float:
    return math.nan if run.row_count is None else math.log1p(run.row_count)


def _null_share(column: str) -> Callable[[DatasetStatistics], float]:
    def share(run: DatasetStatistics) -> float:
        found = run.columns.get(column)
        if found is None or found.null_count is None or not run.row_count or run.row_count < MIN_ROWS:
            return math.nan
        return found.null_count / run.row_count

    return share


def _mean(column: str, deviation: float) -> Callable[[DatasetStatistics], float]:
    """The column's mean in standard deviations."""

    def mean(run: DatasetStatistics) -> float:
        found = run.columns.get(column)
        if found is None or found.mean is None or (run.row_count is not None and run.row_count < MIN_ROWS):
            return math.nan
        return found.mean / deviation

    return mean


def _deviation(history: Sequence[DatasetStatistics], column: str) -> float:
    """From the variances within the runs, or else from the means between them; NaN where there are neither."""
    found = [run.columns[column] for run in history if column in run.columns]
    variances = [c.variance for c in found if c.variance is not None and math.isfinite(c.variance) and c.variance > 0]
    if variances:
        return math.sqrt(float(np.median(variances)))
    means = [c.mean for c in found if c.mean is not None and math.isfinite(c.mean)]
    spread = float(np.std(means)) if means else math.nan
    return spread if spread > 0 else math.nan


def _gone(series: Series, column: str) -> Anomaly | None:
    """The column was in nearly every run and is in none of the window's that have columns at all."""
    before = [column in run.columns for run in series.history if run.columns]
    now = [column in run.columns for run in series.current if run.columns]
    if not now or any(now) or len(before) < MIN_HISTORY or np.mean(before) < 1 - TOLERATED:
        return None
    onset, healthy = _onset(series, {run.ts for run in series.recent if run.columns and column not in run.columns})
    return Anomaly("schema", column, onset, healthy, 0.0, 1.0, 0.0, math.inf, len(before))


def _judge(
    series: Series, kind: Kind, column: str | None, figure: Callable[[DatasetStatistics], float]
) -> Anomaly | None:
    history = [(run.ts, figure(run)) for run in series.history]
    history = [(ts, value) for ts, value in history if math.isfinite(value)]
    judged = {run.ts: _z(history, run.ts, figure(run), kind) for run in series.recent}
    known = {ts: found for ts, found in judged.items() if found is not None}
    asked = [run for run in series.current if run.ts in known]
    off = {ts for ts, (z, _, _, _) in known.items() if z >= Z}
    affected = [run for run in asked if run.ts in off]
    if not affected or len(affected) < SHARE_AFFECTED * len(asked):
        return None
    onset, healthy = _onset(series, off)
    picked = [known[run.ts] for run in affected]
    return Anomaly(
        kind=kind,
        column=column,
        onset=onset,
        healthy_until=healthy,
        value=float(np.median([figure(run) for run in affected])),
        usual=float(np.median([usual for _, usual, _, _ in picked])),
        scale=float(np.median([scale for _, _, scale, _ in picked])),
        z=min(z for z, _, _, _ in picked),
        n=min(n for _, _, _, n in picked),
    )


def _z(
    history: Sequence[tuple[datetime, float]], ts: datetime, value: float, kind: Kind
) -> tuple[float, float, float, int] | None:
    """(z, usual, scale, n); z is 0 for what is within the floors or within reach of the history.

    n counts the runs at the same time of day, or all runs where the value lies beyond every one of them.
    """
    everything = np.array([v for _, v in history])
    alike = [v for t, v in history if _hours_apart(t, ts) <= SAME_HOUR_H]
    past = np.array(alike) if len(alike) >= MIN_HISTORY else everything
    if len(past) < MIN_HISTORY or not math.isfinite(value):
        return None
    usual = float(np.median(past))
    if kind == "volume" and usual < math.log1p(MIN_ROWS):
        return None
    smallest_scale, smallest_effect = FLOORS[kind]
    scale = max(MAD_TO_SIGMA * float(np.median(np.abs(past - usual))), smallest_scale)
    gap = value - usual
    direction = 1.0 if gap > 0 else -1.0
    edge = direction * value - smallest_effect
    reached = int((direction * past >= edge).sum())
    ordinary = abs(gap) < smallest_effect or reached > TOLERATED * len(past) or (kind == "nulls" and gap < 0)
    n = len(past) if (direction * everything >= edge).any() else len(everything)
    return (0.0 if ordinary else abs(gap) / scale), usual, scale, n


def _hours_apart(one: datetime, other: datetime) -> float:
    """On the clock, whatever the day: 23:00 and 01:00 are two hours apart."""
    apart = abs((one - other).total_seconds()) / 3600 % 24
    return min(apart, 24 - apart)


def _onset(series: Series, off: set[datetime]) -> tuple[datetime, datetime | None]:
    """From the first affected run of the window back through the affected runs just before it."""
    order = [run.ts for run in series.recent]
    first = next(run.ts for run in series.current if run.ts in off)
    place = order.index(first)
    while place > 0 and order[place - 1] in off:
        place -= 1
    before = order[place - 1] if place > 0 else max((run.ts for run in series.history), default=None)
    return order[place], before
