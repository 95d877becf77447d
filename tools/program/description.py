"""The second tier of statistics, exact: all that a person wants to know of one tensor, computed in double precision.

Single-precision sums of squares overflow at 2e19 and cancel where a mean is large beside its spread; these do not.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.tensor_statistics import ordered

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = (0.001, 0.01, 0.5, 0.99, 0.999)
CHUNK = 1 << 20
MOST_SORTED = 1 << 22


@dataclass(frozen=True)
class Channels:
    """The same by channel (a unit, a dimension of an embedding, a plane): float64[channels], of finite values."""

    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray
    non_finite: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """Of `elements` values `nan` are NaN and `infinite` infinite; everything else is of the finite ones.

    `zeros` is a share, `std` divides by n; `quantiles` are at `LEVELS`, of `sampled` values spread evenly.
    """

    elements: int
    nan: int
    infinite: int
    zeros: float
    low: float
    high: float
    mean: float
    std: float
    quantiles: tuple[float, ...]
    sampled: int
    channels: Channels

    @property
    def non_finite(self) -> int:
        return self.nan + self.infinite


def describe(value: "Tensor") -> Statistics:
    """The statistics of a tensor. Channels lie in the last dimension, of images (four dimensions and more) in the
    second; a tensor of one dimension is one channel."""
    matrix = by_channel(ordered(value)).numpy()
    counted = _Counted(matrix)
    count, total = int(counted.count.sum()), counted.total.sum()
    mean = float(total / count) if count else np.nan
    between = np.where(counted.count > 0, counted.count * (counted.mean - mean) ** 2, 0.0).sum()
    sample = np.sort(spread(matrix.reshape(-1), MOST_SORTED).astype(np.float64))
    sample = sample[np.isfinite(sample)]
    return Statistics(
        elements=matrix.size,
        nan=int(counted.nan.sum()),
        infinite=matrix.size - count - int(counted.nan.sum()),
        zeros=float(counted.zeros.sum() / count) if count else np.nan,
        low=float(np.nanmin(counted.low)) if count else np.nan,
        high=float(np.nanmax(counted.high)) if count else np.nan,
        mean=mean,
        std=float(np.sqrt((counted.squares.sum() + between) / count)) if count else np.nan,
        quantiles=quantiles(sample),
        sampled=len(sample),
        channels=counted.channels(),
    )


def quantiles(ascending: np.ndarray) -> tuple[float, ...]:
    """The quantiles at `LEVELS` of values in ascending order, by linear interpolation; NaN of none."""
    if not len(ascending):
        return (np.nan,) * len(LEVELS)
    place = np.asarray(LEVELS) * (len(ascending) - 1)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, len(ascending) - 1)
    return tuple((ascending[below] + (place - below) * (ascending[above] - ascending[below])).tolist())


def spread(values: np.ndarray, most: int) -> np.ndarray:
    """At most that many of the values, evenly spread over all channels: the step shares no factor with their number."""
    if len(values) <= most:
        return values
    step = -(-len(values) // most)
    while math.gcd(step, len(values)) > 1:
        step += 1
    return values[::step]


def by_channel(value: "Tensor") -> "Tensor":
    """The tensor as a matrix with a column for each channel."""
    if value.dim() >= 4:
        value = value.movedim(1, -1)
    return value.reshape(-1, value.shape[-1]) if value.dim() > 1 else value.reshape(-1, 1)


class _Counted:
    """Per channel, of the finite values: how many, their sum, range and zeros, and, in a second pass, their sum of
    squares around the mean. In blocks, so that a large tensor is never there twice."""

    def __init__(self, matrix: np.ndarray) -> None:
        channels = matrix.shape[1]
        self.count, self.total, self.zeros, self.nan = (np.zeros(channels) for _ in range(4))
        self.low, self.high, self.squares = np.full(channels, np.inf), np.full(channels, -np.inf), np.zeros(channels)
        for block in _blocks(matrix):
            finite = np.isfinite(block)
            self.nan += np.isnan(block).sum(axis=0)
            self.count += finite.sum(axis=0)
            self.total += np.where(finite, block, 0.0).sum(axis=0)
            self.zeros += (block == 0).sum(axis=0)
            self.low = np.minimum(self.low, np.where(finite, block, np.inf).min(axis=0, initial=np.inf))
            self.high = np.maximum(self.high, np.where(finite, block, -np.inf).max(axis=0, initial=-np.inf))
        some = self.count > 0
        self.mean = np.divide(self.total, self.count, out=np.full(channels, np.nan), where=some)
        self.low, self.high = np.where(some, self.low, np.nan), np.where(some, self.high, np.nan)
        for block in _blocks(matrix):
            self.squares += (np.where(np.isfinite(block), block - self.mean, 0.0) ** 2).sum(axis=0)
        self._rows = len(matrix)

    def channels(self) -> Channels:
        some = self.count > 0
        variance = np.divide(self.squares, self.count, out=np.full(len(some), np.nan), where=some)
        return Channels(self.mean, np.sqrt(variance), self.low, self.high, self._rows - self.count)


def _blocks(matrix: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, CHUNK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), rows):
        yield matrix[start : start + rows].astype(np.float64)
