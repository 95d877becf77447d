"""Did the traffic move to a worse mix? The exact split of the change, judged by what the mix did on baseline days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.decomposition import Split, parts
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.panel import Floats, Panel, added
from tools.stats.robust import MIN_HISTORY, Departure, Tail, departure
from tools.stats.value_parts import (
    HourlyMass,
    Interval,
    ValueParts,
    against_history,
    history_of,
    hour_draws,
    interval,
    interval_from,
    value_parts,
)

HOUR = "hour"
"""The hour of the day, which is a dimension of the mix like any other."""
MAX_CELLS = 20_000


@dataclass(frozen=True)
class MovedShare:
    """The share of the traffic of one value now, its usual share, and how far that is outside of its daily
    movements."""

    dimension: str
    value: str
    share: float
    usual: float
    departure: Departure
    q_value: float


@dataclass(frozen=True)
class Moved:
    """The share of the traffic that sits on other values of a dimension than usual (total variation distance, 0 to 1),
    against the same distance of each baseline block."""

    distance: float
    departure: Departure


@dataclass(frozen=True)
class MixShift:
    """`split` over the finest cells; `mix` and `within` test its parts against the same parts of each baseline block;
    `mix_interval` and `within_interval` are the parts with their uncertainty, which rests on what `interval_from` says.
    The split `by_dimension` alone and its `parts` by value, and how far the traffic `moved` along each. `left_out`
    names dimensions with too many values for the finest cells."""

    split: Split
    mix: Departure
    within: Departure
    mix_interval: Interval
    within_interval: Interval
    interval_from: str
    by_dimension: dict[str, Split]
    parts: tuple[ValueParts, ...]
    moved: dict[str, Moved]
    left_out: tuple[str, ...]


def mix_shift(
    metric: Panel, traffic: Panel, dimensions: Sequence[str], tail: Tail, others: Sequence[str] = ()
) -> MixShift:
    """Split the change of the metric from the baseline blocks to the current one by the mix of the dimensions and the
    hour. The parts by value are given for the `others`, too.

    `traffic` is a panel whose denominators count the traffic itself. Each baseline block is split against the others in
    the same way; their mix parts are what ordinary days do, and the test of the current mix part.
    """
    kept, left_out = _affordable(metric, dimensions)
    mass, _ = _masses(metric, traffic, kept)
    blocks = parts(*against_history(mass.cells()))
    mix, within = blocks.mix.sum(0), blocks.within.sum(0)
    history = history_of(mass.blocks())
    few = hour_draws(mass.den.shape[-1]) if history < MIN_HISTORY else None
    noise = None if few is None else parts(*mass.drawn_cells(few))
    by_value = {name: value_parts(name, *_named(metric, traffic, name)) for name in (*dimensions, HOUR, *others)}
    return MixShift(
        split=Split(float(mix[-1] + within[-1]), float(mix[-1]), float(within[-1])),
        mix=departure(mix[:-1], float(mix[-1]), tail),
        within=departure(within[:-1], float(within[-1]), tail),
        mix_interval=interval(mix, None if noise is None else noise.mix.sum(0), few),
        within_interval=interval(within, None if noise is None else noise.within.sum(0), few),
        interval_from=interval_from(history, few is not None),
        by_dimension={name: _added(by_value[name]) for name in (*dimensions, HOUR)},
        parts=tuple(p for name in by_value for p in by_value[name]),
        moved={name: _moved(traffic, name) for name in (*dimensions, HOUR)},
        left_out=left_out,
    )


def _named(metric: Panel, traffic: Panel, dimension: str) -> tuple[tuple[str, ...], HourlyMass]:
    mass, names = _masses(metric, traffic, (dimension,))
    return names, mass


def _added(found: Sequence[ValueParts]) -> Split:
    """Of one dimension alone; NaN without a baseline."""
    if not found:
        return Split(float("nan"), float("nan"), float("nan"))
    mix, within = sum(p.mix.value for p in found), sum(p.within.value for p in found)
    return Split(mix + within, mix, within)


def moved_shares(traffic: Panel, dimensions: Sequence[str]) -> list[MovedShare]:
    """The shares of all values of the dimensions and hours, most significant first, with Benjamini-Hochberg q
    values."""
    found: list[tuple[str, str, float, float, Departure]] = []
    for name in (*dimensions, HOUR):
        share, names = _share(traffic, name)
        for i, value in enumerate(names):
            moved = departure(share[i, :-1], float(share[i, -1]), "both")
            found.append((name, value, float(share[i, -1]), float(np.nanmean(share[i])), moved))
    q = benjamini_hochberg([moved.p_value for *_, moved in found])
    moves = [MovedShare(*row, q_value=float(q[i])) for i, row in enumerate(found) if row[-1].known]
    return sorted(moves, key=lambda m: (m.departure.p_value, m.dimension, m.value))


def _moved(traffic: Panel, dimension: str) -> Moved:
    share, _ = _share(traffic, dimension)
    usual = np.nan_to_num(share[:, :-1]).mean(axis=1, keepdims=True) if share.shape[1] > 1 else share
    distance = np.abs(share - usual).sum(axis=0) / 2
    return Moved(float(distance[-1]), departure(distance[:-1], float(distance[-1]), "high"))


def _share(traffic: Panel, dimension: str) -> tuple[Floats, tuple[str, ...]]:
    """The share of each value in each block, float64[values, K+1]; NaN in blocks without traffic."""
    exposure, names = _exposure(traffic, dimension)
    total = exposure.sum(0)
    return np.divide(exposure, total, out=np.full(exposure.shape, np.nan), where=total > 0), names


def _exposure(panel: Panel, dimension: str) -> tuple[Floats, tuple[str, ...]]:
    if dimension == HOUR:
        return panel.sums().den.T, _hour_names(panel)
    return panel.sums((dimension,)).den.sum(-1), panel.coded(dimension).names


def _affordable(metric: Panel, dimensions: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dimensions, fewest values first, that fit into the finest cells, and those that do not."""
    size, kept, left_out = metric.blocks.hours, list[str](), list[str]()
    for name in sorted(dimensions, key=lambda d: (len(metric.coded(d).names), d)):
        size *= len(metric.coded(name).names)
        (kept if size <= MAX_CELLS else left_out).append(name)
    return tuple(kept), tuple(left_out)


def _masses(metric: Panel, traffic: Panel, dimensions: Sequence[str]) -> tuple[HourlyMass, tuple[str, ...]]:
    """The masses over the cells of the dimensions (those of either panel), and the values of the last of them."""
    metric_key, traffic_key = np.zeros(len(metric), dtype=np.int64), np.zeros(len(traffic), dtype=np.int64)
    size, names = 1, tuple[str, ...]()
    for name in dimensions:
        metric_codes, traffic_codes, names = _shared_codes(metric, traffic, name)
        metric_key, traffic_key = metric_key * len(names) + metric_codes, traffic_key * len(names) + traffic_codes
        size *= len(names)
    shape = (size, len(metric.blocks.starts), metric.blocks.hours)
    metric_at, traffic_at = metric_key * shape[1] * shape[2], traffic_key * shape[1] * shape[2]
    num, den = (added(metric_at + metric.cells, a, shape) for a in (metric.num, metric.den))
    return HourlyMass(added(traffic_at + traffic.cells, traffic.den, shape), num, den), names


def _shared_codes(
    metric: Panel, traffic: Panel, dimension: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Codes of both panels in one numbering, and the values."""
    if dimension == HOUR:
        hours = metric.blocks.hours
        return metric.cells % hours, traffic.cells % hours, _hour_names(metric)
    ours, theirs = metric.coded(dimension), traffic.coded(dimension)
    names = tuple(sorted({*ours.names, *theirs.names}))
    index = {name: i for i, name in enumerate(names)}
    recode = [np.array([index[name] for name in coded.names], dtype=np.int64)[coded.codes] for coded in (ours, theirs)]
    return recode[0], recode[1], names


def _hour_names(panel: Panel) -> tuple[str, ...]:
    return tuple(f"{hour:02d}:00" for hour in panel.blocks.hours_of_day())
