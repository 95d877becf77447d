"""Quantiles of many positive numbers that are seen a few at a time, without keeping them."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

DROPPED_BITS = 18
"""A bin holds the float32 numbers that agree in all but the last 18 bits: 32 bins an octave, each 1.6 to 3.1% wide."""
BINS = 1 << (31 - DROPPED_BITS)


class RowSizes:
    """A histogram over the logarithm of non-negative float32 numbers. Two of the same numbers are the same, in
    whatever order they came."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, dtype=np.int64)

    def add(self, sizes: "Tensor") -> None:
        """Count float32[n], none of them NaN or negative."""
        import torch

        self._counts += torch.bincount(sizes.view(torch.int32) >> DROPPED_BITS, minlength=BINS).numpy()

    def merge(self, other: "RowSizes") -> None:
        """Count those of another one, too."""
        self._counts += other._counts

    def quantile(self, share: float) -> float:
        """The middle of the bin that holds the quantile, at most 1.6% away from it; 0 where it is zero, NaN of none."""
        total = int(self._counts.sum())
        if not total:
            return float("nan")
        place = int(np.searchsorted(np.cumsum(self._counts), max(share * total, 1.0)))
        if place == 0:
            return 0.0
        low, high = np.array([place, place + 1], dtype=np.int32).__lshift__(DROPPED_BITS).view(np.float32)
        return float(low + high) / 2
