"""What a categorical or id feature holds: counts of its heavy values, how many values, and how many never seen before.

The counts of many batches merge exactly, in any order. What is heavy is fixed on the baseline; of the other values,
those with the smallest hashes are counted, so that a value is counted in all batches or in none (bottom-k sampling,
Cohen & Kaplan 2007). Below `KEPT` of them nothing is estimated; from there on, their number is (Beyer et al. 2007).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Hashes = NDArray[np.uint64]

HEAVY = 255
"""So many values of the baseline have a count of their own."""
KEPT = 256
MOST_KNOWN = 65_536
_ALL = 2**64 - 1


@dataclass(frozen=True)
class Vocabulary:
    """What the baseline saw of a feature: `heavy` float64[V] its most frequent values and `known` float64[M] all of
    them, both sorted. Of a feature with more than `MOST_KNOWN` values only those whose hash is at most `below` are
    known, and only such values are judged as seen or unseen."""

    heavy: Floats
    known: Floats
    below: int


@dataclass(frozen=True)
class ValueCounts:
    """Values of one feature in one window, finite ones alone; a set of values is sorted.

    `heavy` float64[V] are the vocabulary's, with `heavy_counts` int64[V]. `values` float64[K] are others, with
    `value_counts` int64[K]: all of them where K is below `KEPT`, or else those with the smallest hashes. Of the samples
    `judged`, `unseen` hold a value that the baseline did not see.
    """

    heavy: Floats
    heavy_counts: Counts
    values: Floats
    value_counts: Counts
    judged: int
    unseen: int

    @property
    def distinct(self) -> float:
        """How many different values there are: exact below `KEPT` light ones, else within 13% in 19 of 20 cases."""
        heavy = int((self.heavy_counts > 0).sum())
        if len(self.values) < KEPT:
            return float(heavy + len(self.values))
        largest = (int(hashes(self.values).max()) + 1) / 2**64
        return heavy + (KEPT - 1) / largest

    @property
    def unseen_share(self) -> float:
        """The share of samples whose value the baseline did not see, NaN where none could be judged."""
        return self.unseen / self.judged if self.judged else float("nan")


def vocabulary(column: Floats) -> Vocabulary:
    """The vocabulary of a baseline's samples float64[n]; the smaller of two equally frequent values is the heavier."""
    values, counts = np.unique(_finite(column), return_counts=True)
    heavy = np.sort(values[np.lexsort((values, -counts))[:HEAVY]])
    if len(values) <= MOST_KNOWN:
        return Vocabulary(heavy, values, _ALL)
    found = hashes(values)
    below = int(np.partition(found, MOST_KNOWN - 1)[MOST_KNOWN - 1])
    return Vocabulary(heavy, values[found <= np.uint64(below)], below)


def count_values(column: Floats, words: Vocabulary) -> ValueCounts:
    """The counts of samples float64[n]; NaN and infinities are left out."""
    values, counts = np.unique(_finite(column), return_counts=True)
    judged = hashes(values) <= np.uint64(words.below)
    unseen = judged & ~np.isin(values, words.known)
    light = ~np.isin(values, words.heavy)
    heavy_counts = np.zeros(len(words.heavy), dtype=np.int64)
    heavy_counts[np.searchsorted(words.heavy, values[~light])] = counts[~light]
    return ValueCounts(
        words.heavy,
        heavy_counts,
        *_smallest(values[light], counts[light]),
        judged=int(counts[judged].sum()),
        unseen=int(counts[unseen].sum()),
    )


def merge_values(left: ValueCounts, right: ValueCounts) -> ValueCounts:
    """The counts of the samples of both: associative, commutative, exact. Raises ValueError where the vocabularies
    differ."""
    if not np.array_equal(left.heavy, right.heavy):
        raise ValueError("counts of values that lie on different vocabularies cannot be merged; fold the samples anew")
    values, place = np.unique(np.concatenate([left.values, right.values]), return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, place, np.concatenate([left.value_counts, right.value_counts]))
    kept, kept_counts = _smallest(values, counts)
    return replace(
        left,
        heavy_counts=left.heavy_counts + right.heavy_counts,
        values=kept,
        value_counts=kept_counts,
        judged=left.judged + right.judged,
        unseen=left.unseen + right.unseen,
    )


def hashes(values: Floats) -> Hashes:
    """A hash of each value, different for different ones (SplitMix64's finaliser, Steele, Lea & Flood 2014)."""
    x = (values + 0.0).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)  # adding zero makes one zero of two
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Hashes = x ^ (x >> np.uint64(31))
    return found


def _finite(column: Floats) -> Floats:
    found: Floats = np.asarray(column[np.isfinite(column)], dtype=np.float64)
    return found + 0.0


def _smallest(values: Floats, counts: Counts) -> tuple[Floats, Counts]:
    """Those with the smallest hashes, in the order of the values."""
    if len(values) <= KEPT:
        return values, counts.astype(np.int64)
    chosen = np.sort(np.argpartition(hashes(values), KEPT)[:KEPT])
    return values[chosen], counts[chosen].astype(np.int64)
