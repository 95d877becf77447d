"""The sums of one group of rows, for features side by side: block after block of rows, first by rows, then by columns.

Rows are read as they lie in memory, all features side by side. In columns, the table of one feature is at hand for all
its values of a block.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.stats.bin_table import Table, count, spread
from tools.stats.eight_rows import ROWS, WIDEST, add_rows

_BLOCK = 1024
"""So many rows are put into columns at a time, which stay in the processor's cache."""

Counts = NDArray[np.int64]


def summed(
    columns: NDArray[Any],
    rows: Counts,
    prediction: NDArray[np.float64],
    first: int,
    tile: slice,
    table: Table,
    histogram: Counts,
) -> dict[str, NDArray[Any]]:
    """What was summed over the `rows` int64[n], whose `prediction` is float64[n], name → [F].

    The features are those of `tile` of the table, at most `WIDEST`, and lie in `columns` as many places further on as
    `first` says. Adds to `histogram` int64[F, B].
    """
    known = np.isfinite(prediction)
    whole = _Running(columns, first + tile.start, tile.stop - tile.start, len(rows))
    counted = np.zeros((tile.stop - tile.start, table.edges.shape[1]), dtype=np.uint32)
    for some, told in _blocks(rows, np.where(known, prediction, 0.0)):
        whole.add(some, told)
        count(whole.block, whole.block.view(table.edges.dtype), len(some), table, tile.start, counted)
    spread(counted, table, tile.start, whole.nulls, whole.nonfinite, whole.tops, histogram)
    pairs = whole
    if not known.all():
        pairs = _Running(columns, first + tile.start, tile.stop - tile.start, len(rows))
        for some, told in _blocks(rows[known], prediction[known]):
            pairs.add(some, told)
    return whole.alone() | pairs.with_prediction()


def _blocks(rows: Counts, told: NDArray[np.float64]) -> list[tuple[Counts, NDArray[np.float64]]]:
    return [(rows[at : at + _BLOCK], told[at : at + _BLOCK]) for at in range(0, len(rows), _BLOCK)]


class _Running:
    """The sums so far of F features from number `first` on, and the values of the last block in columns."""

    def __init__(self, columns: NDArray[Any], first: int, features: int, rows: int) -> None:
        self._columns, self._first, self._features = columns, first, features
        # Eight more than needed: a power of two apart, columns would push each other out of the cache.
        places = -(-min(_BLOCK, rows) // ROWS) * ROWS + ROWS
        self.block = np.empty((features, places), dtype=columns.dtype)
        self._sums = np.zeros((5, WIDEST))
        self._extremes = np.repeat(np.array([[np.inf], [-np.inf]], dtype=columns.dtype), WIDEST, axis=1)
        self._finite = np.zeros(WIDEST, dtype=np.int32)
        self.nulls, self.nonfinite, self.tops = np.zeros((3, features), dtype=np.int64)

    @property
    def _count(self) -> NDArray[np.int32]:
        return self._finite[: self._features]

    def add(self, rows: Counts, told: NDArray[np.float64]) -> None:
        """Add a block of rows, whose predictions are finite."""
        before = self._count.copy()
        add_rows(
            self._columns, rows, told, self._first, self.block, self._sums.ravel(), self._extremes.ravel(), self._finite
        )
        strange = np.flatnonzero(self._count - before < len(rows))
        if len(strange):
            values = self.block[strange, : len(rows)]
            nulls = np.isnan(values).sum(axis=1)
            self.nulls[strange] += nulls
            self.nonfinite[strange] += len(rows) - (self._count - before)[strange] - nulls
            self.tops[strange] += (values == np.inf).sum(axis=1)

    def alone(self) -> dict[str, NDArray[Any]]:
        """What a feature's own values sum up to, name → [F]."""
        total, total2, *_ = self._sums[:, : self._features]
        minimum, maximum = self._extremes[:, : self._features]
        counts = {"count": self._count, "nulls": self.nulls, "nonfinite": self.nonfinite}
        return {**counts, "total": total, "total2": total2, "minimum": minimum, "maximum": maximum}

    def with_prediction(self) -> dict[str, NDArray[Any]]:
        """What values and predictions sum up to, name → [F]."""
        total, total2, cross, told, told2 = self._sums[:, : self._features]
        own = {"pairs": self._count, "pair_total": total, "pair_total2": total2}
        return {**own, "cross": cross, "pair_prediction": told, "pair_prediction2": told2}
