"""What is measured of each tensor's change: one number, comparable from day to day."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tools.stats.tensor_change import TensorChange

UNMOVED = math.log(1e-9)


@dataclass(frozen=True)
class Measure:
    """`value` is NaN where the tensor has none. `floor` is the least deviation that counts as one, in its units."""

    name: str
    says: str
    floor: float
    value: Callable[[TensorChange], float]
    ratio: bool = True
    """Whether it is a logarithm, so that a difference reads as "times"."""


def log_update(change: TensorChange) -> float:
    """log(||Δ|| / ||w||), at least log(1e-9); infinite from a zero tensor, NaN where nothing is finite."""
    relative = change.relative_update
    return max(math.log(relative), UNMOVED) if relative > 0 else math.nan if math.isnan(relative) else UNMOVED


def _radial(change: TensorChange) -> float:
    return (change.norm - change.norm_before) / change.update if change.update > 0 else math.nan


def _largest(change: TensorChange) -> float:
    if not 0 < change.largest_before < math.inf:
        return math.nan
    return math.log(max(change.largest, 1e-30) / change.largest_before)


def _of_rows(change: TensorChange, size: float) -> float:
    """The logarithm of a row's update against the root mean square of all."""
    if change.rows < 2 or not 0 < change.update < math.inf:
        return math.nan
    return math.log(size * math.sqrt(change.rows) / change.update + 1e-3)


def _concentration(change: TensorChange) -> float:
    return math.log(change.concentration) if change.concentration > 0 else math.nan


def _share(count: int, change: TensorChange) -> float:
    return math.log(count / change.elements + 1e-3) if change.elements else math.nan


MEASURES = (
    Measure("update", "the size of the update relative to the weights", 0.05, log_update),
    Measure("radial", "the share of the update that lengthens the weights", 0.05, _radial, ratio=False),
    Measure("largest", "the growth of the largest weight", 0.05, _largest),
    Measure("row_tail", "the 99th percentile of the rows' updates", 0.05, lambda c: _of_rows(c, c.row_p99)),
    Measure("row_middle", "the median of the rows' updates", 0.05, lambda c: _of_rows(c, c.row_median)),
    Measure("concentration", "the share of the update in one direction", 0.1, _concentration),
    Measure("changed", "the share of values that changed", 0.5, lambda c: _share(c.changed, c)),
    Measure("zeros", "the share of zeros", 0.5, lambda c: _share(c.zeros, c)),
)
"""The cosine between before and after is no measure of its own: it follows from `update` and `radial`."""
