"""All sums of a profile in one pass over the samples, compiled by numba when it is first called.

Every feature is summed on its own, over the rows in their order: the bits depend neither on threads, nor on how
features are shared among them, nor on the width of the processor's registers.

A value's bin is found through a table: a rising key of the value, two operations long, says between which edges it may
lie at all, and it is compared with those. The key is linear in the value, or in its bits where the edges span many
magnitudes; whichever leaves fewer comparisons is taken, feature by feature. The bin is exact with either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

COUNTED = ("count", "nulls", "nonfinite", "pairs")
SUMMED = ("total", "total2", "cross", "pair_total", "pair_total2", "pair_prediction", "pair_prediction2")
_FIELDS = ("count", "nulls", "pairs", *SUMMED, "minimum", "maximum")
_CELLS = 4096
_BLOCK = 2048
_TILE = 32
_FEW = 8
"""From so many comparisons on, edges are searched by halving."""


@dataclass(frozen=True)
class Sums:
    """What was summed, for G groups of rows and F features: `fields` name → [G, F], `histogram` int64[G, F, B]."""

    fields: dict[str, NDArray[Any]]
    histogram: NDArray[np.int64]


def sum_up(
    columns: NDArray[Any],
    prediction: NDArray[np.float64],
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    edges: NDArray[np.float64],
    first: int,
) -> Sums:
    """Sums of the features from number `first` on, for which there are `edges` float64[F, B-1].

    `columns` [n, …] are float32 or float64, C-contiguous, and `prediction` float64[n]; group g holds the rows
    `order[bounds[g]:bounds[g + 1]]`.
    """
    groups, (features, inner) = len(bounds) - 1, edges.shape
    table = _table(edges, columns.dtype)
    fields = np.empty((groups, len(_FIELDS), features))
    histogram = np.zeros((groups, features, inner + 2), dtype=np.int64)  # the last bin is for what is not finite
    values = np.empty(_BLOCK, dtype=columns.dtype)
    bits = values.view(f"i{columns.dtype.itemsize}")
    _compiled(_sum_up)(columns, prediction, order, bounds, first, *table, values, bits, fields, histogram)
    named = dict(zip(_FIELDS, np.moveaxis(fields, 1, 0), strict=True))
    found = {n: v.astype(np.int64) if n in COUNTED else np.ascontiguousarray(v) for n, v in named.items()}
    found["nonfinite"] = histogram[:, :, -1] - found["nulls"]
    return Sums(found, np.ascontiguousarray(histogram[:, :, :-1]))


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        found: Callable[..., Any] = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder that compiled code may be kept in
        found = njit(**options)(function)
    return found


def _table(edges: NDArray[np.float64], kind: np.dtype[Any]) -> tuple[NDArray[Any], ...]:
    """Where to look for a bin; see `_fill`."""
    features, inner = edges.shape
    with np.errstate(over="ignore"):
        near = edges.astype(kind) + kind.type(0)  # one zero of two
        # A value lies above an edge just when it lies above the largest number of its type that is no larger.
        below = np.where(near > edges, np.nextafter(near, kind.type(-np.inf)), near)
    distinct = np.full((features, inner + _FEW), np.inf, dtype=kind)
    places = np.zeros((features, inner + 1), dtype=np.uint16)
    keys = np.zeros((features, 2), dtype=kind)
    bit_keys = np.zeros((features, 2), dtype=np.int64)
    start = np.zeros((features, _CELLS + 1), dtype=np.uint16)
    steps = np.full(features, -1, dtype=np.int64)
    bits = np.where(below.view(f"i{kind.itemsize}") < 0, _flipped(below), below.view(f"i{kind.itemsize}"))
    _compiled(_fill)(below, bits.astype(np.int64), distinct, places, keys, bit_keys, start, steps)
    return distinct, places, keys, bit_keys, start, steps


def _flipped(values: NDArray[Any]) -> NDArray[Any]:
    """The bits of negative numbers as integers that rise with them."""
    whole = values.view(f"i{values.dtype.itemsize}")
    return whole ^ np.iinfo(whole.dtype).max


def _fill(below: Any, bits: Any, distinct: Any, places: Any, keys: Any, bit_keys: Any, start: Any, steps: Any) -> None:
    """For each feature: its `distinct` edges, and how many edges were passed with each number of them (`places`).

    `keys` [F, 2] are the origin and the scale of the linear key, `bit_keys` those of the key of bits, whose scale is -1
    where the linear key is taken. `start` is how many distinct edges lie in the cells before, and `steps` how many lie
    in one cell at most; -1 says that there is no edge at all.
    """
    features, inner = below.shape
    cell = np.empty(inner, dtype=np.int64)
    other = np.empty(inner, dtype=np.int64)
    shown = np.empty(inner, dtype=np.int64)
    for q in range(features):
        n = 0
        for m in range(inner):
            if below[q, m] != below[q, m]:
                break
            if n == 0 or below[q, m] > distinct[q, n - 1]:
                distinct[q, n] = below[q, m]
                shown[n] = bits[q, m]
                n += 1
            places[q, n] = m + 1
        if n == 0:
            continue
        # Beyond the outermost edges there is little to tell apart, and one of them may be far out.
        skip = 3 if n > 32 else 0
        low, high = distinct[q, skip], distinct[q, n - 1 - skip]
        keys[q, 0] = low
        if high > low:
            keys[q, 1] = _CELLS / (np.float64(high) - np.float64(low))
        origin, shift = shown[skip], 1  # what is shifted first can be subtracted without running over
        while (shown[n - 1 - skip] >> shift) - (origin >> shift) >= _CELLS:
            shift += 1
        bit_keys[q, 0] = origin
        most, most_bits, run, run_bits = 1, 1, 0, 0
        for m in range(n):
            key = (distinct[q, m] - keys[q, 0]) * keys[q, 1]
            cell[m] = 0 if not key > 0 else (_CELLS - 1 if not key < _CELLS - 1 else np.int64(key))
            other[m] = min(max((shown[m] >> shift) - (origin >> shift), 0), _CELLS - 1)
            run = run + 1 if m > 0 and cell[m] == cell[m - 1] else 1
            run_bits = run_bits + 1 if m > 0 and other[m] == other[m - 1] else 1
            most, most_bits = max(most, run), max(most_bits, run_bits)
        by_bits = most_bits < most
        bit_keys[q, 1] = shift if by_bits else -1
        steps[q] = most_bits if by_bits else most
        at = 0
        for c in range(_CELLS + 1):
            while at < n and (other[at] if by_bits else cell[at]) < c:
                at += 1
            start[q, c] = at


def _sum_up(
    columns: Any,
    prediction: Any,
    order: Any,
    bounds: Any,
    first: int,
    distinct: Any,
    places: Any,
    keys: Any,
    bit_keys: Any,
    start: Any,
    steps: Any,
    values: Any,
    bits: Any,
    fields: Any,
    histogram: Any,
) -> None:
    features, outside = steps.shape[0], np.uint32(histogram.shape[2] - 1)
    found = np.empty(_BLOCK, dtype=np.uint32)
    top = values.dtype.type(_CELLS - 1)
    none = values.dtype.type(0)
    sums = np.empty((12, _TILE))
    near_by = np.empty((_BLOCK, _TILE), dtype=values.dtype)  # rows lie far apart; read them once
    for g in range(len(bounds) - 1):
        for tile in range(0, features, _TILE):
            wide = min(_TILE, features - tile)
            sums[:10] = 0.0
            sums[10], sums[11] = np.inf, -np.inf
            for at in range(bounds[g], bounds[g + 1], _BLOCK):
                rows = min(_BLOCK, bounds[g + 1] - at)
                for i in range(rows):
                    row = near_by[i]
                    row[:wide] = columns[order[at + i], first + tile : first + tile + wide]
                    told = prediction[order[at + i]]
                    known = (told - told) == 0.0
                    p = told if known else 0.0
                    one = 1.0 if known else 0.0
                    p2 = p * p
                    for j in range(wide):
                        x = np.float64(row[j])
                        finite = (x - x) == 0.0
                        v = x if finite else 0.0
                        u = v if known else 0.0
                        sums[0, j] += 1.0 if finite else 0.0
                        sums[1, j] += 1.0 if x != x else 0.0
                        sums[2, j] += one if finite else 0.0
                        sums[3, j] += v
                        sums[4, j] += v * v
                        sums[5, j] += v * p
                        sums[6, j] += u
                        sums[7, j] += u * u
                        sums[8, j] += p if finite else 0.0
                        sums[9, j] += p2 if finite else 0.0
                        low = x if finite else np.inf
                        high = x if finite else -np.inf
                        sums[10, j] = low if low < sums[10, j] else sums[10, j]
                        sums[11, j] = high if high > sums[11, j] else sums[11, j]
                for j in range(wide):
                    q = tile + j
                    for i in range(rows):
                        values[i] = near_by[i, j]
                    if steps[q] < 0:
                        found[:rows] = 0
                    elif bit_keys[q, 1] < 0:
                        low, scale = keys[q, 0], keys[q, 1]
                        for i in range(rows):
                            key = (values[i] - low) * scale
                            key = key if key > none else none
                            key = key if key < top else top
                            found[i] = np.uint32(np.int32(key))
                    else:
                        origin, shift = bit_keys[q, 0], bit_keys[q, 1]
                        flip = np.int64(2**31 - 1) if bits.itemsize == 4 else np.int64(2**63 - 1)
                        for i in range(rows):
                            whole = np.int64(bits[i])
                            whole = whole if whole >= 0 else whole ^ flip
                            found[i] = np.uint32(min(max((whole >> shift) - (origin >> shift), 0), _CELLS - 1))
                    begin, edge, place = start[q], distinct[q], places[q]
                    count = histogram[g, q]
                    if steps[q] <= 2:
                        for i in range(rows):
                            v = values[i]
                            b = np.uint32(begin[found[i]])
                            found[i] = b + np.uint32(v > edge[b]) + np.uint32(v > edge[b + np.uint32(1)])
                    elif steps[q] <= 4:
                        for i in range(rows):
                            v = values[i]
                            b = np.uint32(begin[found[i]])
                            near = np.uint32(v > edge[b]) + np.uint32(v > edge[b + np.uint32(1)])
                            far = np.uint32(v > edge[b + np.uint32(2)]) + np.uint32(v > edge[b + np.uint32(3)])
                            found[i] = b + near + far
                    else:
                        for i in range(rows):
                            v = values[i]
                            b, end = np.uint32(begin[found[i]]), np.uint32(begin[found[i] + np.uint32(1)])
                            while b < end:
                                middle = (b + end) >> np.uint32(1)
                                if v > edge[middle]:
                                    b = middle + np.uint32(1)
                                else:
                                    end = middle
                            found[i] = b
                    for i in range(rows):
                        finite = (values[i] - values[i]) == none
                        count[np.uint32(place[found[i]]) if finite else outside] += 1
            fields[g, :, tile : tile + wide] = sums[:, :wide]
