"""Cuboids: every combination of the values of a few dimensions, summed, pruned to those that can matter.

A combination that makes a share of the drop makes every combination that contains it make about as much, so a value
or combination below a least share is not looked into (the a-priori rule of frequent item sets, Agrawal & Srikant
1994). Rows with the same values are summed first, and values that cannot matter are merged into one, so the work
follows the few values that matter and not the rows.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.stats.panel import Coded, Codes, Floats

MAX_ORDER = 4
"""The most attributes of one combination: nobody acts on a cause of five."""

Combination = tuple[tuple[str, str], ...]
"""(dimension, value) pairs, sorted by dimension."""


@dataclass(frozen=True)
class Leaves:
    """Rows summed by all their values. `codes` int64[D, L] (0 for a value that is absent or cannot matter), `names`
    the values behind the codes, `sums` float64[4, L]: numerator and denominator now, then those of the baseline."""

    dimensions: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    codes: Codes
    sums: Floats

    @property
    def totals(self) -> Floats:
        """float64[4]."""
        return np.asarray(self.sums.sum(1))

    def where(self, mask: NDArray[np.bool_]) -> "Leaves":
        return Leaves(self.dimensions, self.names, self.codes[:, mask], self.sums[:, mask])

    def inside(self, combination: Combination) -> NDArray[np.bool_]:
        """bool[L]: the leaves that have these values."""
        mask = np.ones(self.codes.shape[1], dtype=np.bool_)
        for name, value in combination:
            at = self.dimensions.index(name)
            mask &= self.codes[at] == self.names[at].index(value)
        return mask


@dataclass(frozen=True)
class Cells:
    """The viable combinations of one set of dimensions, in the order of their codes, and their `sums` float64[4,
    C]."""

    combinations: tuple[Combination, ...]
    sums: Floats


Viable = Callable[[Floats], NDArray[np.bool_]]
"""Which of the cells with these sums, float64[4, C], can matter; bool[C]."""


def gather(coded: Mapping[str, Coded], sums: Floats, viable: Viable) -> tuple[Leaves, Codes]:
    """The leaves of rows with `sums` float64[4, n] and these values per dimension, with the values that cannot matter
    merged, and for each row its leaf, int64[n]. Dimensions in which nothing can matter, or that have one value only,
    are left out."""
    kept: list[tuple[str, tuple[str, ...], Codes]] = []
    for name, values in sorted(coded.items()):
        matters = viable(_summed(values.codes, sums, len(values.names)))
        matters &= np.array([bool(n) for n in values.names], dtype=np.bool_)
        if len(values.names) > 1 and matters.any():
            renumbered = np.where(matters, np.cumsum(matters), 0)[values.codes]
            kept.append((name, ("", *itertools.compress(values.names, matters)), renumbered))
    first, leaf = _distinct([(codes, len(names)) for _, names, codes in kept], sums.shape[1])
    codes = np.array([c[first] for *_, c in kept], dtype=np.int64).reshape(len(kept), len(first))
    names = tuple(k[1] for k in kept)
    return Leaves(tuple(k[0] for k in kept), names, codes, _summed(leaf, sums, len(first))), leaf


def cuboids(leaves: Leaves, viable: Viable) -> tuple[list[Cells], int]:
    """The viable cells of every set of up to `MAX_ORDER` dimensions, small sets first, and how many cells were looked
    at."""
    found: list[Cells] = []
    looked = 0
    below: dict[tuple[int, ...], NDArray[np.bool_]] = {(): np.ones(leaves.codes.shape[1], dtype=np.bool_)}
    for order in range(1, min(MAX_ORDER, len(leaves.dimensions)) + 1):
        level: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        for dims in itertools.combinations(range(len(leaves.dimensions)), order):
            parents = [below.get(parent) for parent in itertools.combinations(dims, order - 1)]
            if any(p is None for p in parents):
                continue
            rows = np.flatnonzero(np.logical_and.reduce([p for p in parents if p is not None]))
            cells, matters, count = _cells(leaves, dims, rows, viable)
            looked += count
            if cells is not None:
                found.append(cells)
                level[dims] = matters
        below = level
    return found, looked


def _cells(
    leaves: Leaves, dims: tuple[int, ...], rows: Codes, viable: Viable
) -> tuple[Cells | None, NDArray[np.bool_], int]:
    """The viable cells of one cuboid over these leaves, bool[L] which leaves lie in one, and the number looked at."""
    codes = [leaves.codes[d][rows] for d in dims]
    named = np.logical_and.reduce([c > 0 for c in codes])
    rows, codes = rows[named], [c[named] for c in codes]
    inside = np.zeros(leaves.codes.shape[1], dtype=np.bool_)
    if not len(rows):
        return None, inside, 0
    first, cell = _distinct([(c, len(leaves.names[d])) for c, d in zip(codes, dims, strict=True)], len(rows))
    sums = _summed(cell, leaves.sums[:, rows], len(first))
    matters = viable(sums)
    if not matters.any():
        return None, inside, len(first)
    inside[rows[matters[cell]]] = True
    names = [_pairs(leaves, dims, [int(c[i]) for c in codes]) for i in first[matters]]
    return Cells(tuple(names), sums[:, matters]), inside, len(first)


def _pairs(leaves: Leaves, dims: Sequence[int], codes: Sequence[int]) -> Combination:
    return tuple((leaves.dimensions[d], leaves.names[d][c]) for d, c in zip(dims, codes, strict=True))


def _distinct(columns: Sequence[tuple[Codes, int]], count: int) -> tuple[Codes, Codes]:
    """The distinct rows of code columns (each with the number of its values): the index of the first row of each, in
    the order of the codes, and for each row which of them it is; int64[n]."""
    key, size = np.zeros(count, dtype=np.int64), 1
    for codes, values in columns:
        if size * values > 2**62:
            distinct, key = np.unique(key, return_inverse=True)
            size = len(distinct)
        key, size = key * values + codes, size * values
    if size <= 4 * count:
        seen = np.bincount(key, minlength=size) > 0
        index = (np.cumsum(seen) - 1)[key]
        first = np.empty(int(seen.sum()), dtype=np.int64)
        first[index[::-1]] = np.arange(count)[::-1]  # of several writes to one place the last stays
        return first, index
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    return first, index.reshape(-1)


def _summed(index: Codes, sums: Floats, count: int) -> Floats:
    """float64[4, count]: columns summed by index."""
    return np.array([np.bincount(index, weights=row, minlength=count) for row in sums], dtype=np.float64).reshape(
        len(sums), count
    )


def text(combination: Combination) -> str:
    """`cdn=a & isp=b`."""
    return " & ".join(f"{name}={value}" for name, value in combination)
