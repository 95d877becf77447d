"""Profiles as a table by hour and feature, and its sums over blocks of hours that can be compared with one another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.records import Window
from tools.stats.histograms import Histograms
from tools.stats.profile import PREDICTION, Counts, Floats, Profile
from tools.stats.value_counts import ValueCounts

DAY_S = 86_400


@dataclass(frozen=True)
class Totals:
    """Additive figures by feature; every array is [T, F], with a row per hour or block.

    `rows` counts all samples and `seen` those whose profile carries the feature at all. Of a feature whose values are
    counted, `judged` samples were compared with the values that its vocabulary knows, and `unseen` hold another one.
    The rest is as in `Profile`.
    """

    rows: Counts
    seen: Counts
    judged: Counts
    unseen: Counts
    nulls: Counts
    nonfinite: Counts
    count: Counts
    total: Floats
    total2: Floats
    pairs: Counts
    cross: Floats
    pair_total: Floats
    pair_total2: Floats
    pair_prediction: Floats


_COUNTS = ("nulls", "nonfinite", "count", "pairs")
_SUMS = ("total", "total2", "cross", "pair_total", "pair_total2", "pair_prediction")


@dataclass(frozen=True)
class Hourly:
    """T times with samples, in order, and F features without the prediction.

    `ts` int64[T] unix s is where a stored window starts. `minimum` and `maximum` float64[T, F], `edges`
    float64[F, B-1], `histograms` of the features and of the prediction after them, `prediction` float64[T] the mean
    prediction (NaN where there was none) of `predictions` int64[T], `snapshots` those that served. `values` is
    feature → the counts of its values, each with the row of its hour, for features whose values are counted.
    """

    ts: Counts
    features: tuple[str, ...]
    totals: Totals
    histograms: Histograms
    minimum: Floats
    maximum: Floats
    edges: Floats
    prediction: Floats
    predictions: Counts
    snapshots: tuple[str, ...]
    values: Mapping[str, Sequence[tuple[int, ValueCounts]]]

    def within(self, window: Window) -> NDArray[np.bool_]:
        """Which times lie in a window, bool[T]."""
        return (self.ts >= window.start.timestamp()) & (self.ts < window.end.timestamp())


def hourly(profiles: Sequence[Profile]) -> Hourly:
    """The table of profiles of one model. Raises ValueError where there are none, or where their edges differ."""
    if not profiles:
        raise ValueError("there are no profiles to tabulate")
    ordered = sorted(profiles, key=lambda p: (p.window.start, p.window.end, p.snapshot))
    features = tuple(sorted({f for p in ordered for f in p.features} - {PREDICTION}))
    columns = (*features, PREDICTION)
    ts, at = np.unique([int(p.window.start.timestamp()) for p in ordered], return_inverse=True)
    column = {name: i for i, name in enumerate(columns)}
    places = {names: np.array([column[f] for f in names]) for names in {p.features for p in ordered}}
    edges = _edges(ordered, columns, places)
    totals = _zeros(len(ts), len(columns))
    minimum, maximum = (np.full((len(ts), len(columns)), bound) for bound in (np.inf, -np.inf))
    for t, p in zip(at, ordered, strict=True):
        place = places[p.features]
        totals.rows[t] += p.rows
        totals.seen[t, place] += p.rows
        for name in (*_COUNTS, *_SUMS):
            getattr(totals, name)[t, place] += getattr(p, name)
        for name, counted in p.categories.items():
            totals.judged[t, column[name]] += counted.judged
            totals.unseen[t, column[name]] += counted.unseen
        minimum[t, place] = np.minimum(minimum[t, place], p.minimum)
        maximum[t, place] = np.maximum(maximum[t, place], p.maximum)
    return Hourly(
        ts=ts,
        features=features,
        totals=replace(totals, **{f.name: getattr(totals, f.name)[:, :-1] for f in fields(Totals)}),
        histograms=Histograms(
            tuple((int(t), places[p.features], p.histogram) for t, p in zip(at, ordered, strict=True)),
            len(ts),
            len(columns),
            edges.shape[1] + 1,
        ),
        minimum=minimum[:, :-1],
        maximum=maximum[:, :-1],
        edges=edges[:-1],
        prediction=ratio(totals.total[:, -1], totals.count[:, -1]),
        predictions=totals.count[:, -1],
        snapshots=tuple(sorted({p.snapshot for p in ordered})),
        values=_values(ordered, at),
    )


def _values(profiles: Sequence[Profile], at: NDArray[np.int64]) -> dict[str, list[tuple[int, ValueCounts]]]:
    """The counts of values by feature. Raises ValueError where they were counted on different vocabularies."""
    found: dict[str, list[tuple[int, ValueCounts]]] = {}
    for t, p in zip(at, profiles, strict=True):
        for name, counted in p.categories.items():
            parts = found.setdefault(name, [])
            heavy = parts[0][1].heavy if parts else counted.heavy
            if heavy is not counted.heavy and not np.array_equal(heavy, counted.heavy):
                raise ValueError(f"the values of {name} were counted on different vocabularies; fold its samples anew")
            parts.append((int(t), counted))
    return found


def _edges(
    profiles: Sequence[Profile], columns: tuple[str, ...], places: dict[tuple[str, ...], NDArray[np.int64]]
) -> Floats:
    """The shared edges; a model whose profiles lie on several cannot be compared with itself."""
    edges = np.full((len(columns), profiles[0].edges.shape[1]), np.nan)
    checked: set[tuple[int, tuple[str, ...]]] = set()
    filled = np.zeros(len(columns), dtype=bool)
    for p in profiles:
        if (id(p.edges), p.features) in checked:
            continue
        checked.add((id(p.edges), p.features))
        place = places[p.features]
        known = filled[place]
        if p.edges.shape[1] != edges.shape[1] or not np.array_equal(
            edges[place][known], p.edges[known], equal_nan=True
        ):
            raise ValueError(f"the profiles of {p.model} lie on different bin edges; fold its samples anew")
        edges[place], filled[place] = p.edges, True
    return edges


def _zeros(times: int, features: int) -> Totals:
    arrays: dict[str, Any] = {
        n: np.zeros((times, features), dtype=np.int64) for n in ("rows", "seen", "judged", "unseen", *_COUNTS)
    }
    arrays |= {n: np.zeros((times, features)) for n in _SUMS}
    return Totals(**arrays)


def matched_blocks(table: Hourly, window: Window, baseline: Window) -> NDArray[np.bool_]:
    """The hours of `window` on each earlier day of the baseline, oldest first, bool[K, T].

    The same hours are compared, because traffic differs by hour. A window longer than a day is moved by whole days of
    its own length. A day with less than a quarter of the usual samples is left out: it says little, and that badly.
    """
    step = timedelta(days=ceil(window.seconds / DAY_S))
    shifted, k = [], 1
    while window.start - k * step >= baseline.start:
        start = window.start - k * step
        if start + (window.end - window.start) <= baseline.end:
            shifted.append(table.within(Window(start=start, end=start + (window.end - window.start))))
        k += 1
    return full_blocks(table, np.array(shifted[::-1], dtype=bool).reshape(-1, len(table.ts)))


def full_blocks(table: Hourly, blocks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The blocks of hours, bool[K, T], that have at least a quarter of the samples that are usual among them."""
    rows = np.array([table.totals.rows[block, 0].sum() for block in blocks]) if table.features else np.zeros(0)
    return blocks[rows > max(0.25 * float(np.median(rows)), 0)] if len(rows) else blocks


def pooled(table: Hourly, blocks: NDArray[np.bool_]) -> Totals:
    """The sums over each block of hours, bool[K, T] → arrays [K, F]."""
    with np.errstate(over="ignore"):
        return Totals(
            **{
                f.name: np.stack([getattr(table.totals, f.name)[block].sum(axis=0) for block in blocks])
                for f in fields(Totals)
            }
        )


def hour_noise(part: Counts, whole: Counts, blocks: NDArray[np.bool_]) -> Floats:
    """The standard error of part / whole in each block, float64[K, F], from how its hours differ among themselves.

    The linearised variance of a ratio under cluster sampling, an hour being a cluster (Cochran 1977, ch. 11).
    """
    found = []
    for block in blocks:
        p, w = part[block].astype(np.float64), whole[block].astype(np.float64)
        left = p - ratio(p.sum(axis=0), w.sum(axis=0)) * w
        found.append(ratio(np.sqrt((left**2).sum(axis=0)), w.sum(axis=0)))
    return np.array(found).reshape(len(blocks), part.shape[1])


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole, NaN where whole is 0."""
    found: Floats = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) != 0)
    return found
