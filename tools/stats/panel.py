"""Panels: a cube of additive points, cleaned and laid out as dimension value × block × hour."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.records import Cube
from tools.stats.blocks import Blocks

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

LARGEST = 1e50
"""What is beyond counts nothing: it is a fault of whoever sent it."""
HASH_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Sums:
    """Sums of numerators and denominators, float64[..., K+1, H]; the leading axes are dimension values."""

    num: Floats
    den: Floats


@dataclass(frozen=True)
class Coded:
    """The values of a dimension: sorted `names`, and for each row the index of its name, int64[n]."""

    names: tuple[str, ...]
    codes: Codes


class Panel:
    """The rows of a cube that lie in the blocks, in any order. `dropped` counts the rows that are no numbers,
    `repeated` those that a later row of the same time and dimensions says again (the last one counts), and
    `contradicted` those of them for which it says something else."""

    def __init__(self, cube: Cube, blocks: Blocks) -> None:
        self.blocks = blocks
        cells = blocks.cells(cube.ts)
        sound, inside = sound_points(cube), cells >= 0
        first, later = repeats(cube)
        again = np.zeros(len(cube), dtype=np.bool_)
        again[first] = True
        self.dropped, self.repeated = int((inside & ~sound).sum()), int((inside & again).sum())
        self.contradicted = int((inside[first] & ~_alike(cube, first, later)).sum())
        keep = np.flatnonzero(inside & sound & ~again)
        self._rows, self._dims, self._coded = keep, cube.dims, dict[str, Coded]()
        self.cells, self.num, self.den = cells[keep], cube.numerator[keep], cube.denominator[keep]

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(sorted(self._dims))

    def coded(self, dimension: str) -> Coded:
        """The values of a dimension as codes; a dimension that the cube lacks is "" everywhere."""
        if dimension not in self._coded:
            values = self._dims.get(dimension)
            self._coded[dimension] = (
                Coded(("",), np.zeros(len(self), dtype=np.int64)) if values is None else encode(values[self._rows])
            )
        return self._coded[dimension]

    def sums(self, dimensions: Iterable[str] = ()) -> Sums:
        """Sums by the values of the dimensions, in their order: float64[len(names) of each ..., K+1, H]."""
        coded = [self.coded(name) for name in dimensions]
        shape = (*(len(c.names) for c in coded), len(self.blocks.starts), self.blocks.hours)
        index = self.cells
        size = shape[-1] * shape[-2]
        for c in reversed(coded):
            index = index + c.codes * size
            size *= len(c.names)
        return Sums(*(added(index, weights, shape) for weights in (self.num, self.den)))


def sound_points(cube: Cube) -> NDArray[np.bool_]:
    """bool[n]: the rows that are numbers, none so large that its square is not, with no negative denominator."""
    num, den = cube.numerator, cube.denominator
    sound: NDArray[np.bool_] = (np.abs(num) <= LARGEST) & (den >= 0) & (den <= LARGEST)
    return sound


def _alike(cube: Cube, first: Codes, later: Codes) -> NDArray[np.bool_]:
    num, den = cube.numerator, cube.denominator
    same = [(a[first] == a[later]) | (np.isnan(a[first]) & np.isnan(a[later])) for a in (num, den)]
    alike: NDArray[np.bool_] = same[0] & same[1]
    return alike


def encode(values: NDArray[np.str_]) -> Coded:
    """Sorted distinct values and the index of each row's value. By hashes of their characters, since sorting strings
    is twenty times slower; by a dictionary should two values share a hash."""
    values = np.asarray(values, dtype=np.str_)
    marks = _hashes(values)
    distinct = np.unique(marks)
    at = np.searchsorted(distinct, marks)
    first = np.empty(len(distinct), dtype=np.int64)
    first[at[::-1]] = np.arange(len(values))[::-1]  # of several writes to one place the last stays
    found = values[first]
    if not np.array_equal(found[at], values):
        listed = values.tolist()
        found = np.array(list(dict.fromkeys(listed)), dtype=values.dtype)
        index = {name: i for i, name in enumerate(found.tolist())}
        at = np.fromiter(map(index.__getitem__, listed), dtype=np.int64, count=len(listed))
    order = np.argsort(found, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return Coded(tuple(str(name) for name in found[order]), place[at])


def _hashes(values: NDArray[np.str_]) -> NDArray[np.uint64]:
    """uint64[n]: the characters as digits to a large odd base, the first ones weighing most."""
    width = values.dtype.itemsize // 4
    characters = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), width) if width else None
    marks = np.zeros(len(values), dtype=np.uint64)
    for i in range(width):
        if characters is not None:
            marks = marks * HASH_BASE + characters[:, i]
    return marks


def repeated_rows(cube: Cube) -> NDArray[np.bool_]:
    """bool[n]: rows of which a later row has the same time and dimensions, wherever it stands."""
    again = np.zeros(len(cube), dtype=np.bool_)
    again[repeats(cube)[0]] = True
    return again


def repeats(cube: Cube) -> tuple[Codes, Codes]:
    """The rows of which a later row has the same time and dimensions, int64[m], and the next such row of each."""
    marks = cube.ts.astype(np.uint64)
    for values in cube.dims.values():
        marks = (marks ^ (marks >> np.uint64(29))) * HASH_BASE + _hashes(np.asarray(values, dtype=np.str_))
    ordered = np.sort(marks)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(np.isin(marks, twice))
    rows = rows[np.argsort(marks[rows], kind="stable")]
    first, later = rows[:-1], rows[1:]
    same = marks[first] == marks[later]
    first, later = first[same], later[same]
    alike = cube.ts[first] == cube.ts[later]
    for values in cube.dims.values():
        alike &= values[first] == values[later]
    return (first, later) if alike.all() else _repeats_one_by_one(cube, np.sort(rows))


def _repeats_one_by_one(cube: Cube, rows: Codes) -> tuple[Codes, Codes]:
    """The same by a dictionary, should different rows share a hash."""
    last: dict[tuple[str, ...], int] = {}
    found: list[tuple[int, int]] = []
    for i in rows.tolist():
        key = (str(cube.ts[i]), *(str(values[i]) for values in cube.dims.values()))
        if key in last:
            found.append((last[key], i))
        last[key] = i
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def added(index: Codes, weights: Floats, shape: tuple[int, ...]) -> Floats:
    """Weights summed by index. Without rows bincount would answer in integers."""
    return np.bincount(index, weights=weights, minlength=math.prod(shape)).astype(np.float64).reshape(shape)
