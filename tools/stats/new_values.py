"""Values that nobody had before: what is new on one day is there on the next, so each day is judged by those before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.stats.profile import Counts, Floats
from tools.stats.value_counts import KEPT, ValueCounts, hashes


def new_shares(counted: Sequence[tuple[int, ValueCounts]], count: Counts, blocks: NDArray[np.bool_]) -> Floats:
    """The share of values in each block of hours bool[K, T] that no earlier hour had, float64[K]; NaN where there are
    none.

    `counted` are the counts of one feature with the hour, [0, T), that each is of, and `count` int64[T] its values. Of
    those that were not heavy in the baseline, the ones whose hash is below what every hour keeps speak for the others.
    """
    bound = min((int(hashes(v.values).max()) for _, v in counted if len(v.values) >= KEPT), default=2**64 - 1)
    parts = [_kept(t, v, np.uint64(bound)) for t, v in counted]
    hour, value, held, heavy = (np.concatenate(column) for column in zip(*parts, strict=True))
    known, place = np.unique(value, return_inverse=True)
    first = np.full(len(known), blocks.shape[1])
    np.minimum.at(first, place, hour)
    return np.array([_new(block, hour, held, heavy, first[place], int(count[block].sum())) for block in blocks])


def _kept(t: int, v: ValueCounts, bound: np.uint64) -> tuple[Counts, Floats, Counts, NDArray[np.bool_]]:
    """The hour, value and count of what is kept of an hour, and whether it is heavy."""
    some, light = v.heavy_counts > 0, hashes(v.values) <= bound
    value = np.concatenate([v.heavy[some], v.values[light]])
    held = np.concatenate([v.heavy_counts[some], v.value_counts[light]])
    return np.full(len(value), t), value, held, np.arange(len(value)) < some.sum()


def _new(
    block: NDArray[np.bool_], hour: Counts, held: Counts, heavy: NDArray[np.bool_], first: Counts, count: int
) -> float:
    if not count:
        return float("nan")
    inside, start = block[hour], int(np.argmax(block))
    new = inside & (first >= start)
    of_heavy, of_light = int(held[inside & heavy].sum()), int(held[inside & ~heavy].sum())
    light = int(held[new & ~heavy].sum()) / of_light * (count - of_heavy) if of_light else 0.0
    return (int(held[new & heavy].sum()) + light) / count
