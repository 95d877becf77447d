"""The histograms of many features over many hours, read where they lie: added up by block, or taken by hour."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.stats.profile import Counts, Floats


@dataclass(frozen=True)
class Histograms:
    """`parts` are the stored ones: the row of their hour, the columns int64[f] that their features have here, and the
    counts, integers [f, B]. They are not copied into one array: 5,000 features of 168 hours would be gigabytes."""

    parts: tuple[tuple[int, NDArray[np.int64], NDArray[Any]], ...]
    times: int
    columns: int
    bins: int

    def pooled(self, blocks: NDArray[np.bool_]) -> Counts:
        """The sums over each block of hours, bool[K, T] → int64[K, columns, B]."""
        found = np.zeros((len(blocks), self.columns, self.bins), dtype=np.int64)
        for t, place, counts in self.parts:
            for k in np.flatnonzero(blocks[:, t]):
                if self._whole(place):
                    found[k] += counts
                else:
                    found[k, place] += counts
        return found

    def of(self, column: int) -> Counts:
        """One column by hour, int64[T, B]."""
        found = np.zeros((self.times, self.bins), dtype=np.int64)
        for t, place, counts in self.parts:
            if column in place:
                found[t] += counts[int(np.flatnonzero(place == column)[0])]
        return found

    def sums(self, score: Floats) -> Floats:
        """Σ counts × score, bin by bin, `score` float64[columns, B] → float64[T, columns]."""
        found = np.zeros((self.times, self.columns))
        for t, place, counts in self.parts:
            found[t, place] += np.einsum("fb,fb->f", counts, score if self._whole(place) else score[place])
        return found

    def _whole(self, place: NDArray[np.int64]) -> bool:
        return len(place) == self.columns and bool((place == np.arange(self.columns)).all())
