"""Does a dataset look as it usually does? Its statistics run by run against its own history."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tools.records import DatasetStatistics, Window
from tools.stats.dataset_figures import MAD_TO_SIGMA, MIN_ROWS, Figure, Floats, Kind, contradiction, figures, volume
from tools.stats.season import usual
from tools.stats.stretch import MOST_DF, SHARE_AFFECTED, TOLERATED, Stretch, spread, strongest

MIN_HISTORY = 5
GUARD = timedelta(hours=24)  # at most; what broke right before the window may be the incident's beginning
GUARD_WINDOWS = 4  # so many windows long, if that is less
SURE_P, HINT_P = 0.005, 0.05  # for having looked at all figures of the dataset
HINT_EFFECT = 0.5  # of the smallest departure that matters
RUN_OFF = 3.0  # scales: a run before the stretch that belongs to it
GAP_STEPS = 12  # usual times between two runs: a history that ended earlier does not say where the level stands now
GAP_MOVED = 2.0  # scales
LATE, LATEST = 3.0, 1.5  # a dataset is late after so many of its usual, and of its longest, times between two runs
LEAST_COUNT = 0.5  # nulls expected in a run, for a column that never had any


@dataclass(frozen=True, eq=False)
class Trace:
    """A figure of a dataset run by run, history first; float64[n] each. `z` is in scales of single runs, `mass` the
    figure's departure summed over rows, and `shown` the figure as a person reads it (see
    `tools.stats.dataset_figures.Figure`). `window` is the time of the first run judged. `not_judged` says what moved in
    a gap before it, which is taken as it is found."""

    name: str
    times: tuple[datetime, ...]
    value: Floats
    usual: Floats
    shown: Floats
    shown_usual: Floats
    z: Floats
    mass: Floats
    window: datetime
    not_judged: str | None = None


@dataclass(frozen=True, eq=False)
class Anomaly:
    """What is off: `value` is the median over the affected runs, `usual` that of the history, `scale` its spread.

    `onset` is the time of the first affected run, `healthy_until` that of the last good one before it, or None. `z`
    and `p_value` are those of the strongest stretch of runs (`tools.stats.stretch`), for all figures of the dataset;
    `n` counts the runs of the history. `sure` is False for a mere hint. For the kind "schema", `column` is gone; for
    "freshness", values are hours between two runs.
    """

    kind: Kind
    column: str | None
    onset: datetime
    healthy_until: datetime | None
    value: float
    usual: float
    scale: float
    z: float
    p_value: float
    n: int
    sure: bool
    trace: Trace | None


@dataclass(frozen=True)
class Health:
    """`unchecked` says why nothing could be said, and is None where something could; `anomalies` are sure, `hints` are
    departures that alone prove nothing; `caveats` say what was left out. `trace` is the figure that departs most, and
    `p_value` its p value for having looked at all of them, NaN where there was none."""

    anomalies: tuple[Anomaly, ...]
    runs: int
    history: int
    unchecked: str | None = None
    hints: tuple[Anomaly, ...] = ()
    caveats: tuple[str, ...] = ()
    trace: Trace | None = None
    p_value: float = math.nan


@dataclass(frozen=True)
class Series:
    """The runs of a dataset by their part: what usual means, what is judged, and all that an onset may lie in."""

    history: tuple[DatasetStatistics, ...]
    recent: tuple[DatasetStatistics, ...]
    current: tuple[DatasetStatistics, ...]
    end: datetime


def split(statistics: Sequence[DatasetStatistics], window: Window, baseline: Window) -> Series:
    """History is the baseline but for the time right before the window; where nothing was written in the window, the
    last run of that time is judged."""
    guard = min(GUARD, GUARD_WINDOWS * (window.end - window.start))
    inside = [s for s in statistics if baseline.contains(s.ts) and s.ts < window.start]
    history = [s for s in inside if s.ts < window.start - guard]
    if len(history) < MIN_HISTORY:
        history = inside
    recent = [s for s in statistics if window.start - guard <= s.ts < window.end]
    current = [s for s in recent if window.contains(s.ts)] or recent[-1:]
    return Series(tuple(history), tuple(recent), tuple(current), window.end)


def health(series: Series, columns: Iterable[str], with_values: bool) -> Health:
    """What is off with the volume and freshness, and with the nulls, presence and values of `columns`.

    `with_values` is off where it is not known that the columns have anything to do with the incident.
    """
    runs, history = len(series.current), len(series.history)
    names = sorted(columns)
    if not history and not runs:
        return Health((), runs, history, "it has no statistics in the window")
    if history < MIN_HISTORY:
        return Health((), runs, history, f"it has {history} earlier runs; {MIN_HISTORY} are needed to know usual ones")
    late = tuple(filter(None, [_late(series)]))
    if not runs:
        return Health(late, runs, history, None if late else "it has no statistics in the window")
    judged = _judged(series, names, with_values)
    gone = [anomaly for column in names if (anomaly := _gone(series, column))]
    found = [*late, *gone, *(j.anomaly for j in judged if j.anomaly)]
    caveats = (
        *(text for column in names if (text := _contradictions(series, column))),
        *(text for one in judged if (text := one.trace.not_judged)),
    )
    if names and not found and not any(j.figure.column for j in judged) and not _idle(series):
        silent = f"its runs in the window say nothing of its column {', '.join(names[:3])}"
        return Health((), runs, history, "; ".join([*caveats, silent]))
    traces = sorted(judged, key=lambda j: -j.stretch.z)
    return Health(
        tuple(a for a in found if a.sure),
        runs,
        history,
        hints=tuple(a for a in found if not a.sure),
        caveats=caveats,
        trace=traces[0].trace if traces else None,
        p_value=min(
            [*(a.p_value for a in found), *(min(j.stretch.p_value * len(judged), 1.0) for j in judged)],
            default=math.nan,
        ),
    )


def _idle(series: Series) -> bool:
    """It carried no row in the window, and hardly ever does: nothing can have come from it."""
    past = [run.row_count for run in series.history if run.row_count is not None]
    return all(run.row_count == 0 for run in series.current) and bool(past) and float(np.median(past)) < MIN_ROWS


def columns_of(series: Series) -> list[str]:
    """All columns that any of the runs has statistics of."""
    return sorted({name for run in (*series.history, *series.current) for name in run.columns})


@dataclass(frozen=True, eq=False)
class _Judged:
    figure: Figure
    stretch: Stretch
    trace: Trace
    anomaly: Anomaly | None


def _judged(series: Series, names: Sequence[str], with_values: bool) -> list[_Judged]:
    """All figures that the history and the window both have; p values are for having looked at all of them."""
    last = series.history[-1].ts
    runs = (*series.history, *(run for run in series.recent if run.ts > last))
    old = np.arange(len(runs)) < len(series.history)
    times = tuple(run.ts for run in runs)
    asked = np.array([time >= series.current[0].ts for time in times])
    old &= ~asked
    found = [volume(runs), *(f for name in names for f in figures(runs, old, name, with_values))]
    traced = [(f, trace) for f in found if (trace := _trace(f, times, old, asked)) is not None]
    judged = []
    for figure, trace in traced:
        known = np.isfinite(trace.z)
        stretch = strongest(trace.z[asked & known], trace.z[old & known], figure.rises)
        if stretch is not None:
            judged.append((figure, stretch, trace))
    return [
        _Judged(figure, stretch, trace, _anomaly(figure, stretch, trace, old, asked, len(judged)))
        for figure, stretch, trace in judged
    ]


def _trace(
    figure: Figure, times: tuple[datetime, ...], old: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> Trace | None:
    known = np.isfinite(figure.value)
    if (old & known).sum() < MIN_HISTORY or not (asked & known).any():
        return None
    history = usual(times, figure.value, old)
    if figure.kind == "volume" and np.median(history[asked]) < np.log1p(MIN_ROWS):
        return None
    expected = _since_a_gap(figure, times, old, history)
    gap = figure.value - expected
    off = gap if figure.rows is None else _counted(figure.value * figure.rows, expected * figure.rows)
    past = off[old & known]
    smallest = figure.smallest_scale if figure.rows is None else 1.0
    up, down = (max(spread(past, sign), smallest) for sign in (1, -1))
    with np.errstate(invalid="ignore"):
        z = off / np.where(off > 0, up, down)
        mass = figure.mass * gap / np.where(figure.value == 0, np.nan, figure.value)
    return Trace(
        figure.name,
        times,
        figure.value,
        expected,
        figure.shown(figure.value),
        figure.shown(expected),
        z,
        mass,
        times[int(np.flatnonzero(asked)[0])],
        _moved(figure, times, old, history) if expected is not history else None,
    )


def _since_a_gap(figure: Figure, times: tuple[datetime, ...], old: NDArray[np.bool_], expected: Floats) -> Floats:
    """What is expected of the recent runs where the history ended long before them.

    What moved in between, nobody knows when, is no news: the first of them says where the level may stand now, if it
    lies beyond what the history swings by. Whatever lies between that and the history's level is as expected.
    """
    stamps = np.array([time.timestamp() for time in times])
    recent = np.flatnonzero(~old & np.isfinite(figure.value))
    if len(recent) < 2 or not old.any():
        return expected
    usual_step = float(np.median(np.diff(stamps[old]))) if old.sum() > 1 else math.inf
    if stamps[~old].min() - stamps[old].max() <= GAP_STEPS * usual_step:
        return expected
    first, gaps = recent[0], (figure.value - expected)[old & np.isfinite(figure.value)]
    moved = float(figure.value[first] - expected[first])
    swing = max(spread(gaps, 1 if moved > 0 else -1), figure.smallest_scale)
    if abs(moved) <= GAP_MOVED * swing:
        return expected
    between = np.clip(figure.value, expected + min(moved, 0.0), expected + max(moved, 0.0))
    return np.where(old | np.isnan(figure.value), expected, between)


def _moved(figure: Figure, times: tuple[datetime, ...], old: NDArray[np.bool_], history: Floats) -> str:
    """What moved in the gap, in words: a fault that was there when the first run came back would look like this too."""
    first = int(np.flatnonzero(~old & np.isfinite(figure.value))[0])
    hours = (times[first] - times[int(np.flatnonzero(old)[-1])]).total_seconds() / 3600
    value, usual_ = (float(figure.shown(values)[first]) for values in (figure.value, history))
    of = f" of column {figure.column}" if figure.column else ""
    return (
        f"its {figure.name}{of} came back at {value:.4g} after {hours:.0f} hours without a run, where {usual_:.4g} was "
        "usual before; whether that move is a fault is not judged, only what came after it"
    )


def _counted(seen: Floats, expected: Floats) -> Floats:
    """How far counts lie from what was expected, in units of counting noise: signed roots of twice the likelihood ratio
    of Poisson counts, which small counts do not overstate as their standard error does (McCullagh & Nelder 1989)."""
    least = np.maximum(expected, LEAST_COUNT)
    with np.errstate(invalid="ignore", divide="ignore"):
        twice = 2 * (np.where(seen > 0, seen * np.log(seen / least), 0.0) - (seen - least))
    return np.sign(seen - least) * np.sqrt(np.maximum(twice, 0.0))


def _anomaly(
    figure: Figure, stretch: Stretch, trace: Trace, old: NDArray[np.bool_], asked: NDArray[np.bool_], looked_at: int
) -> Anomaly | None:
    p = min(stretch.p_value * looked_at, 1.0)
    places = np.flatnonzero(asked & np.isfinite(trace.z))[stretch.first : stretch.last + 1]
    signed = stretch.sign * trace.z
    affected = places[signed[places] >= min(RUN_OFF, float(np.median(signed[places])))]
    value, expected = float(np.median(trace.value[affected])), float(np.median(trace.usual[affected]))
    sure = p <= SURE_P and figure.matters(value, expected)
    if not sure and not (p <= HINT_P and figure.matters(value, expected, HINT_EFFECT)):
        return None
    onset, healthy = _onset(trace, signed, old, int(affected[0]), int(np.flatnonzero(asked)[0]))
    past = (trace.value - trace.usual)[old]
    return Anomaly(
        kind=figure.kind,
        column=figure.column,
        onset=onset,
        healthy_until=healthy,
        value=value,
        usual=expected,
        scale=max(spread(past[np.isfinite(past)], stretch.sign), figure.smallest_scale),
        z=stretch.z,
        p_value=p,
        n=int((old & np.isfinite(trace.value)).sum()),
        sure=sure,
        trace=trace,
    )


def _onset(
    trace: Trace, signed: Floats, old: NDArray[np.bool_], first: int, window: int
) -> tuple[datetime, datetime | None]:
    """The first affected run, and where that opens the window, back through the affected runs just before it."""
    known = [int(i) for i in np.flatnonzero(np.isfinite(trace.z))]
    place = known.index(first)
    if not any(window <= i < first for i in known):
        while place > 0 and not old[known[place - 1]] and signed[known[place - 1]] >= RUN_OFF:
            place -= 1
    before = trace.times[known[place - 1]] if place > 0 else None
    return trace.times[known[place]], before


def _gone(series: Series, column: str) -> Anomaly | None:
    """The column was in nearly every run, and is missing from a stretch of the window's that have columns at all."""
    before = [column in run.columns for run in series.history if run.columns]
    now = [run for run in series.current if run.columns]
    missing = [run.ts for run in now if column not in run.columns]
    if len(before) < MIN_HISTORY or np.mean(before) < 1 - TOLERATED or len(missing) < max(SHARE_AFFECTED * len(now), 1):
        return None
    with_columns = [run for run in (*series.history, *series.recent) if run.columns]
    healthy = max((run.ts for run in with_columns if column in run.columns and run.ts < missing[0]), default=None)
    onset = min(run.ts for run in with_columns if healthy is None or run.ts > healthy)
    p = 1 / (len(before) + 1)
    return Anomaly("schema", column, onset, healthy, 0.0, 1.0, 0.0, math.inf, p, len(before), True, None)


def _late(series: Series) -> Anomaly | None:
    """Nothing was written for far longer than it ever took from one run to the next."""
    times = sorted({run.ts for run in (*series.history, *series.recent)})
    gaps = np.diff([time.timestamp() for time in times]) / 3600
    if len(gaps) < MIN_HISTORY:
        return None
    typical, longest = float(np.median(gaps)), float(np.quantile(gaps, 1 - TOLERATED))
    silent = (series.end - times[-1]).total_seconds() / 3600
    if silent < max(LATE * typical, LATEST * longest):
        return None
    logs = np.log(gaps)
    scale = max(MAD_TO_SIGMA * float(np.median(np.abs(logs - np.median(logs)))), math.log(LATE) / 6)
    z = (math.log(silent) - math.log(typical)) / scale
    p = max(2 * float(special.stdtr(MOST_DF, -z)), 1 / (len(gaps) + 1) ** 2)
    due = times[-1] + timedelta(hours=typical)
    return Anomaly("freshness", None, due, times[-1], silent, typical, longest, z, p, len(gaps), True, None)


def _contradictions(series: Series, column: str) -> str | None:
    runs = (*series.history, *series.recent)
    reasons = [why for run in runs if (why := run.left_out.get(column) or contradiction(run, column))]
    if not reasons:
        return None
    return f"{len(reasons)} of {len(runs)} runs report {reasons[-1]} for its column {column}; they are left out"
