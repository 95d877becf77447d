"""Rollouts that only some places received: the model there against the model elsewhere, as on the days before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.records import MetricRole
from tools.stats.contrast import Contrast, contrast
from tools.stats.panel import Coded, Floats, Panel, Sums
from tools.stats.robust import UNKNOWN, Departure, Tail
from tools.stats.rollout_timeline import SNAPSHOT
from tools.stats.suspects import MODEL, judged, kind_of

APART = 0.5
"""A rollout is confined when its share differs by more than this from place to place …"""
MORE = 0.3
"""… and by this much more than that of earlier rollouts in the same hours of theirs."""
MOST_VALUES = 200
LEAST_SHARE = 0.01
"""Places with less of the model's traffic are too small to say where a snapshot serves."""
MIN_DENOMINATOR = 50.0


@dataclass(frozen=True)
class Place:
    """The values of a dimension in which a snapshot was mostly served."""

    dimension: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.dimension} = {' or '.join(self.values)}"


def confined_place(panel: Panel, model: str, new: Sequence[str], before: int) -> Place | None:
    """Where the snapshot of the last block was served, if not everywhere; `new` names the snapshot of each block.

    A rollout record has only the share of an arm; the points say whom it reached. Of several dimensions the one that
    tells best.
    """
    found: list[tuple[float, Place]] = []
    for dimension in panel.dimensions:
        coded = panel.coded(dimension)
        if dimension in (MODEL, SNAPSHOT) or not 1 < len(coded.names) <= MOST_VALUES:
            continue
        exposed = _exposure(panel, coded, model, new, before)
        ranges = _ranges(exposed)
        usual = float(np.nanmean(ranges[:-1])) if np.isfinite(ranges[:-1]).any() else 0.0
        if ranges[-1] > max(APART, usual + MORE):
            values = np.flatnonzero(exposed[-1] > np.nanmax(exposed[-1]) / 2)
            found.append((-float(ranges[-1]), Place(dimension, tuple(coded.names[v] for v in values))))
    return min(found, key=lambda f: (f[0], f[1].dimension))[1] if found else None


def by_place(panel: Panel, model: str, place: Place, role: MetricRole, tail: Tail) -> Departure:
    """The model against the other models in the place, less the same elsewhere: per day, and today against the others.

    A fault of the place hits all models there, one of the model hits it everywhere; both cancel out. Where no other
    model serves, the model alone is compared between the places.
    """
    coded, models = panel.coded(place.dimension), panel.coded(MODEL).names
    if model not in models:
        return UNKNOWN
    inside = np.isin(np.array(coded.names), place.values)
    sums, m = panel.sums((place.dimension, MODEL)), models.index(model)
    here, there = (Sums(sums.num[mask].sum(0), sums.den[mask].sum(0)) for mask in (inside, ~inside))
    if min(float(here.den[m, -1].sum()), float(there.den[m, -1].sum())) < MIN_DENOMINATOR:
        return UNKNOWN
    if len(models) == 1:
        return judged(contrast(_of(here, m), _of(there, m), kind_of(role)), tail)
    near, far = (_against_others(part, m, role) for part in (here, there))
    return judged(replace(near, effect=near.effect - far.effect, noise=np.hypot(near.noise, far.noise)), tail)


def _against_others(sums: Sums, m: int, role: MetricRole) -> Contrast:
    mine = _of(sums, m)
    return contrast(mine, Sums(sums.num.sum(0) - mine.num, sums.den.sum(0) - mine.den), kind_of(role))


def _of(sums: Sums, index: int) -> Sums:
    return Sums(sums.num[index], sums.den[index])


def _exposure(panel: Panel, coded: Coded, model: str, new: Sequence[str], before: int) -> Floats:
    """The share of each value's traffic that the new snapshot serves, from hour `before` of the blocks on:
    float64[K+1, V]; NaN where a value has too little traffic."""
    hours, blocks = panel.blocks.hours, len(panel.blocks.starts)
    snapshots = panel.coded(SNAPSHOT)
    code_of = {name: i for i, name in enumerate(snapshots.names)}
    wanted = np.array([code_of.get(name, -1) for name in new], dtype=np.int64)
    block = panel.cells // hours
    mine = (panel.coded(MODEL).codes == panel.coded(MODEL).names.index(model)) & (panel.cells % hours >= before)
    index, shape = block * len(coded.names) + coded.codes, (blocks, len(coded.names))
    is_new = mine & (snapshots.codes == wanted[block])
    part, whole = (
        np.bincount(index[mask], weights=panel.den[mask], minlength=shape[0] * shape[1]).reshape(shape)
        for mask in (is_new, mine)
    )
    enough = (whole >= MIN_DENOMINATOR) & (whole >= LEAST_SHARE * whole.sum(1, keepdims=True))
    exposure: Floats = np.divide(part, whole, out=np.full(shape, np.nan), where=enough)
    return exposure


def _ranges(exposed: Floats) -> Floats:
    """The largest less the smallest share of each block, float64[K+1]; NaN where nothing or one value is known."""
    known = np.isfinite(exposed)
    high = np.where(known, exposed, -np.inf).max(1)
    low = np.where(known, exposed, np.inf).min(1)
    ranges: Floats = np.where(known.sum(1) > 1, high - low, np.nan)
    return ranges
