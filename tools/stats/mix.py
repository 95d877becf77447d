"""Did the traffic move to a worse mix? The exact split of the change, judged by what the mix did on baseline days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.decomposition import Mass, Split, split
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.panel import Floats, Panel, added
from tools.stats.robust import Departure, Tail, departure

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
    """`split` over the finest cells, `mix` and `within` its parts against the same parts of each baseline block, the
    split over each dimension alone, and how far the traffic `moved` along each. `left_out` names dimensions with too
    many values for the finest cells."""

    split: Split
    mix: Departure
    within: Departure
    by_dimension: dict[str, Split]
    moved: dict[str, Moved]
    left_out: tuple[str, ...]


def mix_shift(metric: Panel, traffic: Panel, dimensions: Sequence[str], tail: Tail) -> MixShift:
    """Split the change of the metric from the baseline blocks to the current one by the mix of the dimensions and the
    hour.

    `traffic` is a panel whose denominators count the traffic itself. Each baseline block is split against the others in
    the same way; their mix parts are what ordinary days do, and the test of the current mix part.
    """
    kept, left_out = _affordable(metric, dimensions)
    history, split_now = _splits(_masses(metric, traffic, (*kept, HOUR)))
    by_dimension = {name: _splits(_masses(metric, traffic, (name,)))[1] for name in (*dimensions, HOUR)}
    mix = departure(np.array([s.mix for s in history]), split_now.mix, tail)
    within = departure(np.array([s.within for s in history]), split_now.within, tail)
    moved = {name: _moved(traffic, name) for name in (*dimensions, HOUR)}
    return MixShift(split_now, mix, within, by_dimension, moved, left_out)


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
        hours = panel.blocks.hours_of_day()
        return panel.sums().den.T, tuple(f"{hour:02d}:00" for hour in hours)
    return panel.sums((dimension,)).den.sum(-1), panel.coded(dimension).names


def _affordable(metric: Panel, dimensions: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dimensions, fewest values first, that fit into the finest cells, and those that do not."""
    size, kept, left_out = metric.blocks.hours, list[str](), list[str]()
    for name in sorted(dimensions, key=lambda d: (len(metric.coded(d).names), d)):
        size *= len(metric.coded(name).names)
        (kept if size <= MAX_CELLS else left_out).append(name)
    return tuple(kept), tuple(left_out)


def _masses(metric: Panel, traffic: Panel, dimensions: Sequence[str]) -> list[Mass]:
    """One mass per block, over the cells of the dimensions (those of either panel)."""
    metric_key, traffic_key = np.zeros(len(metric), dtype=np.int64), np.zeros(len(traffic), dtype=np.int64)
    size = 1
    for name in dimensions:
        metric_codes, traffic_codes, count = _shared_codes(metric, traffic, name)
        metric_key, traffic_key = metric_key * count + metric_codes, traffic_key * count + traffic_codes
        size *= count
    blocks, hours = len(metric.blocks.starts), metric.blocks.hours
    metric_at, traffic_at = metric_key * blocks + metric.cells // hours, traffic_key * blocks + traffic.cells // hours
    shape = (size, blocks)
    num, den = added(metric_at, metric.num, shape), added(metric_at, metric.den, shape)
    exposure = added(traffic_at, traffic.den, shape)
    return [Mass(exposure[:, k], num[:, k], den[:, k]) for k in range(blocks)]


def _shared_codes(metric: Panel, traffic: Panel, dimension: str) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Codes of both panels in one numbering, and how many values there are."""
    if dimension == HOUR:
        hours = metric.blocks.hours
        return metric.cells % hours, traffic.cells % hours, hours
    ours, theirs = metric.coded(dimension), traffic.coded(dimension)
    names = sorted({*ours.names, *theirs.names})
    index = {name: i for i, name in enumerate(names)}
    recode = [np.array([index[name] for name in coded.names], dtype=np.int64)[coded.codes] for coded in (ours, theirs)]
    return recode[0], recode[1], len(names)


def _splits(masses: list[Mass]) -> tuple[list[Split], Split]:
    """Every baseline block against the other baseline blocks, and the current block against all of them."""
    *history, current = masses
    if not history:
        return [], Split(float("nan"), float("nan"), float("nan"))
    pooled = _pool(history)
    others = [Mass(pooled.exposure - m.exposure, pooled.num - m.num, pooled.den - m.den) for m in history]
    return [split(rest, m) for rest, m in zip(others, history, strict=True)], split(pooled, current)


def _pool(masses: list[Mass]) -> Mass:
    exposure, num, den = (np.sum([getattr(m, name) for m in masses], axis=0) for name in ("exposure", "num", "den"))
    return Mass(exposure, num, den)
