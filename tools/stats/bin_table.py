"""In which bin a value lies, found through a table: exact, and without a search where the edges are quantiles.

A rising key of the value, a few operations long, says which cell of the table it is in, and so between which edges it
may lie at all; it is compared with those. The key is linear in the value, or in its bits where the edges span many
magnitudes; whichever leaves fewer comparisons is taken, feature by feature. Edges and values are compared as integers
that rise with them.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.stats.compiled import compiled

FEW, MANY = 512, 4096
"""How many cells there are; few stay in the processor's cache."""
_EASY, _SEARCHED = 1.5, 4.0
"""With up to so few edges in the cell of an edge, on average, no better key is looked for; from so many on, there is
none, and all edges are searched by halving."""


class Table(NamedTuple):
    """Where to look for a bin, for F features with at most E distinct edges each.

    `edges` [F, …] are the distinct edges as rising integers, and the largest integer behind them, at least twice;
    `known` int64[F] is how many there are; `places` [F, E + 1] says how many edges were passed with each number of
    distinct ones. `start` [F, MANY + 1] is how many distinct edges lie in the cells before, and `cells` int64[F] how
    many cells there are. `low` and `scale` [F], of the values' type, make the linear key, and `origin` and `shift`
    int64[F] the key of bits; `shift` is -1 where it is not used. `searched` bool[F] says where cells hold many edges.
    """

    edges: NDArray[Any]
    known: NDArray[np.int64]
    places: NDArray[np.uint16]
    cells: NDArray[np.int64]
    start: NDArray[np.uint16]
    low: NDArray[Any]
    scale: NDArray[Any]
    origin: NDArray[np.int64]
    shift: NDArray[np.int64]
    searched: NDArray[np.bool_]


def bin_table(edges: NDArray[np.float64], kind: np.dtype[Any]) -> Table:
    """The table of `edges` float64[F, E], which rise or are NaN, for values of `kind`, float32 or float64."""
    features, most = edges.shape
    whole = np.dtype(f"i{kind.itemsize}")
    with np.errstate(over="ignore"):
        near = edges.astype(kind) + kind.type(0)  # one zero of two
        # A value lies above an edge just when it lies above the largest number of its type that is no larger.
        below = np.where(near > edges, np.nextafter(near, kind.type(-np.inf)), near)
    bits = below.view(whole)
    table = Table(
        edges=np.full((features, max(most + 2, 1 << most.bit_length())), np.iinfo(whole).max, dtype=whole),
        known=np.zeros(features, dtype=np.int64),
        places=np.zeros((features, most + 1), dtype=np.uint16),
        cells=np.zeros(features, dtype=np.int64),
        start=np.zeros((features, MANY + 1), dtype=np.uint16),
        low=np.zeros(features, dtype=kind),
        scale=np.zeros(features, dtype=kind),
        origin=np.zeros(features, dtype=np.int64),
        shift=np.full(features, -1, dtype=np.int64),
        searched=np.zeros(features, dtype=np.bool_),
    )
    _fill(below, np.where(bits < 0, bits ^ np.iinfo(whole).max, bits), table)
    return table


@compiled
def _linear(value: Any, low: Any, scale: Any, top: Any) -> Any:
    key = (value - low) * scale
    key = key if key > top - top else top - top  # NaN, too
    return np.uint32(np.int32(key if key < top else top))


@compiled
def _by_bits(whole: Any, origin: Any, shift: Any, top: Any) -> Any:
    return np.uint32(min(max((np.int64(whole) >> shift) - origin, 0), top))


@compiled
def _fill(below: Any, bits: Any, table: Any) -> None:
    features, most = below.shape
    distinct = np.empty(most, dtype=below.dtype)
    cells = np.empty(most, dtype=np.uint32)
    for q in range(features):
        edges, n = table.edges[q], 0
        for m in range(most):
            if below[q, m] != below[q, m]:
                break
            if n == 0 or below[q, m] > distinct[n - 1]:
                distinct[n] = below[q, m]
                edges[n] = bits[q, m]
                n += 1
            table.places[q, n] = m + 1
        table.known[q] = n
        if n == 0:
            continue
        least, chosen = np.inf, 0
        for key in range(4):
            crowd = _set_key(table, q, key, distinct[:n], cells[:n])
            if crowd < least:
                least, chosen = crowd, key
            if crowd <= _EASY:
                break
        _set_key(table, q, chosen, distinct[:n], cells[:n])
        table.searched[q] = least >= _SEARCHED
        at = 0
        for c in range(table.cells[q] + 1):
            while at < n and cells[at] < c:
                at += 1
            table.start[q, c] = at


@compiled
def _set_key(table: Any, q: Any, key: Any, distinct: Any, cells: Any) -> Any:
    """Give feature q one of four keys, linear or of bits with few or many cells, and its `distinct` edges their cells.

    Returns how many edges are in the cell of an edge, on average: as many values lie between any two quantiles.
    """
    n, count = len(distinct), MANY if key % 2 else FEW
    outer = min(3 if key % 2 else 1, (n - 1) // 4)  # the outermost edges share a cell: one of them may be far out
    low, high = distinct[outer], distinct[n - 1 - outer]
    first, last = np.int64(table.edges[q, outer]), np.int64(table.edges[q, n - 1 - outer])
    shift = 1  # what is shifted first can be subtracted without running over
    while (last >> shift) - (first >> shift) >= count:
        shift += 1
    table.cells[q] = count
    table.low[q], table.scale[q] = low, count / (np.float64(high) - np.float64(low)) if high > low else 0.0
    table.origin[q], table.shift[q] = first >> shift, shift if key >= 2 else -1
    total, run = 0, 0
    for m in range(n):
        if key >= 2:
            cells[m] = _by_bits(table.edges[q, m], table.origin[q], shift, count - 1)
        else:
            cells[m] = _linear(distinct[m], table.low[q], table.scale[q], distinct.dtype.type(count - 1))
        run = run + 1 if m > 0 and cells[m] == cells[m - 1] else 1
        total += 2 * run - 1
    return total / n


@compiled
def count(block: Any, bits: Any, rows: Any, table: Any, first: Any, counted: Any) -> None:
    """Count the values `block` [F, …] of the first `rows` rows by the number of distinct edges that they are above.

    They are the features from number `first` of the table on; NaN is above none. `bits` [F, …] are the values' own
    bits. Adds to `counted` uint32[F, E + 2].
    """
    flip = np.int64(np.iinfo(np.int32).max) if bits.itemsize == 4 else np.iinfo(np.int64).max
    cells, wholes = np.empty(rows, dtype=np.uint32), np.empty(rows, dtype=bits.dtype)
    for j in range(len(counted)):
        q, values, own = first + j, block[j][:rows], bits[j][:rows]
        top = block.dtype.type(table.cells[q] - 1)
        if table.known[q] == 0:
            counted[j, 0] += np.uint32(rows)
            continue
        if table.shift[q] < 0:
            low, scale = table.low[q], table.scale[q]
            for i in range(rows):
                wholes[i] = _whole(values[i], own[i], flip)
                cells[i] = _linear(values[i], low, scale, top)
        else:
            origin, shift, last = table.origin[q], table.shift[q], table.cells[q] - 1
            for i in range(rows):
                whole = _whole(values[i], own[i], flip)
                wholes[i] = whole
                cells[i] = _by_bits(whole, origin, shift, last)
        if table.searched[q]:
            _search(wholes, table.edges[q], table.known[q], counted[j])
        else:
            _step(wholes, cells, table.start[q], table.edges[q], counted[j])


@compiled
def spread(counted: Any, table: Any, first: Any, nulls: Any, nonfinite: Any, tops: Any, histogram: Any) -> None:
    """Add to `histogram` int64[F, B] what was counted, without the values that are not finite: `nulls` int64[F] are
    NaN, `nonfinite` int64[F] infinite, and `tops` int64[F] of these +Inf."""
    for j in range(len(counted)):
        found, places, known = histogram[j], table.places[first + j], table.known[first + j]
        for passed in range(known + 1):
            found[places[passed]] += counted[j, passed]
        found[0] -= nulls[j] + nonfinite[j] - tops[j]
        found[places[known]] -= tops[j]


@compiled
def _whole(value: Any, bits: Any, flip: Any) -> Any:
    """An integer that rises with the value; NaN is the lowest."""
    whole = np.int64(bits)
    return (whole if whole >= 0 else whole ^ flip) if value == value else ~flip


@compiled
def _step(wholes: Any, cells: Any, start: Any, edges: Any, counted: Any) -> None:
    one = np.uint64(1)
    for i in range(len(wholes)):
        x = wholes[i]
        b = np.uint64(start[np.uint64(cells[i])])
        found = b + np.uint64(edges[b] < x)
        if edges[b + one] < x:  # hardly ever, so that the processor need not wait for it
            found += one
            while edges[found] < x:
                found += one
        counted[found] += np.uint32(1)


@compiled
def _search(wholes: Any, edges: Any, known: Any, counted: Any) -> None:
    """Halving without a branch, which the processor would guess wrong half of the time."""
    none, one = np.uint64(0), np.uint64(1)
    halvings = none
    while (one << halvings) <= np.uint64(known):
        halvings += one
    for i in range(len(wholes)):
        x, found, step = wholes[i], none, halvings
        while step > none:
            step -= one
            found += np.uint64(edges[found + (one << step) - one] < x) << step
        counted[found] += np.uint32(1)
