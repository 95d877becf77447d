"""Rows of samples, eight at a time: what is added up of them, and their values put into columns.

A processor adds up eight or sixteen features at once, each of them over the rows in their order.
"""

from typing import Any

import numpy as np

from tools.stats.compiled import compiled

ROWS = 8
WIDEST = 1024
"""At most so many features are added up side by side: at a fixed distance from each other, sums need no checks that
they do not overlap."""


@compiled
def add_rows(
    columns: Any, order: Any, told: Any, first: Any, block: Any, sums: Any, extremes: Any, finite: Any
) -> None:
    """Add the rows `order` int64[n] of `columns` and their predictions `told` float64[n] to what was summed up.

    Taken are as many features from number `first` on as `block` [F, …] has columns, and put there; predictions are
    finite. `sums` float64[5 · WIDEST] are Σ value, Σ value², Σ value · prediction, Σ prediction and Σ prediction²,
    `extremes` [2 · WIDEST] minimum and maximum in the values' type, and `finite` int32[WIDEST] how many finite values
    there were. A value that is not finite adds nothing.
    """
    n, last = len(order), first + len(block)
    blank = np.full(len(block), np.nan, dtype=columns.dtype)  # stands for what the last eight rows lack
    eight = np.zeros(ROWS)
    for i in range(0, n, ROWS):
        for k in range(ROWS):
            eight[k] = told[i + k] if i + k < n else 0.0
        rows = (
            _row(columns, order, i, first, last, blank),
            _row(columns, order, i + 1, first, last, blank),
            _row(columns, order, i + 2, first, last, blank),
            _row(columns, order, i + 3, first, last, blank),
            _row(columns, order, i + 4, first, last, blank),
            _row(columns, order, i + 5, first, last, blank),
            _row(columns, order, i + 6, first, last, blank),
            _row(columns, order, i + 7, first, last, blank),
        )
        _add(rows, eight, sums, extremes, finite)
        _put(rows, block, i)


@compiled
def _row(columns: Any, order: Any, i: Any, first: Any, last: Any, blank: Any) -> Any:
    return columns[order[i]][first:last] if i < len(order) else blank


@compiled
def _put(rows: Any, block: Any, at: Any) -> None:
    for j in range(len(rows[0])):
        column = block[j][at : at + ROWS]
        for i in range(ROWS):
            column[i] = rows[i][j]


@compiled
def _add(rows: Any, told: Any, sums: Any, extremes: Any, finite: Any) -> None:
    a, b, c, d, e, f, g, h = rows
    p0, p1, p2, p3, p4, p5, p6, p7 = told[0], told[1], told[2], told[3], told[4], told[5], told[6], told[7]
    for j in range(len(a)):
        s = (
            sums[j],
            sums[j + WIDEST],
            sums[j + 2 * WIDEST],
            sums[j + 3 * WIDEST],
            sums[j + 4 * WIDEST],
            extremes[j],
            extremes[j + WIDEST],
            finite[j],
        )
        s = _added(s, a[j], p0)
        s = _added(s, b[j], p1)
        s = _added(s, c[j], p2)
        s = _added(s, d[j], p3)
        s = _added(s, e[j], p4)
        s = _added(s, f[j], p5)
        s = _added(s, g[j], p6)
        s = _added(s, h[j], p7)
        sums[j] = s[0]
        sums[j + WIDEST] = s[1]
        sums[j + 2 * WIDEST] = s[2]
        sums[j + 3 * WIDEST] = s[3]
        sums[j + 4 * WIDEST] = s[4]
        extremes[j] = s[5]
        extremes[j + WIDEST] = s[6]
        finite[j] = s[7]


@compiled
def _added(s: Any, value: Any, prediction: Any) -> Any:
    total, total2, cross, told, told2, low, high, finite = s
    x, nothing = np.float64(value), value - value
    known = nothing == nothing  # where the value is not finite, this is NaN
    return (
        total + x if known else total,
        total2 + x * x if known else total2,
        cross + x * prediction if known else cross,
        told + prediction if known else told,
        told2 + prediction * prediction if known else told2,
        (value if value < low else low) if known else low,
        (value if value > high else high) if known else high,
        finite + np.int32(known),
    )
