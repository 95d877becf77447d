"""All sums of a profile in one pass over the samples, compiled by numba when it is first called.

Every feature is summed on its own, over the rows in their order: the bits depend neither on threads, nor on how
features are shared among them, nor on the width of the processor's registers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

COUNTED = ("count", "nulls", "nonfinite", "pairs")
SUMMED = ("total", "total2", "cross", "pair_total", "pair_total2", "pair_prediction", "pair_prediction2")


@dataclass(frozen=True)
class Sums:
    """What was summed, for G groups of rows and F features: `fields` name → [G, F], `histogram` int64[G, F, B]."""

    fields: dict[str, NDArray[Any]]
    histogram: NDArray[np.int64]


def sum_up(
    columns: NDArray[Any],
    prediction: NDArray[np.float64],
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    edges: NDArray[np.float64],
    first: int,
) -> Sums:
    """Sums of the features from number `first` on, for which there are `edges` float64[F, B-1].

    `columns` [n, …] are float32 or float64, C-contiguous, and `prediction` float64[n]; group g holds the rows
    `order[bounds[g]:bounds[g + 1]]`.
    """
    from tools.stats.bin_table import bin_table
    from tools.stats.eight_rows import WIDEST
    from tools.stats.side_by_side import summed

    (features, inner), groups = edges.shape, len(bounds) - 1
    counts = {name: np.zeros((groups, features), dtype=np.int64) for name in COUNTED}
    fields = counts | {name: np.zeros((groups, features)) for name in (*SUMMED, "minimum", "maximum")}
    histogram = np.zeros((groups, features, inner + 1), dtype=np.int64)
    table = bin_table(edges, columns.dtype)
    for g in range(groups):
        rows = order[bounds[g] : bounds[g + 1]]
        for at in range(0, features, WIDEST):
            tile = slice(at, min(at + WIDEST, features))
            for name, values in summed(columns, rows, prediction[rows], first, tile, table, histogram[g, tile]).items():
                fields[name][g, tile] = values
    return Sums(fields, histogram)
